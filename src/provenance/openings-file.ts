import { asBuffer } from '../base/index.ts';
import {
  encodeBundle,
  entryLengthBytes,
  type LengthBytes,
  openingLengthBytes,
  splitBundle,
} from './bundle.ts';
import { tileWidth } from './tile-layout.ts';

/** "TSO1": what a file of openings begins with; then the number of records. */
const magic = 0x54534f31;
const fixedBytes = 8;
/** For each record, where its opening ends behind this head, and where its entry ends in the published bundle. */
const endsBytes = 8;
export const maxHeadBytes: number = fixedBytes + tileWidth * endsBytes;

/** Where an item lies in its file, without the length before it. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** What stands before the openings of a bundle, so that one record of it can be read without the others. */
export function openingsHead(openings: Uint8Array, entries: Uint8Array): Uint8Array {
  const [opened, published] = [asBuffer(openings), asBuffer(entries)];
  const head = Buffer.allocUnsafe(maxHeadBytes);
  let to = fixedBytes;
  for (let opening = 0, entry = 0; opening < opened.length; to += endsBytes) {
    opening += openingLengthBytes + opened.readUInt32BE(opening);
    entry += entryLengthBytes + published.readUInt16BE(entry);
    head.writeUInt32BE(opening, to);
    head.writeUInt32BE(entry, to + 4);
  }
  head.writeUInt32BE(magic);
  head.writeUInt32BE((to - fixedBytes) / endsBytes, 4);
  return head.subarray(0, to);
}

/**
 * The whole file for these records. `like` is the one that is there: earlier builds wrote no head, and where entries are
 * missing nobody can say what it should be.
 */
export function encodeOpenings(
  openings: readonly Uint8Array[],
  entries: readonly Uint8Array[],
  like: Uint8Array,
): Uint8Array {
  const items = encodeBundle(openings, openingLengthBytes);
  const headLength = headLengthIn(like);
  const head =
    headLength > 0 && entries.length === openings.length
      ? openingsHead(items, encodeBundle(entries, entryLengthBytes))
      : like.subarray(0, headLength);
  return Buffer.concat([head, items]);
}

/** Every opening of a file, as views; throws ProvenanceError `bundle-damaged`. */
export function splitOpenings(file: Uint8Array): Uint8Array[] {
  return splitBundle(file.subarray(headLengthIn(file)), openingLengthBytes);
}

/** 0 for a file of earlier builds; no opening is as long as the magic would say. */
function headLengthIn(file: Uint8Array): number {
  const bytes = asBuffer(file);
  if (bytes.length < fixedBytes || bytes.readUInt32BE() !== magic) return 0;
  return fixedBytes + bytes.readUInt32BE(4) * endsBytes;
}

/** The head of a file that was read by itself. */
export class OpeningsHead {
  readonly #bytes: Buffer;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Of the first bytes of a file; undefined when there is no whole head in them. */
  static in(bytes: Uint8Array): OpeningsHead | undefined {
    const length = headLengthIn(bytes);
    return length > 0 && length <= bytes.length
      ? new OpeningsHead(asBuffer(bytes.subarray(0, length)))
      : undefined;
  }

  /** In the file of openings; undefined: it has not as many. */
  opening(at: number): Extent | undefined {
    return this.#extent(at, 0, this.#bytes.length, openingLengthBytes);
  }

  /** In the published bundle. */
  entry(at: number): Extent | undefined {
    return this.#extent(at, 4, 0, entryLengthBytes);
  }

  #extent(at: number, column: number, first: number, lengthBytes: LengthBytes): Extent | undefined {
    const place = fixedBytes + at * endsBytes + column;
    if (place >= this.#bytes.length) return undefined;
    const before = at === 0 ? 0 : this.#bytes.readUInt32BE(place - endsBytes);
    const [start, end] = [before + lengthBytes, this.#bytes.readUInt32BE(place)];
    return start <= end ? { start: first + start, end: first + end } : undefined;
  }
}
