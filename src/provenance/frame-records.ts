import { ByteWriter } from './byte-writer.ts';
import { writeEntryHead } from './entry.ts';
import { leafHash } from './merkle-tree.ts';
import { type BatchSeal, batchTree, writeReceipt } from './receipt.ts';
import type { RawRecord } from './record.ts';

/** Before each statement, and before each opening. */
export const statementHeadBytes = 2;
export const openingHeadBytes = 4;

/** Of a receipt's byte string, unless its batch is very small. */
const receiptHeadBytes = 3;

/** What is being written, anew each time. */
const entry = new ByteWriter();

/** Without its tree when it was read back: that is computed when somebody needs it. */
export type FrameSeal = Omit<BatchSeal, 'tree'> & Partial<Pick<BatchSeal, 'tree'>>;

/**
 * The records of one group commit as they lie in its journal frame. Until the tree has them they are kept like this:
 * objects for each of thousands of records that wait were most of what the collector had to copy
 * (`bench/provenance.ts`). Their receipts are written only where the tree takes them in, and where somebody asks.
 */
export class FrameRecords implements Iterable<RawRecord> {
  readonly #bytes: Buffer;
  /** The position of the first record of the frame. */
  readonly #begin: number;
  /** Where each record begins, and where the last one ends. */
  readonly #starts: Uint32Array;
  readonly #seal: FrameSeal;
  #sealed: BatchSeal | undefined;
  /** The position of the first record. */
  readonly first: number;

  constructor(bytes: Buffer, begin: number, starts: Uint32Array, seal: FrameSeal, first: number = begin) {
    this.#bytes = bytes;
    this.#begin = begin;
    this.#starts = starts;
    this.#seal = seal;
    this.first = first;
  }

  get count(): number {
    return this.end - this.first;
  }

  /** The position after the last record. */
  get end(): number {
    return this.#begin + this.#starts.length - 1;
  }

  /** The opening as a view, the entry as it goes into the tree. */
  at(position: number): RawRecord | undefined {
    if (position < this.first || position >= this.end) return undefined;
    entry.reset();
    this.writeEntry(entry, position);
    return { position, entry: entry.copy(), opening: this.opening(position) };
  }

  /** As a view; `position` is one of these records. */
  statement(position: number): Uint8Array {
    const index = position - this.#begin;
    return this.#bytes.subarray(this.#statementStart(index), this.#statementEnd(index));
  }

  /** As a view; `position` is one of these records. */
  opening(position: number): Uint8Array {
    const index = position - this.#begin;
    return this.#bytes.subarray(this.#statementEnd(index) + openingHeadBytes, this.#starts[index + 1]);
  }

  /** `position` is one of these records. */
  writeEntry(writer: ByteWriter, position: number): void {
    const index = position - this.#begin;
    writeEntryHead(writer, this.#bytes, this.#statementStart(index), this.#statementEnd(index));
    const receipt = writer.beginByteString(receiptHeadBytes);
    writeReceipt(writer, this.#whole(), index);
    writer.endByteString(receipt, receiptHeadBytes);
  }

  /** Those from a position on. */
  from(position: number): FrameRecords {
    const first = Math.max(this.first, position);
    return new FrameRecords(this.#bytes, this.#begin, this.#starts, this.#sealed ?? this.#seal, first);
  }

  *[Symbol.iterator](): Generator<RawRecord> {
    for (let position = this.first; ; position++) {
      const record = this.at(position);
      if (!record) return;
      yield record;
    }
  }

  #statementStart(index: number): number {
    return (this.#starts[index] ?? 0) + statementHeadBytes;
  }

  #statementEnd(index: number): number {
    const start = this.#starts[index] ?? 0;
    return start + statementHeadBytes + this.#bytes.readUInt16BE(start);
  }

  #whole(): BatchSeal {
    this.#sealed ??= { ...this.#seal, tree: this.#seal.tree ?? this.#tree() };
    return this.#sealed;
  }

  #tree(): BatchSeal['tree'] {
    const ids: Uint8Array[] = [];
    for (let index = 0; index < this.#starts.length - 1; index++)
      ids.push(leafHash(this.#bytes.subarray(this.#statementStart(index), this.#statementEnd(index))));
    return batchTree(ids);
  }
}
