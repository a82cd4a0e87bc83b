import type { ByteWriter } from './byte-writer.ts';
import { foldLevel, hashBytes } from './merkle-tree.ts';

/**
 * The RFC 6962 tree of one batch, all of its hashes in one stretch of memory: it lies there until the tree of the log has
 * the batch, and an object for each hash would be what the collector copies (`bench/provenance.ts`).
 */
export class BatchTree {
  readonly #hashes: Buffer;
  /** Hashes of each level, leaves first; an odd one at the end of a level moves up unchanged. */
  readonly #widths: readonly number[];

  /** `leaves` are at least one. */
  constructor(leaves: readonly Uint8Array[]) {
    const widths = [leaves.length];
    let count = leaves.length;
    for (let width = leaves.length; width > 1; ) {
      width = Math.ceil(width / 2);
      widths.push(width);
      count += width;
    }
    this.#widths = widths;
    this.#hashes = Buffer.allocUnsafeSlow(count * hashBytes);
    let at = 0;
    for (const leaf of leaves) {
      this.#hashes.set(leaf, at);
      at += hashBytes;
    }
    let start = 0;
    for (const width of widths) {
      const end = start + width * hashBytes;
      if (width > 1) foldLevel(this.#hashes, start, end, end);
      start = end;
    }
  }

  get size(): number {
    return this.#widths[0] ?? 0;
  }

  get root(): Uint8Array {
    return this.#hashes.subarray(-hashBytes);
  }

  /** How many hashes the inclusion path of a leaf has (RFC 6962 §2.1.1). */
  pathLength(leaf: number): number {
    let length = 0;
    let at = leaf;
    for (const width of this.#widths) {
      if ((at ^ 1) < width) length++;
      at >>>= 1;
    }
    return length;
  }

  /** Appends that path as CBOR byte strings. */
  writePath(writer: ByteWriter, leaf: number): void {
    let at = leaf;
    let level = 0;
    for (const width of this.#widths) {
      const sibling = level + (at ^ 1) * hashBytes;
      if ((at ^ 1) < width) writer.byteStringOf(this.#hashes, sibling, sibling + hashBytes);
      level += width * hashBytes;
      at >>>= 1;
    }
  }
}
