import {
  bucketOf,
  type PlaceKind,
  type Places,
  type PositionRange,
  placeBytes,
  segmentBuckets,
  segmentRecords,
  type Tag,
} from './index-places.ts';

const initialPlaces = 4_096;

/**
 * Places of records that the tables do not have yet, in columns of numbers: thousands of records wait here, and objects
 * for each would be what the collector copies again and again (`bench/provenance.ts`).
 */
export class IndexTail {
  /** The position of the first record. */
  #first: number;
  /** The position after the last record. */
  #end: number;
  #count = 0;
  #buckets = new Uint16Array(initialPlaces);
  #highs = new Uint32Array(initialPlaces);
  #lows = new Uint32Array(initialPlaces);
  #positions = new Float64Array(initialPlaces);

  constructor(first: number) {
    this.#first = first;
    this.#end = first;
  }

  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#end;
  }

  /** All places of a record are noted before `noted` says so. */
  note(kind: PlaceKind, high: number, low: number, position: number): void {
    if (this.#count === this.#positions.length) this.#grow();
    const at = this.#count++;
    this.#buckets[at] = bucketOf(kind, high);
    this.#highs[at] = high;
    this.#lows[at] = low;
    this.#positions[at] = position;
  }

  noted(position: number): void {
    this.#end = position + 1;
  }

  positions(tag: Tag, range: PositionRange, newestFirst: boolean, limit: number): number[] {
    const found: number[] = [];
    const bucket = bucketOf(tag.kind, tag.high);
    const step = newestFirst ? -1 : 1;
    for (let at = newestFirst ? this.#count - 1 : 0; at >= 0 && at < this.#count; at += step) {
      if (this.#highs[at] !== tag.high || this.#lows[at] !== tag.low || this.#buckets[at] !== bucket)
        continue;
      const position = this.#positions[at] ?? 0;
      if (position < range.from || position >= range.to || found.at(-1) === position) continue;
      found.push(position);
      if (found.length === limit) break;
    }
    return found;
  }

  /** As `Places` has it. */
  startingWith(tag: Tag, mask: Pick<Tag, 'high' | 'low'>, range: PositionRange, limit: number): number[] {
    const found: number[] = [];
    for (let at = 0; at < this.#count && found.length < limit; at++) {
      if ((this.#buckets[at] ?? 0) >= bucketOf('identity', 0)) continue;
      if ((((this.#highs[at] ?? 0) ^ tag.high) & mask.high) !== 0) continue;
      if ((((this.#lows[at] ?? 0) ^ tag.low) & mask.low) !== 0) continue;
      const position = this.#positions[at] ?? 0;
      if (position >= range.from && position < range.to) found.push(position);
    }
    return found;
  }

  /** Writes what lies before `end` in transactions that `inTransaction` makes, one for each segment. */
  async write(
    places: Places,
    end: number,
    inTransaction: (write: () => void) => Promise<void>,
  ): Promise<void> {
    for (let segment = Math.floor(this.#first / segmentRecords); segment * segmentRecords < end; segment++) {
      const { bytes, ends } = this.#sorted(segment, end);
      await inTransaction(() => {
        let start = 0;
        for (let bucket = 0; bucket < segmentBuckets; bucket++) {
          const next = ends[bucket] ?? 0;
          if (next > start) places.append(segment, bucket, bytes.subarray(start, next));
          start = next;
        }
      });
    }
  }

  /** The places of one segment before `end`, bucket after bucket, and where each bucket ends. */
  #sorted(segment: number, end: number): { readonly bytes: Buffer; readonly ends: Uint32Array } {
    const start = segment * segmentRecords;
    const stop = Math.min(end, start + segmentRecords);
    const ends = new Uint32Array(segmentBuckets);
    const from = this.#indexOf(start);
    const to = this.#indexOf(stop);
    for (let at = from; at < to; at++) ends[this.#buckets[at] ?? 0] = (ends[this.#buckets[at] ?? 0] ?? 0) + 1;
    let total = 0;
    for (let bucket = 0; bucket < segmentBuckets; bucket++) {
      const count = ends[bucket] ?? 0;
      ends[bucket] = total;
      total += count * placeBytes;
    }
    const bytes = Buffer.allocUnsafeSlow(total);
    for (let at = from; at < to; at++) {
      const bucket = this.#buckets[at] ?? 0;
      const into = ends[bucket] ?? 0;
      bytes.writeUInt32BE(this.#highs[at] ?? 0, into);
      bytes.writeUInt32BE(this.#lows[at] ?? 0, into + 4);
      bytes.writeUInt16BE((this.#positions[at] ?? 0) - start, into + 8);
      ends[bucket] = into + placeBytes;
    }
    return { bytes, ends };
  }

  /** The tables have everything before `end`. */
  drop(end: number): void {
    const kept = this.#indexOf(end);
    for (const column of [this.#buckets, this.#highs, this.#lows, this.#positions])
      column.copyWithin(0, kept, this.#count);
    this.#count -= kept;
    this.#first = end;
    this.#end = Math.max(this.#end, end);
  }

  /** Of the first place that is not before a position. */
  #indexOf(position: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#positions[middle] ?? 0) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #grow(): void {
    const length = this.#positions.length * 2;
    const grown = { buckets: new Uint16Array(length), highs: new Uint32Array(length) };
    grown.buckets.set(this.#buckets);
    grown.highs.set(this.#highs);
    const lows = new Uint32Array(length);
    lows.set(this.#lows);
    const positions = new Float64Array(length);
    positions.set(this.#positions);
    this.#buckets = grown.buckets;
    this.#highs = grown.highs;
    this.#lows = lows;
    this.#positions = positions;
  }
}
