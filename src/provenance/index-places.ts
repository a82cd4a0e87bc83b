import type { Table } from './index-tables.ts';

/** What records are looked up by. Outcomes and words of intents are events of a kind, too. */
export type PlaceKind = 'id' | 'identity' | 'call' | 'event';

/** Positions from `from` up to, and without, `to`. */
export interface PositionRange {
  readonly from: number;
  readonly to: number;
}

/**
 * 64 bits stand for an id, a fingerprint, a Call-ID or an event: what is found is held against the record itself, so a
 * false hit costs a read. The first bits say in which bucket a tag is.
 */
export interface Tag {
  readonly kind: PlaceKind;
  readonly high: number;
  readonly low: number;
}

/**
 * Records whose places share buckets, about as many as are written at once: a list that grew with each write would be
 * read and written again each time. An offset within them has two bytes.
 */
export const segmentRecords = 8_192;
/** Segments whose lists of one bucket lie side by side. */
const groupSegments = 8;
/** Tag, offset. */
export const placeBytes = 10;
const bucketBits = 7;
const buckets: number = 1 << bucketBits;
const kinds: Readonly<Record<PlaceKind, number>> = { id: 0, identity: 1, call: 2, event: 3 };
/** Room for a list and what is added to it; grows with them. */
const initialJoinedBytes = 8_192;
/** Buckets of all kinds in one segment. */
export const segmentBuckets: number = 4 * buckets;

export function tagFrom(kind: PlaceKind, bytes: Uint8Array): Tag {
  return { kind, high: uint32At(bytes, 0), low: uint32At(bytes, 4) };
}

export function uint32At(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}

/** Among those of all kinds. */
export function bucketOf(kind: PlaceKind, high: number): number {
  return kinds[kind] * buckets + (high >>> (32 - bucketBits));
}

/**
 * Where a tag occurs: for each segment and bucket a list of places, in the order of the log. All that one flush adds to
 * a bucket is one write, and writes stay within the newest segment: an entry for each record and key, at its place in
 * one large tree, touched a page of its own each time, more of them the larger the log (`bench/provenance.ts`).
 */
export class Places {
  readonly #tables: { readonly places: Table };
  #joined = Buffer.allocUnsafeSlow(initialJoinedBytes);

  constructor(tables: { readonly places: Table }) {
    this.#tables = tables;
  }

  /** Within a transaction. */
  append(segment: number, bucket: number, added: Buffer): void {
    const key = placesKey(segment, bucket);
    const { places } = this.#tables;
    // Its memory is the store's own, and so is the next one's: a list is copied once, to where the last one was.
    const before = places.getBinaryFast(key);
    if (before === undefined) {
      places.putSync(key, added);
      return;
    }
    const length = before.length + added.length;
    if (length > this.#joined.length) this.#joined = Buffer.allocUnsafeSlow(2 * length);
    // Only its `length` is that of the list.
    this.#joined.set(before.subarray(0, before.length));
    this.#joined.set(added, before.length);
    places.putSync(key, this.#joined.subarray(0, length));
  }

  /** Within a transaction: takes out all from `end` on, which a crash has left unfinished; it comes again. */
  trim(end: number): void {
    const segment = Math.floor(end / segmentRecords);
    const start = placesKey(segment - (segment % groupSegments), 0);
    for (const { key, value } of [...this.#tables.places.getRange({ start })]) {
      const first = (key.readUInt32BE(0) * groupSegments + key.readUInt8(6)) * segmentRecords;
      let kept = value.length;
      while (kept > 0 && first + value.readUInt16BE(kept - 2) >= end) kept -= placeBytes;
      if (kept < value.length) this.#tables.places.putSync(key, value.subarray(0, kept));
    }
  }

  /** Up to `limit` positions in rising (or, with `newestFirst`, falling) order. */
  positions(tag: Tag, range: PositionRange, newestFirst: boolean, limit: number): number[] {
    const found: number[] = [];
    if (range.from >= range.to) return found;
    const bucket = bucketOf(tag.kind, tag.high);
    const first = Math.floor(range.from / segmentRecords);
    const last = Math.floor((range.to - 1) / segmentRecords);
    for (let at = 0; at <= last - first && found.length < limit; at++)
      this.#within(newestFirst ? last - at : first + at, bucket, tag, range, newestFirst, limit, found);
    return found;
  }

  #within(
    segment: number,
    bucket: number,
    { high, low }: Tag,
    range: PositionRange,
    newestFirst: boolean,
    limit: number,
    found: number[],
  ): void {
    const list = this.#tables.places.get(placesKey(segment, bucket));
    if (!list) return;
    const step = newestFirst ? -placeBytes : placeBytes;
    for (let at = newestFirst ? list.length - placeBytes : 0; at >= 0 && at < list.length; at += step) {
      if (list.readUInt32BE(at) !== high || list.readUInt32BE(at + 4) !== low) continue;
      const position = segment * segmentRecords + list.readUInt16BE(at + 8);
      // Both parties of a call can be one identity.
      if (position < range.from || position >= range.to || found.at(-1) === position) continue;
      found.push(position);
      if (found.length === limit) return;
    }
  }

  /** Up to `limit` positions of ids of whose first 64 bits those of `mask` agree with `tag`; in no order. */
  startingWith(tag: Tag, mask: Pick<Tag, 'high' | 'low'>, range: PositionRange, limit: number): number[] {
    const found: number[] = [];
    const lastBucket = bucketOf('id', (tag.high | ~mask.high) >>> 0);
    const segments = Math.ceil(range.to / segmentRecords);
    for (let segment = Math.floor(range.from / segmentRecords); segment < segments; segment++)
      for (let bucket = bucketOf('id', tag.high); bucket <= lastBucket; bucket++) {
        const list = this.#tables.places.get(placesKey(segment, bucket));
        for (let at = 0; list && at < list.length; at += placeBytes) {
          if (((list.readUInt32BE(at) ^ tag.high) & mask.high) !== 0) continue;
          if (((list.readUInt32BE(at + 4) ^ tag.low) & mask.low) !== 0) continue;
          const position = segment * segmentRecords + list.readUInt16BE(at + 8);
          if (position >= range.from && position < range.to) found.push(position);
          if (found.length === limit) return found;
        }
      }
    return found;
  }

  /** Within a transaction: takes out the places of a tag in one segment that lie within the range. */
  remove(tag: Tag, segment: number, range: PositionRange): void {
    const key = placesKey(segment, bucketOf(tag.kind, tag.high));
    const list = this.#tables.places.get(key);
    if (!list) return;
    let kept = 0;
    for (let at = 0; at < list.length; at += placeBytes) {
      const position = segment * segmentRecords + list.readUInt16BE(at + 8);
      const within = position >= range.from && position < range.to;
      if (within && list.readUInt32BE(at) === tag.high && list.readUInt32BE(at + 4) === tag.low) continue;
      list.copy(list, kept, at, at + placeBytes);
      kept += placeBytes;
    }
    if (kept < list.length) this.#tables.places.putSync(key, list.subarray(0, kept));
  }
}

function placesKey(segment: number, bucket: number): Buffer {
  const key = Buffer.allocUnsafe(7);
  key.writeUInt32BE(Math.floor(segment / groupSegments), 0);
  key.writeUInt16BE(bucket, 4);
  key.writeUInt8(segment % groupSegments, 6);
  return key;
}
