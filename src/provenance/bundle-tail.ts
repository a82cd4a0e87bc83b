import type { LengthBytes } from './bundle.ts';
import { ByteWriter } from './byte-writer.ts';
import { tileWidth } from './tile-layout.ts';

/** A backlog may need more for once. */
const maxKeptBytes = 16_777_216;

export interface TailBundle {
  readonly width: number;
  /** As it goes to disk; valid until the tail changes. */
  readonly bytes: Uint8Array;
}

/**
 * The last bundles of a log: the one that is not full yet, and those that come after it before all are on disk. They
 * are encoded in memory that is used again.
 */
export class BundleTail {
  readonly #lengthBytes: LengthBytes;
  #writer = new ByteWriter();
  /** Where each bundle begins; the first at 0. */
  #starts = [0];
  #count = 0;
  /** What was there when `settle` was called. */
  #settled = { length: 0, count: 0 };

  constructor(lengthBytes: LengthBytes, items: readonly Uint8Array[]) {
    this.#lengthBytes = lengthBytes;
    for (const item of items) this.add(item);
    this.settle();
  }

  /** Where the next item is written, between `begin` and `end`. */
  get writer(): ByteWriter {
    return this.#writer;
  }

  add(item: Uint8Array): void {
    const start = this.begin();
    this.#writer.raw(item);
    this.end(start);
  }

  /** Returns where the next item begins. */
  begin(): number {
    if (this.#count > 0 && this.#count % tileWidth === 0) this.#starts.push(this.#writer.length);
    return this.#writer.skip(this.#lengthBytes) + this.#lengthBytes;
  }

  end(start: number): void {
    const length = this.#writer.length - start;
    if (this.#lengthBytes === 2) this.#writer.uint16At(start - 2, length);
    else this.#writer.uint32At(start - 4, length);
    this.#count++;
  }

  bundles(): readonly TailBundle[] {
    const whole = this.#writer.view();
    return this.#starts.map((start, at) => ({
      width: Math.min(tileWidth, this.#count - at * tileWidth),
      bytes: whole.subarray(start, this.#starts[at + 1]),
    }));
  }

  /** All is on disk: lets go of what is full. */
  settle(): void {
    const full = this.#count - (this.#count % tileWidth);
    const start = full === this.#count ? this.#writer.length : (this.#starts.at(-1) ?? 0);
    if (this.#writer.length > maxKeptBytes) {
      const rest = this.#writer.copy(start);
      this.#writer = new ByteWriter();
      this.#writer.raw(rest);
    } else this.#writer.dropFirst(start);
    this.#starts = [0];
    this.#count -= full;
    this.#settled = { length: this.#writer.length, count: this.#count };
  }

  /** Takes out what was added since `settle`: it is going to come again. */
  undo(): void {
    this.#writer.truncate(this.#settled.length);
    this.#starts = [0];
    this.#count = this.#settled.count;
  }
}
