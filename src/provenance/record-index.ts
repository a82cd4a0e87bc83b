import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import type { KnownHead } from './heads-order.ts';
import { IndexCalls } from './index-calls.ts';
import { type ErasedTrace, forgetIdentity, unlistTraces } from './index-erasure.ts';
import { IndexHeads } from './index-heads.ts';
import { countFrom, uint64 } from './index-keys.ts';
import { idPrefix, type LookupKey, tagOf } from './index-lookup.ts';
import { type NotedBatch, notedBatch } from './index-noted.ts';
import { groupRecords, groupSteps, Places, type PositionRange, type Tag, uint32At } from './index-places.ts';
import { IndexPositions } from './index-positions.ts';
import { isOlder, putState, readState } from './index-state.ts';
import { IndexTables } from './index-tables.ts';
import { IndexTail } from './index-tail.ts';
import { IndexTimes } from './index-times.ts';
import { IntentWords } from './intent-words.ts';
import type { CallState, Head, HeadSource, RecordFacts } from './ledger.ts';
import type { TreeHead } from './merkle-tree.ts';

/** Facts of a record together with its place and the SIP Call-ID, where it has one. */
export interface IndexedRecord {
  readonly position: number;
  readonly facts: RecordFacts;
  readonly sipCallId: string | undefined;
}

/** How many groups of segments there are. */
const groupsKey = Buffer.from('groups');
/** Of a group's steps, with each write: all of them at once take a second, in which no checkpoint is signed. */
const groupStepsAtOnce = 4;
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
  /** The next step of the group that is being made; a start goes through those before, which find nothing to do. */
  #groupStep = 0;
  /** Records written since the file was mapped. */
  #touched = 0;
  #lastWrite: Promise<unknown> = Promise.resolve();
  readonly #origin: Buffer;
  readonly #intents = new IntentWords();
  /** The tree that the tables are complete for. */
  #head: TreeHead;
  /** What the tables do not have yet. */
  #tail: IndexTail;
  readonly #heads: IndexHeads;
  readonly #calls: IndexCalls;
  readonly #times: IndexTimes;
  readonly #nodes = new Map<Fingerprint, number>();

  private constructor(tables: IndexTables, origin: string) {
    this.#tables = tables;
    this.#places = new Places(tables);
    this.#heads = new IndexHeads(tables);
    this.#calls = new IndexCalls(tables);
    this.#times = new IndexTimes(tables);
    this.#origin = Buffer.from(origin);
    this.#head = readState(this.#tables, this.#origin);
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
    this.#heads.forgetRecent();
    this.#tables.root.resetReadTxn();
    this.#head = readState(this.#tables, this.#origin);
    this.#tail = new IndexTail(this.#head.size);
  }

  head(fingerprint: Fingerprint, bytes: Uint8Array = fingerprintBytes(fingerprint)): Head | undefined {
    return this.#heads.get(bytes);
  }

  /**
   * The newest record of every identity as of `size`, in the order of the fingerprints' bytes: one moment's state, that of
   * the first `next`, however long it takes to go through it.
   */
  heads(): Generator<KnownHead> {
    return this.#heads.all();
  }

  openCalls(): readonly CallState[] {
    return this.#calls.open();
  }

  /** The position of the record that opened the run of a node. */
  nodePosition(node: Fingerprint): number | undefined {
    const value = this.#tables.nodes.get(this.#tables.identityKey(node));
    return this.#nodes.get(node) ?? (value && Number(value.readBigUInt64BE(0)));
  }

  /** Up to `limit` positions below `size`, in rising (or, with `newestFirst`, falling) order. */
  positions(by: LookupKey, range: PositionRange, newestFirst: boolean, limit: number): readonly number[] {
    return this.#within(range).of(tagOf(this.#tables, by), newestFirst, limit);
  }

  /** Ranges of positions that can hold records of this time. */
  rangesWithin(sinceMs: number, untilMs: number, within: PositionRange): readonly PositionRange[] {
    return this.#times.rangesWithin(sinceMs, untilMs, within);
  }

  /** Positions of at most `limit` records whose id begins so; beyond 12 characters the caller has to compare. */
  withIdPrefix(prefix: string, limit: number): readonly number[] {
    const sought = idPrefix(prefix);
    if (!sought) return [];
    return this.#within({ from: 0, to: this.size }).startingWith(sought.tag, sought.mask, limit);
  }

  /** Durable records in log order that follow on what is there; from now on they are found. */
  add(records: readonly IndexedRecord[]): void {
    for (const record of records) {
      const { position, facts } = record;
      this.#note(record);
      for (const party of facts.parties) this.#heads.note(party, facts.idBytes, position);
      this.#times.note(position, facts.timeMs);
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
      if (this.#touched >= mappedRecords && (await this.#tables.mapAnew(() => this.#heads.walked)))
        this.#touched = 0;
    });
  }

  /** Joins the segments of a million records once all of them are written, a little with each write. */
  async #group(): Promise<void> {
    const { root } = this.#tables;
    const group = countIn(root.get(groupsKey));
    if ((group + 1) * groupRecords > this.#head.size) return;
    const end = Math.min(this.#groupStep + groupStepsAtOnce, groupSteps);
    for (; this.#groupStep < end; this.#groupStep++)
      await root.transaction(() => this.#places.group(group, this.#groupStep));
    if (end < groupSteps) return;
    await root.put(groupsKey, countFrom(group + 1));
    this.#groupStep = 0;
  }

  async #write(head: TreeHead): Promise<void> {
    const { root } = this.#tables;
    const { end } = this.#tail;
    await this.#tail.write(this.#places, end, (write) => root.transaction(write));
    const settleHeads = await this.#heads.write((write) => root.transaction(write));
    const batches = [this.#calls.batch(this.#tail.end), this.#times.batch(), this.#nodeBatch()];
    await root.transaction(() => {
      for (const batch of batches) batch.put();
      putState(this.#tables, this.#origin, head);
    });
    settleHeads();
    for (const batch of batches) batch.settle();
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
    this.#heads.forgetNoted(fingerprint, before);
    this.#calls.forget(fingerprint);
    await forgetIdentity(this.#tables, this.#places, fingerprint, before);
    this.#heads.forgetRecent(fingerprint);
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#tables.root.close());
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#lastWrite.then(task, task);
    this.#lastWrite = turn.catch(() => undefined);
    return turn;
  }

  #note({ position, facts, sipCallId }: IndexedRecord): void {
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
    const call = facts.call && this.#calls.note(facts, facts.call, position, sipCallId);
    if (call) note(call.tag);
    if (sipCallId !== undefined && sipCallId !== facts.call?.id)
      note(call?.sip?.tag ?? tables.callTag(sipCallId));
    if (facts.opensNode !== undefined) this.#nodes.set(facts.opensNode, position);
    tail.noted(position);
  }

  #nodeBatch(): NotedBatch {
    const { nodes } = this.#tables;
    return notedBatch(this.#nodes, (node, position) =>
      nodes.putSync(this.#tables.identityKey(node), uint64(position)),
    );
  }

  #within({ from, to }: PositionRange): IndexPositions {
    return new IndexPositions(this.#places, this.#tail, { from, to: Math.min(to, this.size) });
  }
}

function countIn(value: Buffer | undefined): number {
  return value?.readUInt32BE(0) ?? 0;
}
