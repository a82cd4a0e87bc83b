import type { RawRecord } from './record.ts';

/** Before each entry, and before each opening. */
export const entryHeadBytes = 2;
export const openingHeadBytes = 4;

/**
 * The records of one group commit as they lie in its journal frame. Until the tree has them they are kept like this:
 * objects for each of thousands of records that wait were most of what the collector had to copy
 * (`bench/provenance.ts`).
 */
export class FrameRecords implements Iterable<RawRecord> {
  readonly #bytes: Buffer;
  /** The position of the first record. */
  readonly first: number;
  /** Where each record begins, and where the last one ends. */
  readonly #starts: Uint32Array;

  constructor(bytes: Buffer, first: number, starts: Uint32Array) {
    this.#bytes = bytes;
    this.first = first;
    this.#starts = starts;
  }

  get count(): number {
    return this.#starts.length - 1;
  }

  /** The position after the last record. */
  get end(): number {
    return this.first + this.count;
  }

  /** As views. */
  at(position: number): RawRecord | undefined {
    const start = this.#starts[position - this.first];
    const end = this.#starts[position - this.first + 1];
    if (start === undefined || end === undefined) return undefined;
    const entry = start + entryHeadBytes;
    const entryEnd = entry + this.#bytes.readUInt16BE(start);
    return {
      position,
      entry: this.#bytes.subarray(entry, entryEnd),
      opening: this.#bytes.subarray(entryEnd + openingHeadBytes, end),
    };
  }

  /** Those from a position on. */
  from(position: number): FrameRecords {
    const skipped = Math.max(0, position - this.first);
    return new FrameRecords(this.#bytes, this.first + skipped, this.#starts.subarray(skipped));
  }

  *[Symbol.iterator](): Generator<RawRecord> {
    for (let position = this.first; ; position++) {
      const record = this.at(position);
      if (!record) return;
      yield record;
    }
  }
}
