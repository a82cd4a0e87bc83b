import { asBuffer, encodeBase32, equalBytes, TransientMap } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import { ProvenanceError } from './error.ts';
import { byFingerprint, type KnownHead, overlaid } from './heads-order.ts';
import { type ErasedTrace, forgetIdentity, unlistTraces } from './index-erasure.ts';
import { countFrom, decodeCall, decodeHead, encodeCall, encodeHead, uint64 } from './index-keys.ts';
import { idPrefix, type LookupKey, rangesWithin, type TimeSpan, tagOf } from './index-lookup.ts';
import { groupRecords, Places, type PositionRange, type Tag, uint32At } from './index-places.ts';
import { callKey, IndexTables } from './index-tables.ts';
import { IndexTail } from './index-tail.ts';
import { IntentWords } from './intent-words.ts';
import {
  type CallState,
  type Head,
  type HeadSource,
  nextState,
  type PlacedParty,
  type RecordFacts,
  withoutPartyOf,
} from './ledger.ts';
import type { TreeHead } from './merkle-tree.ts';
import { tileWidth } from './tile-layout.ts';

/** Facts of a record together with its place and the SIP Call-ID, where it has one. */
export interface IndexedRecord {
  readonly position: number;
  readonly facts: RecordFacts;
  readonly sipCallId: string | undefined;
}

interface NotedCall {
  /** undefined: closed. */
  readonly call: CallState | undefined;
  /** The position of its attempt; 0 where that is not known. */
  readonly since: number;
  readonly tag: Tag;
  readonly sipCallId: string | undefined;
  readonly sipTag: Tag | undefined;
}

/** An identity's newest record, and its fingerprint's bytes where they are at hand. */
type NotedHead = Head & Pick<PlacedParty, 'bytes'>;

const formatVersion = 6;
const stateKey = Buffer.from('state');
/** How many groups of segments there are. */
const groupsKey = Buffer.from('groups');
/** Heads under one LMDB transaction: keeps each stretch of synchronous work short. */
const chunkHeads = 1024;
const maxRememberedHeads = 10_000;
/** Records that are written before the file is mapped anew. */
const mappedRecords = 4_096;

/**
 * What can be looked up without reading the log: derived from it, outside its directory, rebuilt when it is gone.
 * Records are noted in memory as soon as they are durable and written to the tables by thousands; the tables say up to
 * which size of the log they are complete, and a start after a crash notes the rest again. They may be ahead of that
 * (by a write of several transactions, or of another process): look-ups leave out what lies beyond.
 */
export class RecordIndex implements HeadSource {
  readonly #tables: IndexTables;
  readonly #places: Places;
  /** Records written since the file was mapped. */
  #touched = 0;
  /** Who looks at one snapshot for longer than a moment. */
  #walks = 0;
  #lastWrite: Promise<unknown> = Promise.resolve();
  readonly #origin: Buffer;
  readonly #intents = new IntentWords();
  /** The tree that the tables are complete for. */
  #head: TreeHead;
  /** What the tables do not have yet. */
  #tail: IndexTail;
  readonly #heads = new Map<Fingerprint, NotedHead>();
  /** Some of those that the tables have. */
  readonly #recentHeads = new Map<Fingerprint, Head>();
  readonly #calls = new TransientMap<NotedCall>();
  /** Calls that began from here on are in no table; after a crash the tables may be ahead, until the next write. */
  #callsFrom = Number.POSITIVE_INFINITY;
  readonly #times = new Map<number, TimeSpan>();
  readonly #nodes = new Map<Fingerprint, number>();

  private constructor(tables: IndexTables, origin: string) {
    this.#tables = tables;
    this.#places = new Places(tables);
    this.#origin = Buffer.from(origin);
    this.#head = this.#readHead();
    this.#tail = new IndexTail(this.#head.size);
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
      const index = new RecordIndex(tables, options.origin);
      if (!options.readOnly) await tables.root.transaction(() => index.#places.trim(index.size));
      return index;
    } catch (error) {
      await tables.root.close();
      throw error;
    }
  }

  /** The tree that the index on disk is complete for. */
  get written(): TreeHead {
    return this.#head;
  }

  /** Every record before this position is found. */
  get size(): number {
    return this.#tail.end;
  }

  /** Records that a start after a crash would read again: those beyond what `written` covers. */
  get behind(): number {
    return this.#tail.end - this.#head.size;
  }

  /** Sees what another process has written since. */
  refresh(): void {
    this.#recentHeads.clear();
    this.#tables.root.resetReadTxn();
    this.#head = this.#readHead();
    this.#tail = new IndexTail(this.#head.size);
  }

  head(fingerprint: Fingerprint): Head | undefined {
    return this.#heads.get(fingerprint) ?? this.#writtenHead(fingerprint);
  }

  /** The same identities call again and again. */
  #writtenHead(fingerprint: Fingerprint): Head | undefined {
    let head = this.#recentHeads.get(fingerprint);
    if (!head) {
      head = decodeHead(this.#tables.heads.get(this.#tables.identityKey(fingerprint)));
      if (head) this.#rememberHead(fingerprint, head);
    }
    return head;
  }

  #rememberHead(fingerprint: Fingerprint, head: Head): void {
    if (this.#recentHeads.size >= maxRememberedHeads) this.#recentHeads.clear();
    this.#recentHeads.set(fingerprint, head);
  }

  /**
   * The newest record of every identity as of `size`, in the order of the fingerprints' bytes: one moment's state, that of
   * the first `next`, however long it takes to go through it.
   */
  *heads(): Generator<KnownHead> {
    const noted = Array.from(this.#heads, ([fingerprint, head]) => ({ fingerprint, head }));
    yield* overlaid(this.#writtenHeads(), noted.sort(byFingerprint));
  }

  *#writtenHeads(): Generator<KnownHead> {
    this.#walks++;
    try {
      // An iterator of LMDB keeps to the state that it began with.
      for (const { key, value } of this.#tables.heads.getRange()) {
        const head = decodeHead(value);
        if (head) yield { fingerprint: encodeBase32(key), head };
      }
    } finally {
      this.#walks--;
    }
  }

  openCalls(): readonly CallState[] {
    const calls = new Map<string, CallState | undefined>();
    for (const { value } of this.#tables.calls.getRange()) {
      const call = decodeCall(value);
      calls.set(call.id, call);
    }
    for (const [id, { call }] of this.#calls) calls.set(id, call);
    return [...calls.values()].filter((call) => call !== undefined);
  }

  /** The position of the record that opened the run of a node. */
  nodePosition(node: Fingerprint): number | undefined {
    const value = this.#tables.nodes.get(this.#tables.identityKey(node));
    return this.#nodes.get(node) ?? (value && Number(value.readBigUInt64BE(0)));
  }

  /** Up to `limit` positions below `size`, in rising (or, with `newestFirst`, falling) order. */
  positions(by: LookupKey, range: PositionRange, newestFirst: boolean, limit: number): readonly number[] {
    const tag = tagOf(this.#tables, by);
    const { written, noted } = this.#parted(range);
    const [first, second] = newestFirst ? [noted, written] : [written, noted];
    const found = first.positions(tag, newestFirst, limit);
    return found.length === limit
      ? found
      : [...found, ...second.positions(tag, newestFirst, limit - found.length)];
  }

  /** Ranges of positions that can hold records of this time. */
  rangesWithin(sinceMs: number, untilMs: number, within: PositionRange): readonly PositionRange[] {
    return rangesWithin(this.#tables, this.#times, { sinceMs, untilMs }, within);
  }

  /** Positions of at most `limit` records whose id begins so; beyond 12 characters the caller has to compare. */
  withIdPrefix(prefix: string, limit: number): readonly number[] {
    const sought = idPrefix(prefix);
    if (!sought) return [];
    const { written, noted } = this.#parted({ from: 0, to: this.size });
    const found = written.startingWith(sought.tag, sought.mask, limit);
    return found.length === limit
      ? found
      : [...found, ...noted.startingWith(sought.tag, sought.mask, limit - found.length)];
  }

  /** Durable records in log order that follow on what is there; from now on they are found. */
  add(records: readonly IndexedRecord[]): void {
    for (const record of records) {
      const { position, facts } = record;
      this.#note(record);
      for (const party of facts.parties) this.#heads.set(party.fingerprint, headOf(party, record));
      const bundle = Math.floor(position / tileWidth);
      const span = this.#times.get(bundle) ?? this.#time(bundle);
      if (!span || facts.timeMs < span.from || facts.timeMs > span.to || !this.#times.has(bundle))
        this.#times.set(bundle, widened(span, facts.timeMs));
    }
  }

  /**
   * Puts what was noted into the tables; `head` is a tree of the log on disk. When it fails, what was noted is still
   * there, and found.
   */
  write(head: TreeHead): Promise<void> {
    return this.#inTurn(async () => {
      const before = this.#head.size;
      await this.#write(head);
      await this.#group();
      this.#touched += this.#head.size - before;
      if (this.#touched >= mappedRecords && (await this.#tables.mapAnew(() => this.#walks > 0)))
        this.#touched = 0;
    });
  }

  /** Joins the segments of a million records once all of them are written. */
  async #group(): Promise<void> {
    const { root } = this.#tables;
    for (let group = countIn(root.get(groupsKey)); (group + 1) * groupRecords <= this.#head.size; group++) {
      await this.#places.group(group, (write) => root.transaction(write));
      await root.put(groupsKey, countFrom(group + 1));
    }
  }

  async #write(head: TreeHead): Promise<void> {
    const { root } = this.#tables;
    const { end } = this.#tail;
    await this.#tail.write(this.#places, end, (write) => root.transaction(write));
    const heads = [...this.#heads];
    for (let at = 0; at < heads.length; at += chunkHeads)
      await root.transaction(() => {
        for (const [fingerprint, one] of heads.slice(at, at + chunkHeads))
          this.#tables.heads.putSync(
            asBuffer(one.bytes ?? this.#tables.identityKey(fingerprint)),
            encodeHead(one),
          );
      });
    const calls = [...this.#calls];
    this.#callsFrom = this.#tail.end;
    const times = [...this.#times];
    const nodes = [...this.#nodes];
    await root.transaction(() => {
      for (const [id, { call }] of calls)
        if (call) this.#tables.calls.putSync(callKey(id), encodeCall(call));
        else this.#tables.calls.removeSync(callKey(id));
      for (const [bundle, span] of times) this.#tables.times.putSync(uint64(bundle), encodeSpan(span));
      for (const [node, position] of nodes)
        this.#tables.nodes.putSync(this.#tables.identityKey(node), uint64(position));
      this.#putHead(head);
    });
    for (const [fingerprint, head] of heads) this.#rememberHead(fingerprint, head);
    dropUnchanged(this.#heads, heads);
    dropUnchanged(this.#calls, calls);
    dropUnchanged(this.#times, times);
    dropUnchanged(this.#nodes, nodes);
    this.#tail.drop(end);
    this.#head = head;
  }

  /** Takes out words and Call-IDs of records that can no longer be read there; only of what was written. */
  unlist(traces: readonly ErasedTrace[]): Promise<void> {
    return this.#inTurn(() => unlistTraces(this.#tables, this.#places, traces));
  }

  /** Takes out what leads from an identity to its records before a position: it was erased. As `unlist`. */
  forget(fingerprint: Fingerprint, before: number): Promise<void> {
    return this.#inTurn(() => this.#forget(fingerprint, before));
  }

  async #forget(fingerprint: Fingerprint, before: number): Promise<void> {
    const noted = this.#heads.get(fingerprint);
    if (noted && noted.position < before) this.#heads.delete(fingerprint);
    for (const [id, call] of this.#calls)
      if (call.call) this.#calls.set(id, { ...call, call: withoutPartyOf(call.call, fingerprint) });
    await forgetIdentity(this.#tables, this.#places, fingerprint, before);
    this.#recentHeads.delete(fingerprint);
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#tables.root.close());
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#lastWrite.then(task, task);
    this.#lastWrite = turn.catch(() => undefined);
    return turn;
  }

  #note(record: IndexedRecord): void {
    const { position, facts, sipCallId } = record;
    const tables = this.#tables;
    const tail = this.#tail;
    const note = ({ kind, high, low }: Tag): void => tail.note(kind, high, low, position);
    tail.note('id', uint32At(facts.idBytes, 0), uint32At(facts.idBytes, 4), position);
    note(tables.eventTag(facts.event));
    if (facts.outcome !== undefined) note(tables.outcomeTag(facts.outcome));
    if (facts.intent !== undefined)
      for (const word of this.#intents.wordsOf(facts.intent)) note(tables.intentTag(word));
    for (const { fingerprint, bytes } of facts.parties) {
      const key = bytes ?? tables.identityKey(fingerprint);
      tail.note('identity', uint32At(key, 0), uint32At(key, 4), position);
    }
    const call = facts.call && this.#noteCall(record, facts.call);
    if (call) note(call.tag);
    if (sipCallId !== undefined && sipCallId !== facts.call?.id)
      note((sipCallId === call?.sipCallId && call.sipTag) || tables.callTag(sipCallId));
    if (facts.opensNode !== undefined) this.#nodes.set(facts.opensNode, position);
    tail.noted(position);
  }

  /** A call that has ended before anything of it was written leaves nothing to write. */
  #noteCall(
    { facts, position, sipCallId }: IndexedRecord,
    { id, phase }: NonNullable<RecordFacts['call']>,
  ): NotedCall {
    const before = this.#calls.get(id);
    const asks = !before && (phase === 'progress' || phase === 'answer');
    const call = nextState(facts, asks ? this.#call(id) : before?.call);
    const noted = {
      call,
      since: before?.since ?? (phase === 'attempt' ? position : 0),
      tag: before?.tag ?? this.#tables.callTag(id),
      sipCallId,
      sipTag:
        before && before.sipCallId === sipCallId
          ? before.sipTag
          : sipCallId === undefined
            ? undefined
            : this.#tables.callTag(sipCallId),
    };
    if (call === undefined && noted.since >= this.#callsFrom) this.#calls.delete(id);
    else this.#calls.set(id, noted);
    return noted;
  }

  #parted({ from, to }: PositionRange): Readonly<Record<'written' | 'noted', Part>> {
    const end = Math.min(to, this.size);
    const { first } = this.#tail;
    return {
      written: partOf(this.#places, { from, to: Math.min(end, first) }),
      noted: partOf(this.#tail, { from: Math.max(from, first), to: end }),
    };
  }

  #call(id: string): CallState | undefined {
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

/** A party of a record that was under way is its identity's head itself. */
function headOf(party: PlacedParty, { facts, position }: IndexedRecord): NotedHead {
  return isHead(party) ? party : { seq: party.seq, id: facts.idBytes, position };
}

function isHead(party: PlacedParty): party is PlacedParty & Head {
  return 'position' in party;
}

function countIn(value: Buffer | undefined): number {
  return value?.readUInt32BE(0) ?? 0;
}

interface Part {
  positions(tag: Tag, newestFirst: boolean, limit: number): readonly number[];
  startingWith(tag: Tag, mask: Tag, limit: number): readonly number[];
}

/** One of the two sources of positions, for a range. */
function partOf(source: Places | IndexTail, range: PositionRange): Part {
  return {
    positions: (tag, newestFirst, limit) => source.positions(tag, range, newestFirst, limit),
    startingWith: (tag, mask, limit) => source.startingWith(tag, mask, range, limit),
  };
}

/** What came while the rest was being written stays. */
function dropUnchanged<K, V>(
  noted: Pick<Map<K, V>, 'get' | 'delete'>,
  written: readonly (readonly [K, V])[],
): void {
  for (const [key, value] of written) if (noted.get(key) === value) noted.delete(key);
}

function encodeSpan({ from, to }: TimeSpan): Buffer {
  const value = Buffer.allocUnsafe(16);
  value.writeDoubleBE(from, 0);
  value.writeDoubleBE(to, 8);
  return value;
}

function widened(span: TimeSpan | undefined, timeMs: number): TimeSpan {
  return { from: Math.min(timeMs, span?.from ?? timeMs), to: Math.max(timeMs, span?.to ?? timeMs) };
}
