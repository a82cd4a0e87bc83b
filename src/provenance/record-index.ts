import { type Database, open, type RootDatabase } from 'lmdb';
import { asBuffer, decodeBase32, equalBytes } from '../base/index.ts';
import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { sha256 } from './digest.ts';
import { ProvenanceError } from './error.ts';
import {
  countFrom,
  decodeCall,
  decodeHead,
  encodeCall,
  encodeHead,
  positionKey,
  uint64,
} from './index-keys.ts';
import { type Head, type HeadSource, nextState, type RecordFacts } from './ledger.ts';
import type { TreeHead } from './merkle-tree.ts';
import type { OpenCall } from './record.ts';
import { tileWidth } from './tile-layout.ts';

/** Facts of a record together with its place and the SIP Call-ID, where it has one. */
export interface IndexedRecord {
  readonly position: number;
  readonly facts: RecordFacts;
  readonly sipCallId: string | undefined;
}

/** Positions from `from` up to, and without, `to`. */
export interface PositionRange {
  readonly from: number;
  readonly to: number;
}

const formatVersion = 1;
const stateKey = Buffer.from('state');
/** Records under one LMDB transaction: keeps each stretch of synchronous work short. */
const chunkRecords = 1024;

const maxRememberedIdentities = 10_000;
/** The value of keys that say everything. */
const present: Buffer = Buffer.alloc(0);

type Table = Database<Buffer, Buffer>;

/** Earliest and latest time of the records of one bundle. */
interface TimeSpan {
  readonly from: number;
  readonly to: number;
}

/**
 * What can be looked up without reading the log: derived from it, outside its directory, rebuilt when it is gone.
 * It says up to which size of the log it is complete.
 */
export class RecordIndex implements HeadSource {
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #heads: Table;
  readonly #calls: Table;
  readonly #ids: Table;
  readonly #byIdentity: Table;
  readonly #byCall: Table;
  readonly #byEvent: Table;
  readonly #times: Table;
  readonly #nodes: Table;
  readonly #origin: Buffer;
  readonly #identityKeys = new Map<Fingerprint, Buffer>();
  #head: TreeHead;

  private constructor(root: RootDatabase<Buffer, Buffer>, origin: string) {
    this.#root = root;
    const table = (name: string): Table => root.openDB({ name, keyEncoding: 'binary', encoding: 'binary' });
    this.#heads = table('heads');
    this.#calls = table('calls');
    this.#ids = table('ids');
    this.#byIdentity = table('identity');
    this.#byCall = table('call');
    this.#byEvent = table('event');
    this.#times = table('times');
    this.#nodes = table('nodes');
    this.#origin = Buffer.from(origin);
    this.#head = this.#readHead();
  }

  /** Throws ProvenanceError `index-foreign` when the directory holds the index of another log. */
  static open(options: {
    readonly directory: string;
    readonly origin: string;
    readonly readOnly: boolean;
  }): RecordIndex {
    const root = open<Buffer, Buffer>({
      path: options.directory,
      keyEncoding: 'binary',
      encoding: 'binary',
      readOnly: options.readOnly,
      maxDbs: 16,
    });
    return new RecordIndex(root, options.origin);
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
    this.#root.resetReadTxn();
    this.#head = this.#readHead();
  }

  head(fingerprint: Fingerprint): Head | undefined {
    return decodeHead(this.#heads.get(asBuffer(fingerprintBytes(fingerprint))));
  }

  openCalls(): readonly OpenCall[] {
    return [...this.#calls.getRange().map(({ value }) => decodeCall(value))];
  }

  /** The position of the record that opened the run of a node. */
  nodePosition(node: Fingerprint): number | undefined {
    const value = this.#nodes.get(asBuffer(fingerprintBytes(node)));
    return value && Number(value.readBigUInt64BE(0));
  }

  /** Records in log order that follow on what is there; `head` is the tree that they complete. */
  async add(records: readonly IndexedRecord[], head: TreeHead): Promise<void> {
    for (let at = 0; at < records.length; at += chunkRecords) {
      const chunk = records.slice(at, at + chunkRecords);
      await this.#root.transaction(() => {
        this.#putAll(chunk);
        if (at + chunk.length === records.length) this.#putHead(head);
      });
    }
    this.#head = head;
  }

  /** Up to `limit` positions in rising (or, with `newestFirst`, falling) order. */
  positions(
    by: { readonly identity: Fingerprint } | { readonly callId: string } | { readonly event: string },
    range: PositionRange,
    newestFirst: boolean,
    limit: number,
  ): readonly number[] {
    const [table, prefix] = this.#lookup(by);
    const low = positionKey(prefix, range.from);
    const high = positionKey(prefix, range.to);
    // LMDB walks backwards from `start` (included) to `end` (excluded): shift both by one position.
    const keys = newestFirst
      ? table.getKeys({ start: beforeKey(high), end: beforeKey(low), reverse: true, limit })
      : table.getKeys({ start: low, end: high, limit });
    return [...keys.map((key) => Number(key.readBigUInt64BE(key.length - 8)))];
  }

  /** Ranges of positions that can hold records of this time, merged where they touch. */
  rangesWithin(sinceMs: number, untilMs: number, within: PositionRange): readonly PositionRange[] {
    const ranges: { from: number; to: number }[] = [];
    const start = uint64(Math.floor(within.from / tileWidth));
    for (const { key, value } of this.#times.getRange({ start })) {
      const from = Math.max(within.from, Number(key.readBigUInt64BE(0)) * tileWidth);
      const to = Math.min(within.to, Number(key.readBigUInt64BE(0)) * tileWidth + tileWidth);
      if (from >= within.to) break;
      if (value.readDoubleBE(8) < sinceMs || value.readDoubleBE(0) > untilMs) continue;
      const last = ranges.at(-1);
      if (last?.to === from) last.to = to;
      else ranges.push({ from, to });
    }
    return ranges;
  }

  /** Positions of all records whose id begins with this base32 prefix, at most `limit`. */
  withIdPrefix(prefix: string, limit: number): readonly number[] {
    const start = decodeBase32(prefix.padEnd(52, 'a'));
    if (!start || prefix.length > 52) return [];
    const found: number[] = [];
    for (const { key, value } of this.#ids.getRange({ start: asBuffer(start) })) {
      if (found.length === limit || !hasPrefix(key, start, prefix.length)) break;
      found.push(Number(value.readBigUInt64BE(0)));
    }
    return found;
  }

  async close(): Promise<void> {
    await this.#root.close();
  }

  /** Heads, calls and times change again and again within a chunk: only their last state is written. */
  #putAll(records: readonly IndexedRecord[]): void {
    const heads = new Map<Fingerprint, Head>();
    const calls = new Map<string, OpenCall | undefined>();
    const times = new Map<number, TimeSpan>();
    for (const record of records) {
      const { position, facts } = record;
      this.#put(record);
      for (const { fingerprint, seq } of facts.parties)
        heads.set(fingerprint, { seq, id: facts.idBytes, position });
      if (facts.call) {
        const { id } = facts.call;
        calls.set(id, nextState(facts, calls.has(id) ? calls.get(id) : this.#call(id)));
      }
      const bundle = Math.floor(position / tileWidth);
      times.set(bundle, widened(times.get(bundle) ?? this.#time(bundle), facts.timeMs));
    }
    for (const [fingerprint, head] of heads)
      this.#heads.putSync(this.#identityKey(fingerprint), encodeHead(head));
    for (const [id, call] of calls)
      if (call) this.#calls.putSync(callPrefix(id), encodeCall(call));
      else this.#calls.removeSync(callPrefix(id));
    for (const [bundle, { from, to }] of times) {
      const value = Buffer.allocUnsafe(16);
      value.writeDoubleBE(from, 0);
      value.writeDoubleBE(to, 8);
      this.#times.putSync(uint64(bundle), value);
    }
  }

  #put({ position, facts, sipCallId }: IndexedRecord): void {
    this.#ids.putSync(asBuffer(facts.idBytes), uint64(position));
    this.#byEvent.putSync(positionKey(eventPrefix(facts.event), position), present);
    for (const { fingerprint } of facts.parties)
      this.#byIdentity.putSync(positionKey(this.#identityKey(fingerprint), position), present);
    if (facts.call) this.#byCall.putSync(positionKey(callPrefix(facts.call.id), position), present);
    if (sipCallId !== undefined && sipCallId !== facts.call?.id)
      this.#byCall.putSync(positionKey(callPrefix(sipCallId), position), present);
    if (facts.opensNode !== undefined)
      this.#nodes.putSync(this.#identityKey(facts.opensNode), uint64(position));
  }

  #call(id: string): OpenCall | undefined {
    const value = this.#calls.get(callPrefix(id));
    return value && decodeCall(value);
  }

  #time(bundle: number): TimeSpan | undefined {
    const value = this.#times.get(uint64(bundle));
    return value && { from: value.readDoubleBE(0), to: value.readDoubleBE(8) };
  }

  /** Decoding base32 costs as much as the write: the same identities come again and again. */
  #identityKey(fingerprint: Fingerprint): Buffer {
    let key = this.#identityKeys.get(fingerprint);
    if (!key) {
      key = asBuffer(fingerprintBytes(fingerprint));
      if (this.#identityKeys.size >= maxRememberedIdentities) this.#identityKeys.clear();
      this.#identityKeys.set(fingerprint, key);
    }
    return key;
  }

  #putHead(head: TreeHead): void {
    this.#root.putSync(
      stateKey,
      Buffer.concat([countFrom(formatVersion), uint64(head.size), head.root, this.#origin]),
    );
  }

  #readHead(): TreeHead {
    const state = this.#root.get(stateKey);
    if (!state) return { size: 0, root: new Uint8Array(0) };
    if (state.readUInt32BE(0) !== formatVersion || !equalBytes(state.subarray(44), this.#origin))
      throw new ProvenanceError(
        'index-foreign',
        'the index directory belongs to another log; remove it to rebuild it',
      );
    return { size: Number(state.readBigUInt64BE(4)), root: Uint8Array.from(state.subarray(12, 44)) };
  }

  #lookup(by: Parameters<RecordIndex['positions']>[0]): readonly [Table, Buffer] {
    if ('identity' in by) return [this.#byIdentity, asBuffer(fingerprintBytes(by.identity))];
    if ('callId' in by) return [this.#byCall, callPrefix(by.callId)];
    return [this.#byEvent, eventPrefix(by.event)];
  }
}

/** Call ids come from the network and may be long: their digest keeps keys short. */
function callPrefix(id: string): Buffer {
  return sha256(Buffer.from(id)).subarray(0, 16);
}

function eventPrefix(event: string): Buffer {
  return sha256(Buffer.from(event)).subarray(0, 8);
}

function widened(span: TimeSpan | undefined, timeMs: number): TimeSpan {
  return { from: Math.min(timeMs, span?.from ?? timeMs), to: Math.max(timeMs, span?.to ?? timeMs) };
}

/** The key just below, for keys that end in a position. */
function beforeKey(key: Buffer): Buffer {
  const before = Buffer.from(key);
  for (let at = before.length - 1; at >= 0; at--) {
    const byte = before[at] ?? 0;
    before[at] = byte === 0 ? 0xff : byte - 1;
    if (byte !== 0) break;
  }
  return before;
}

/** Whether the first `characters` base32 characters (5 bits each) of two ids agree. */
function hasPrefix(id: Uint8Array, other: Uint8Array, characters: number): boolean {
  const bits = Math.min(characters * 5, id.length * 8);
  const whole = Math.floor(bits / 8);
  if (!equalBytes(id.subarray(0, whole), other.subarray(0, whole))) return false;
  const mask = (0xff00 >> (bits % 8)) & 0xff;
  return ((id[whole] ?? 0) & mask) === ((other[whole] ?? 0) & mask);
}
