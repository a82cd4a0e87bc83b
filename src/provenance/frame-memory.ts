const blockBytes = 1_048_576;
const maxSpareBlocks = 16;

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
      if (end <= position && !lent && bytes.length === blockBytes && this.#spare.length < maxSpareBlocks)
        this.#spare.push(bytes);
    this.#blocks = kept;
  }

  #newBlock(length: number): Buffer {
    return length > blockBytes
      ? Buffer.allocUnsafeSlow(length)
      : (this.#spare.pop() ?? Buffer.allocUnsafeSlow(blockBytes));
  }
}
