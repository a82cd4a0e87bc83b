import { KeyedHash, TransientMap } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import { decodeCall, encodeCall } from './index-keys.ts';
import { type NotedBatch, notedBatch } from './index-noted.ts';
import type { Tag } from './index-places.ts';
import { callKey, type IndexTables } from './index-tables.ts';
import { type CallState, nextState, type RecordFacts, withoutPartyOf } from './ledger.ts';

/** A call as of its newest record, and the tags that its next one will ask for. */
export interface NotedCall {
  /** undefined: closed. */
  readonly call: CallState | undefined;
  /** The position of its attempt; 0 where that is not known. */
  readonly since: number;
  readonly tag: Tag;
  /** Of its SIP Call-ID, and 32 bits of it to know it by: the text may be a part of a whole message. */
  readonly sip: { readonly known: number; readonly tag: Tag } | undefined;
}

/** The calls that are open: those that were noted, before those in the table. */
export class IndexCalls {
  readonly #tables: IndexTables;
  readonly #noted = new TransientMap<NotedCall>();
  readonly #hash = new KeyedHash();
  /** Calls that began from here on are in no table; after a crash the tables may be ahead, until the next write. */
  #unwrittenFrom = Number.POSITIVE_INFINITY;

  constructor(tables: IndexTables) {
    this.#tables = tables;
  }

  open(): readonly CallState[] {
    const calls = new Map<string, CallState | undefined>();
    for (const { value } of this.#tables.calls.getRange()) {
      const call = decodeCall(value);
      calls.set(call.id, call);
    }
    for (const [id, { call }] of this.#noted) calls.set(id, call);
    return [...calls.values()].filter((call) => call !== undefined);
  }

  /** A call that has ended before anything of it was written leaves nothing to write. */
  note(
    facts: RecordFacts,
    { id, phase }: NonNullable<RecordFacts['call']>,
    position: number,
    sipCallId: string | undefined,
  ): NotedCall {
    const before = this.#noted.get(id);
    const asks = !before && (phase === 'progress' || phase === 'answer');
    const call = nextState(facts, asks ? this.#written(id) : before?.call);
    const noted = {
      call,
      since: before?.since ?? (phase === 'attempt' ? position : 0),
      tag: before?.tag ?? this.#tables.callTag(id),
      sip: sipCallId === undefined ? undefined : this.#sipTag(sipCallId, before?.sip),
    };
    if (call === undefined && noted.since >= this.#unwrittenFrom) this.#noted.delete(id);
    else this.#noted.set(id, noted);
    return noted;
  }

  /** All that is noted now, which goes up to the record before `end`. */
  batch(end: number): NotedBatch {
    this.#unwrittenFrom = end;
    const { calls } = this.#tables;
    return notedBatch<string, NotedCall>(this.#noted, (id, { call }) => {
      if (call) calls.putSync(callKey(id), encodeCall(call));
      else calls.removeSync(callKey(id));
    });
  }

  forget(fingerprint: Fingerprint): void {
    for (const [id, noted] of this.#noted)
      if (noted.call) this.#noted.set(id, { ...noted, call: withoutPartyOf(noted.call, fingerprint) });
  }

  #sipTag(sipCallId: string, before: NotedCall['sip']): NonNullable<NotedCall['sip']> {
    const known = this.#hash.of(sipCallId);
    return before?.known === known ? before : { known, tag: this.#tables.callTag(sipCallId) };
  }

  #written(id: string): CallState | undefined {
    const value = this.#tables.calls.get(callKey(id));
    return value && decodeCall(value);
  }
}
