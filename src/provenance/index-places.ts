import { ByteWriter } from './byte-writer.ts';
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
const neighbours = 8;
/** Tag, offset. */
export const placeBytes = 10;
const bucketBits = 7;
const buckets: number = 1 << bucketBits;
const kinds: Readonly<Record<PlaceKind, number>> = { id: 0, identity: 1, call: 2, event: 3 };
/** Room for a list and what is added to it; grows with them. */
const initialJoinedBytes = 8_192;
/** Buckets of all kinds in one segment. */
export const segmentBuckets: number = 4 * buckets;

/** What is looked for in the whole log, and seldom found twice: a look-up reads one list of a group, not one a segment. */
const groupedKinds = ['id', 'call'] as const;
/** Segments that become a group once all of them are written. */
const groupSegments = 128;
export const groupRecords: number = groupSegments * segmentRecords;
/**
 * As many times as many buckets as there are segments: a list takes 0.7 kB and lies in the page of its key, which is all that a
 * look-up reads of a group. An offset within it has three bytes.
 */
const groupBucketBits: number = bucketBits + 7;
const groupPlaceBytes: number = placeBytes + 1;
/** Buckets of a group that are made in one transaction: about a millisecond. */
const bucketsAtOnce = 4;
export const groupSteps: number = (groupedKinds.length * buckets) / bucketsAtOnce;
/** In the place of the segment, in a group's key. */
const groupMark = 0x8000_0000;

/** Places of one bucket, of a segment or of a group. */
interface PlaceList {
  readonly bytes: Buffer;
  readonly placeBytes: number;
  /** The first position of the segment or group. */
  readonly start: number;
}

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
  /** For the lists of a group that are made of one bucket's; memory that is used again. */
  readonly #grouped = Array.from({ length: 1 << (groupBucketBits - bucketBits) }, () => new ByteWriter());

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
    const start = placesKey(segment - (segment % neighbours), 0);
    for (const { key, value } of [...this.#tables.places.getRange({ start, end: groupKey(0, 0) })]) {
      const first = (key.readUInt32BE(0) * neighbours + key.readUInt8(6)) * segmentRecords;
      let kept = value.length;
      while (kept > 0 && first + value.readUInt16BE(kept - 2) >= end) kept -= placeBytes;
      if (kept < value.length) this.#tables.places.putSync(key, value.subarray(0, kept));
    }
  }

  /**
   * Within a transaction: one of `groupSteps` steps that make a group of whole segments. What was done before a crash is
   * not done again; look-ups find everything between two steps.
   */
  group(group: number, step: number): void {
    const bucket = step * bucketsAtOnce;
    const kind = groupedKinds[Math.floor(bucket / buckets)] ?? 'id';
    for (let at = 0; at < bucketsAtOnce; at++) this.#groupBucket(group, kind, (bucket % buckets) + at);
  }

  #groupBucket(group: number, kind: PlaceKind, bucket: number): void {
    const { places } = this.#tables;
    const first = groupBucketOf(kind, bucket << (32 - bucketBits));
    if (places.get(groupKey(group, first))) return;
    const segments = Array.from({ length: groupSegments }, (_, at) =>
      placesKey(group * groupSegments + at, kinds[kind] * buckets + bucket),
    );
    for (const writer of this.#grouped) writer.reset();
    for (const [segment, key] of segments.entries()) {
      // Its memory is the store's own until the next look.
      const list = places.getBinaryFast(key);
      for (let at = 0; list && at < list.length; at += placeBytes) {
        const writer = this.#grouped[groupBucketOf(kind, list.readUInt32BE(at)) - first];
        writer?.part(list, at, at + 8);
        const offset = segment * segmentRecords + list.readUInt16BE(at + 8);
        writer?.uint8(offset >>> 16);
        writer?.uint16(offset & 0xffff);
      }
    }
    for (const [at, writer] of this.#grouped.entries())
      places.putSync(groupKey(group, first + at), writer.copy());
    for (const key of segments) places.removeSync(key);
  }

  /** Up to `limit` positions in rising (or, with `newestFirst`, falling) order. */
  positions(tag: Tag, range: PositionRange, newestFirst: boolean, limit: number): number[] {
    const found: number[] = [];
    if (range.from >= range.to) return found;
    for (const list of this.#lists(tag, tag, range, newestFirst)) {
      this.#within(list, tag, range, newestFirst, limit, found);
      if (found.length === limit) break;
    }
    return found;
  }

  #within(
    { bytes, placeBytes: step, start }: PlaceList,
    { high, low }: Tag,
    range: PositionRange,
    newestFirst: boolean,
    limit: number,
    found: number[],
  ): void {
    for (let index = 0; index < bytes.length / step; index++) {
      const at = newestFirst ? bytes.length - (index + 1) * step : index * step;
      if (bytes.readUInt32BE(at) !== high || bytes.readUInt32BE(at + 4) !== low) continue;
      const position = start + bytes.readUIntBE(at + 8, step - 8);
      // Both parties of a call can be one identity.
      if (position < range.from || position >= range.to || found.at(-1) === position) continue;
      found.push(position);
      if (found.length === limit) return;
    }
  }

  /** Up to `limit` positions of ids of whose first 64 bits those of `mask` agree with `tag`; in no order. */
  startingWith(tag: Tag, mask: Pick<Tag, 'high' | 'low'>, range: PositionRange, limit: number): number[] {
    const found: number[] = [];
    if (range.from >= range.to) return found;
    const last = { ...tag, high: (tag.high | ~mask.high) >>> 0 };
    for (const { bytes, placeBytes: step, start } of this.#lists(tag, last, range, false))
      for (let at = 0; at < bytes.length; at += step) {
        if (((bytes.readUInt32BE(at) ^ tag.high) & mask.high) !== 0) continue;
        if (((bytes.readUInt32BE(at + 4) ^ tag.low) & mask.low) !== 0) continue;
        const position = start + bytes.readUIntBE(at + 8, step - 8);
        if (position >= range.from && position < range.to) found.push(position);
        if (found.length === limit) return found;
      }
    return found;
  }

  /** Within a transaction: takes out the places of a tag in one segment that lie within the range. */
  remove(tag: Tag, segment: number, range: PositionRange): void {
    const inGroup = groupKey(Math.floor(segment / groupSegments), groupBucketOf(tag.kind, tag.high));
    const grouped = isGrouped(tag.kind) ? this.#tables.places.get(inGroup) : undefined;
    const key = grouped ? inGroup : placesKey(segment, bucketOf(tag.kind, tag.high));
    const list = grouped ?? this.#tables.places.get(key);
    if (!list) return;
    const step = grouped ? groupPlaceBytes : placeBytes;
    const start = grouped ? Math.floor(segment / groupSegments) * groupRecords : segment * segmentRecords;
    let kept = 0;
    for (let at = 0; at < list.length; at += step) {
      const position = start + list.readUIntBE(at + 8, step - 8);
      const within = position >= range.from && position < range.to;
      if (within && list.readUInt32BE(at) === tag.high && list.readUInt32BE(at + 4) === tag.low) continue;
      list.copy(list, kept, at, at + step);
      kept += step;
    }
    if (kept < list.length) this.#tables.places.putSync(key, list.subarray(0, kept));
  }

  /** The lists in which tags from `first` to `last` of one kind can be, segment after segment or group after group. */
  *#lists(first: Tag, last: Tag, range: PositionRange, newestFirst: boolean): Generator<PlaceList> {
    const { kind } = first;
    const lowest = Math.floor(range.from / segmentRecords);
    const highest = Math.floor((range.to - 1) / segmentRecords);
    let segment = newestFirst ? highest : lowest;
    let ungrouped = -1;
    while (segment >= lowest && segment <= highest) {
      const group = Math.floor(segment / groupSegments);
      if (isGrouped(kind) && group !== ungrouped) {
        const lists = [...this.#inGroup(group, first, last)];
        yield* lists;
        // Of a group that is being made, some buckets still lie in its segments.
        if (lists.length === groupBucketOf(kind, last.high) - groupBucketOf(kind, first.high) + 1) {
          segment = newestFirst ? group * groupSegments - 1 : (group + 1) * groupSegments;
          continue;
        }
        ungrouped = group;
      }
      for (let bucket = bucketOf(kind, first.high); bucket <= bucketOf(kind, last.high); bucket++) {
        const bytes = this.#tables.places.get(placesKey(segment, bucket));
        if (bytes) yield { bytes, placeBytes, start: segment * segmentRecords };
      }
      segment += newestFirst ? -1 : 1;
    }
  }

  *#inGroup(group: number, { kind, high }: Tag, last: Tag): Generator<PlaceList> {
    for (let bucket = groupBucketOf(kind, high); bucket <= groupBucketOf(kind, last.high); bucket++) {
      const bytes = this.#tables.places.get(groupKey(group, bucket));
      if (bytes) yield { bytes, placeBytes: groupPlaceBytes, start: group * groupRecords };
    }
  }
}

function isGrouped(kind: PlaceKind): boolean {
  return groupedKinds.some((one) => one === kind);
}

function groupBucketOf(kind: PlaceKind, high: number): number {
  return (kinds[kind] << groupBucketBits) + (high >>> (32 - groupBucketBits));
}

function placesKey(segment: number, bucket: number): Buffer {
  const key = Buffer.allocUnsafe(7);
  key.writeUInt32BE(Math.floor(segment / neighbours), 0);
  key.writeUInt16BE(bucket, 4);
  key.writeUInt8(segment % neighbours, 6);
  return key;
}

/** Behind all segments. */
function groupKey(group: number, bucket: number): Buffer {
  const key = Buffer.alloc(7);
  key.writeUInt32BE(groupMark + group, 0);
  key.writeUInt16BE(bucket, 4);
  return key;
}
