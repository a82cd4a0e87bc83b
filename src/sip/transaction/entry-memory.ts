/** Memory comes in blocks of so many bytes; an entry that is larger gets a block of its own. */
const blockBits = 18;
const blockBytes = 1 << blockBits;
const wordBytes = 4;

/** What is no address. */
export const noEntry = 0xffff_ffff;

interface Block {
  readonly words: Uint32Array;
  readonly bytes: Buffer;
  /** Where its oldest entry begins, and where its newest ends. */
  first: number;
  end: number;
}

/**
 * Entries of words and bytes that leave in the order in which they came, outside of the collected heap: blocks that have
 * become empty are filled again. The first word of an entry is its length.
 */
export class EntryMemory {
  readonly #blocks: (Block | undefined)[] = [];
  /** Places in `#blocks` of those with entries, oldest first; of those without. */
  readonly #filled: number[] = [];
  readonly #empty: number[] = [];

  /** The address of a new entry with room for so many bytes, four for each word. */
  append(bytes: number): number {
    const length = wordBytes * Math.ceil(bytes / wordBytes) + wordBytes;
    let place = this.#filled.at(-1);
    let block = place === undefined ? undefined : this.#blocks[place];
    if (place === undefined || block === undefined || block.end + length > block.bytes.length) {
      place = this.#emptyBlock(length);
      block = this.#blocks[place];
      this.#filled.push(place);
    }
    const at = place * blockBytes + (block?.end ?? 0);
    this.setWord(at, 0, length);
    if (block !== undefined) block.end += length;
    return at;
  }

  word(at: number, index: number): number {
    return this.#blocks[at >>> blockBits]?.words[(offsetOf(at) >>> 2) + index] ?? 0;
  }

  setWord(at: number, index: number, value: number): void {
    const words = this.#blocks[at >>> blockBits]?.words;
    if (words !== undefined) words[(offsetOf(at) >>> 2) + index] = value;
  }

  /** Bytes from the oldest entry's block to the end of the newest. */
  get used(): number {
    const newest = this.#blocks[this.#filled.at(-1) ?? 0];
    return Math.max(0, this.#filled.length - 1) * blockBytes + (newest?.end ?? 0);
  }

  /** Makes room now for so many bytes in all, so that the machine has given the memory before it is needed. */
  reserve(bytes: number): void {
    let missing = Math.ceil(bytes / blockBytes) - this.#filled.length - this.#empty.length;
    for (; missing > 0; missing--) {
      const place = this.#blocks.length;
      const block = newBlock(blockBytes);
      block.bytes.fill(0);
      this.#blocks[place] = block;
      this.#empty.push(place);
    }
  }

  /** What follows so many words of an entry; valid until it leaves. */
  bytesOf(at: number, words: number): Buffer {
    const start = offsetOf(at);
    const bytes = this.#blocks[at >>> blockBits]?.bytes;
    return bytes?.subarray(start + words * wordBytes, start + this.word(at, 0)) ?? Buffer.alloc(0);
  }

  oldest(): number {
    const place = this.#filled[0];
    return place === undefined ? noEntry : place * blockBytes + (this.#blocks[place]?.first ?? 0);
  }

  dropOldest(): void {
    const [place] = this.#filled;
    const block = place === undefined ? undefined : this.#blocks[place];
    if (place === undefined || block === undefined) return;
    block.first += this.word(this.oldest(), 0);
    if (block.first < block.end) return;
    this.#filled.shift();
    // After a rush the memory goes back; a steady load finds its blocks again.
    if (block.bytes.length > blockBytes || this.#empty.length > this.#filled.length)
      this.#blocks[place] = undefined;
    block.first = 0;
    block.end = 0;
    this.#empty.push(place);
  }

  /** Oldest first. */
  *[Symbol.iterator](): Generator<number> {
    for (const place of this.#filled) {
      const { first, end } = this.#blocks[place] ?? { first: 0, end: 0 };
      let length = 0;
      for (let offset = first; offset < end; offset += length) {
        const at = place * blockBytes + offset;
        yield at;
        length = this.word(at, 0);
      }
    }
  }

  /** Forgets all, and lets go of the memory. */
  clear(): void {
    for (const list of [this.#blocks, this.#filled, this.#empty]) list.length = 0;
  }

  #emptyBlock(length: number): number {
    const place = this.#empty.pop() ?? this.#blocks.length;
    const block = this.#blocks[place];
    if (block === undefined || length > blockBytes)
      this.#blocks[place] = newBlock(Math.max(length, blockBytes));
    return place;
  }
}

function offsetOf(at: number): number {
  return at & (blockBytes - 1);
}

function newBlock(length: number): Block {
  const bytes = Buffer.allocUnsafeSlow(length);
  return { words: new Uint32Array(bytes.buffer), bytes, first: 0, end: 0 };
}
