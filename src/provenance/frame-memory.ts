const blockBytes = 1_048_576;
/** Larger blocks are a multiple of this. */
const roundedBytes = 262_144;
/** A frame of a thousand records is larger than a block: its own block is as long. */
const maxSpareBytes: number = 32 * blockBytes;

interface Block {
  readonly bytes: Buffer;
  used: number;
  /** The position after the last record in it. */
  end: number;
  lent: boolean;
}

/**
 * Where frames lie until the tree has taken in their records: blocks that are used again. Half a second is too long
 * for the quick collection of young objects, and what outlives that waits for a full one: tens of megabytes under load
 * (`bench/calls.ts`).
 */
export class FrameMemory {
  /** In use, oldest first. */
  #blocks: Block[] = [];
  readonly #spare: Buffer[] = [];
  #spareBytes = 0;

  /** Room for a frame whose last record comes before the position `end`. */
  take(length: number, end: number): Buffer {
    let block = this.#blocks.at(-1);
    if (!block || block.used + length > block.bytes.length) {
      block = { bytes: this.#newBlock(length), used: 0, end, lent: false };
      this.#blocks.push(block);
    }
    const start = block.used;
    block.used += length;
    block.end = Math.max(block.end, end);
    return block.bytes.subarray(start, block.used);
  }

  /** Whoever looks at frames now may do so for as long as he likes: their memory is not used again. */
  lend(): void {
    for (const block of this.#blocks) block.lent = true;
  }

  /** Nothing before `position` is needed any more. */
  release(position: number): void {
    const kept = this.#blocks.filter((block) => block.end > position);
    for (const { bytes, end, lent } of this.#blocks)
      if (end <= position && !lent && this.#spareBytes + bytes.length <= maxSpareBytes) {
        this.#spare.push(bytes);
        this.#spareBytes += bytes.length;
      }
    this.#blocks = kept;
  }

  #newBlock(length: number): Buffer {
    const at = this.#spare.findLastIndex((bytes) => bytes.length >= length);
    const [spare] = at < 0 ? [] : this.#spare.splice(at, 1);
    if (spare) this.#spareBytes -= spare.length;
    return (
      spare ?? Buffer.allocUnsafeSlow(Math.max(blockBytes, Math.ceil(length / roundedBytes) * roundedBytes))
    );
  }
}
