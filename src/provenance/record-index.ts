import { asBuffer, encodeBase32, equalBytes } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import { ProvenanceError } from './error.ts';
import { countFrom, decodeCall, decodeHead, encodeCall, encodeHead, uint64 } from './index-keys.ts';
import {
  type LookupKey,
  type PositionRange,
  positionsOf,
  rangesWithin,
  withIdPrefix,
} from './index-lookup.ts';
import {
  callKey,
  eventPrefix,
  IndexTables,
  idKeyBytes,
  intentPrefix,
  outcomePrefix,
} from './index-tables.ts';
import { IntentWords, intentWords } from './intent-words.ts';
import { type Head, type HeadSource, nextState, type RecordFacts, withoutParty } from './ledger.ts';
import type { TreeHead } from './merkle-tree.ts';
import { bundlesWith, Postings, removePosting, removePostings } from './postings.ts';
import type { OpenCall } from './record.ts';
import { tileWidth } from './tile-layout.ts';

/** Facts of a record together with its place and the SIP Call-ID, where it has one. */
export interface IndexedRecord {
  readonly position: number;
  readonly facts: RecordFacts;
  readonly sipCallId: string | undefined;
}

type ChunkPostings = Readonly<Record<'events' | 'outcomes' | 'intents' | 'identities' | 'calls', Postings>>;

/** What the index knew of a record and may know no longer. */
export interface ErasedTrace {
  readonly position: number;
  readonly intent: string | undefined;
  readonly sipCallId: string | undefined;
}

const formatVersion = 3;
const stateKey = Buffer.from('state');
/** Records under one LMDB transaction: keeps each stretch of synchronous work short. */
const chunkRecords = 1024;
/** Earliest and latest time of the records of one bundle. */
interface TimeSpan {
  readonly from: number;
  readonly to: number;
}

/**
 * What can be looked up without reading the log: derived from it, outside its directory, rebuilt when it is gone.
 * It says up to which size of the log it is complete. Tables may be ahead of that (a transaction of several, or one
 * of another process): look-ups leave out what lies beyond.
 */
export class RecordIndex implements HeadSource {
  readonly #tables: IndexTables;
  readonly #origin: Buffer;
  readonly #intents = new IntentWords();
  #head: TreeHead;

  private constructor(tables: IndexTables, origin: string) {
    this.#tables = tables;
    this.#origin = Buffer.from(origin);
    this.#head = this.#readHead();
  }

  /** Throws ProvenanceError `index-foreign` when the directory holds the index of another log. */
  static async open(options: {
    readonly directory: string;
    readonly origin: string;
    readonly readOnly: boolean;
  }): Promise<RecordIndex> {
    const tables = new IndexTables(options.directory, options.readOnly);
    try {
      if (!options.readOnly && isOlder(tables)) tables.clear();
      return new RecordIndex(tables, options.origin);
    } catch (error) {
      await tables.root.close();
      throw error;
    }
  }

  /** The tree that the index is complete for. */
  get treeHead(): TreeHead {
    return this.#head;
  }

  get size(): number {
    return this.#head.size;
  }

  /** Sees what another process has written since. */
  refresh(): void {
    this.#tables.root.resetReadTxn();
    this.#head = this.#readHead();
  }

  head(fingerprint: Fingerprint): Head | undefined {
    return decodeHead(this.#tables.heads.get(this.#tables.identityKey(fingerprint)));
  }

  /** The newest record of every identity, as of `size`. */
  *heads(): Generator<{ readonly fingerprint: Fingerprint; readonly head: Head }> {
    for (const { key, value } of this.#tables.heads.getRange()) {
      const head = decodeHead(value);
      if (head) yield { fingerprint: encodeBase32(key), head };
    }
  }

  openCalls(): readonly OpenCall[] {
    return [...this.#tables.calls.getRange().map(({ value }) => decodeCall(value))];
  }

  /** The position of the record that opened the run of a node. */
  nodePosition(node: Fingerprint): number | undefined {
    const value = this.#tables.nodes.get(this.#tables.identityKey(node));
    return value && Number(value.readBigUInt64BE(0));
  }

  /** Up to `limit` positions below `size`, in rising (or, with `newestFirst`, falling) order. */
  positions(by: LookupKey, range: PositionRange, newestFirst: boolean, limit: number): readonly number[] {
    const to = Math.min(range.to, this.size);
    return positionsOf(this.#tables, by, { from: range.from, to }, newestFirst, limit);
  }

  /** Ranges of positions that can hold records of this time. */
  rangesWithin(sinceMs: number, untilMs: number, within: PositionRange): readonly PositionRange[] {
    return rangesWithin(this.#tables, { sinceMs, untilMs }, within);
  }

  /** Positions of at most `limit` records whose id begins so; beyond 25 characters the caller has to compare. */
  withIdPrefix(prefix: string, limit: number): readonly number[] {
    return withIdPrefix(this.#tables, prefix, this.size, limit);
  }

  /** Records in log order that follow on what is there; `head` is the tree that they complete. */
  async add(records: readonly IndexedRecord[], head: TreeHead): Promise<void> {
    for (let at = 0; at < records.length; at += chunkRecords) {
      const chunk = records.slice(at, at + chunkRecords);
      await this.#tables.root.transaction(() => {
        this.#putAll(chunk);
        if (at + chunk.length === records.length) this.#putHead(head);
      });
    }
    this.#head = head;
  }

  /** Takes out words and Call-IDs of records that can no longer be read there. */
  async unlist(traces: readonly ErasedTrace[]): Promise<void> {
    const { root, byEvent, byCall } = this.#tables;
    await root.transaction(() => {
      for (const { position, intent, sipCallId } of traces) {
        for (const word of intent === undefined ? [] : intentWords(intent))
          removePosting(byEvent, intentPrefix(word), position);
        if (sipCallId !== undefined) removePosting(byCall, callKey(sipCallId), position);
      }
    });
  }

  /** Takes out what leads from an identity to its records before a position: it was erased. */
  async forget(fingerprint: Fingerprint, before: number): Promise<void> {
    const { root, heads, calls, byIdentity } = this.#tables;
    const prefix = this.#tables.identityPrefix(fingerprint);
    for (let first = 0; ; ) {
      const bundles = bundlesWith(byIdentity, prefix, { first, before }, chunkRecords);
      const last = bundles.at(-1);
      if (last === undefined) break;
      await root.transaction(() => {
        for (const bundle of bundles) removePostings(byIdentity, prefix, bundle, before);
      });
      first = last + 1;
    }
    await root.transaction(() => {
      const head = this.head(fingerprint);
      if (head && head.position < before) heads.removeSync(this.#tables.identityKey(fingerprint));
      for (const { key, value } of calls.getRange()) {
        const call = decodeCall(value);
        const parties = withoutParty(call.parties, fingerprint);
        if (parties.length < call.parties.length) calls.putSync(key, encodeCall({ ...call, parties }));
      }
    });
  }

  async close(): Promise<void> {
    await this.#tables.root.close();
  }

  /** Heads, calls and times change again and again within a chunk: only their last state is written. */
  #putAll(records: readonly IndexedRecord[]): void {
    const heads = new Map<Fingerprint, Head>();
    const calls = new Map<string, OpenCall | undefined>();
    const times = new Map<number, TimeSpan>();
    const postings = this.#postings();
    for (const record of records) {
      const { position, facts } = record;
      this.#put(record, postings);
      for (const { fingerprint, seq } of facts.parties)
        heads.set(fingerprint, { seq, id: facts.idBytes, position });
      if (facts.call) {
        const { id } = facts.call;
        calls.set(
          id,
          nextState(facts, () => (calls.has(id) ? calls.get(id) : this.#call(id))),
        );
      }
      const bundle = Math.floor(position / tileWidth);
      times.set(bundle, widened(times.get(bundle) ?? this.#time(bundle), facts.timeMs));
    }
    for (const one of Object.values(postings)) one.write();
    for (const [fingerprint, head] of heads)
      this.#tables.heads.putSync(this.#tables.identityKey(fingerprint), encodeHead(head));
    for (const [id, call] of calls)
      if (call) this.#tables.calls.putSync(callKey(id), encodeCall(call));
      else this.#tables.calls.removeSync(callKey(id));
    for (const [bundle, { from, to }] of times) {
      const value = Buffer.allocUnsafe(16);
      value.writeDoubleBE(from, 0);
      value.writeDoubleBE(to, 8);
      this.#tables.times.putSync(uint64(bundle), value);
    }
  }

  #put({ position, facts, sipCallId }: IndexedRecord, postings: ChunkPostings): void {
    const { ids } = this.#tables;
    const { events, outcomes, intents, identities, calls } = postings;
    ids.putSync(asBuffer(facts.idBytes).subarray(0, idKeyBytes), uint64(position));
    events.add(facts.event, position);
    if (facts.outcome !== undefined) outcomes.add(facts.outcome, position);
    if (facts.intent !== undefined)
      for (const word of this.#intents.wordsOf(facts.intent)) intents.add(word, position);
    for (const { fingerprint } of facts.parties) identities.add(fingerprint, position);
    if (facts.call) calls.add(facts.call.id, position);
    if (sipCallId !== undefined && sipCallId !== facts.call?.id) calls.add(sipCallId, position);
    if (facts.opensNode !== undefined)
      this.#tables.nodes.putSync(this.#tables.identityKey(facts.opensNode), uint64(position));
  }

  #postings(): ChunkPostings {
    const { byEvent, byIdentity, byCall } = this.#tables;
    return {
      events: new Postings(byEvent, eventPrefix),
      outcomes: new Postings(byEvent, outcomePrefix),
      intents: new Postings(byEvent, intentPrefix),
      identities: new Postings(byIdentity, (fingerprint) => this.#tables.identityPrefix(fingerprint)),
      calls: new Postings(byCall, callKey),
    };
  }

  #call(id: string): OpenCall | undefined {
    const value = this.#tables.calls.get(callKey(id));
    return value && decodeCall(value);
  }

  #time(bundle: number): TimeSpan | undefined {
    const value = this.#tables.times.get(uint64(bundle));
    return value && { from: value.readDoubleBE(0), to: value.readDoubleBE(8) };
  }

  #putHead(head: TreeHead): void {
    this.#tables.root.putSync(
      stateKey,
      Buffer.concat([countFrom(formatVersion), uint64(head.size), head.root, this.#origin]),
    );
  }

  #readHead(): TreeHead {
    const state = this.#tables.root.get(stateKey);
    if (!state || isOlder(this.#tables)) return { size: 0, root: new Uint8Array(0) };
    if (state.readUInt32BE(0) !== formatVersion || !equalBytes(state.subarray(44), this.#origin))
      throw new ProvenanceError(
        'index-foreign',
        'the index directory belongs to another log; remove it to rebuild it',
      );
    return { size: Number(state.readBigUInt64BE(4)), root: Uint8Array.from(state.subarray(12, 44)) };
  }
}

/** An index that an earlier release made: derived from the log, so it is made again rather than converted. */
function isOlder({ root }: IndexTables): boolean {
  const state = root.get(stateKey);
  return state !== undefined && state.readUInt32BE(0) < formatVersion;
}

function widened(span: TimeSpan | undefined, timeMs: number): TimeSpan {
  return { from: Math.min(timeMs, span?.from ?? timeMs), to: Math.max(timeMs, span?.to ?? timeMs) };
}
