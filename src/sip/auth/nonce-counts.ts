import { KeyedHash } from '../../base/index.ts';

/** How far behind the highest count an unused one may still arrive: UDP reorders requests. */
const windowSize = 32;
/** Rows; a power of two, as are those that it grows to. */
const initialRows = 256;
const none = -1;

/**
 * Remembers which (nonce, count) pairs were accepted, so that a captured answer works once (RFC 7616 §5.5).
 * Feed it only nonces that were answered correctly: then nobody without a password can fill it.
 *
 * A row of numbers for each nonce, in a ring in the order of first use: there is one for each call of a stock phone for
 * as long as nonces live, and objects for them would fill the collected heap (`bench/calls.ts`). 64 bits under keys of
 * this process stand for a nonce; should two ever meet, the second phone is challenged once more.
 */
export class NonceCounts {
  readonly #maxNonces: number;
  readonly #lifetimeMs: number;
  readonly #hashes = [new KeyedHash(), new KeyedHash()] as const;
  #tags = new Int32Array(2 * initialRows);
  #mintedAtMs = new Float64Array(initialRows);
  #highest = new Uint32Array(initialRows);
  /** Bit i: the count `highest - i` was used. */
  #used = new Uint32Array(initialRows);
  /** The row before in the same chain, which is older, and the newest of each chain. */
  #older = new Int32Array(initialRows);
  #newest = new Int32Array(initialRows).fill(none);
  #first = 0;
  #size = 0;
  /** Nonces minted up to here may have been forgotten, so unknown ones count as used: forgetting never allows a replay. */
  #forgottenUpToMs = 0;

  constructor(options: { readonly lifetimeMs: number; readonly maxNonces?: number }) {
    this.#lifetimeMs = options.lifetimeMs;
    this.#maxNonces = options.maxNonces ?? 100_000;
  }

  get size(): number {
    return this.#size;
  }

  /** True once for each pair; false for a repeated count, one too far behind, or a nonce that may have been forgotten. */
  use(nonce: string, mintedAtMs: number, count: number, nowMs: number): boolean {
    if (count < 1) return false;
    const [low, high] = [this.#hashes[0].of(nonce), this.#hashes[1].of(nonce)];
    const row = this.#find(low, high);
    if (row === none) {
      if (mintedAtMs <= this.#forgottenUpToMs) return false;
      this.#makeRoom(nowMs);
      this.#add(low, high, mintedAtMs, count);
      return true;
    }
    const [highest, used] = [this.#highest[row] ?? 0, this.#used[row] ?? 0];
    const ahead = count - highest;
    if (ahead > 0) {
      this.#used[row] = ahead < windowSize ? (used << ahead) | 1 : 1;
      this.#highest[row] = count;
      return true;
    }
    if (-ahead >= windowSize) return false;
    const bit = (1 << -ahead) >>> 0;
    if ((used & bit) !== 0) return false;
    this.#used[row] = used | bit;
    return true;
  }

  #find(low: number, high: number): number {
    let row = this.#newest[this.#chainOf(low)] ?? none;
    while (row !== none && (this.#tags[2 * row] !== low || this.#tags[2 * row + 1] !== high))
      row = this.#older[row] ?? none;
    return row;
  }

  #add(low: number, high: number, mintedAtMs: number, count: number): void {
    if (this.#size === this.#rows) this.#grow();
    const row = this.#rowAt(this.#size++);
    this.#tags[2 * row] = low;
    this.#tags[2 * row + 1] = high;
    this.#mintedAtMs[row] = mintedAtMs;
    this.#highest[row] = count;
    this.#used[row] = 1;
    this.#link(row);
  }

  #makeRoom(nowMs: number): void {
    // First use follows minting closely, so the ring is nearly in order of age and the loop stops early.
    while (this.#size > 0) {
      const mintedAtMs = this.#mintedAtMs[this.#first] ?? 0;
      if (mintedAtMs + this.#lifetimeMs >= nowMs && this.#size < this.#maxNonces) return;
      this.#unlink(this.#first);
      this.#first = this.#rowAt(1);
      this.#size--;
      this.#forgottenUpToMs = Math.max(this.#forgottenUpToMs, mintedAtMs);
    }
  }

  get #rows(): number {
    return this.#mintedAtMs.length;
  }

  /** Counted from the oldest. */
  #rowAt(index: number): number {
    return (this.#first + index) & (this.#rows - 1);
  }

  #chainOf(low: number): number {
    return low & (this.#rows - 1);
  }

  #link(row: number): void {
    const chain = this.#chainOf(this.#tags[2 * row] ?? 0);
    this.#older[row] = this.#newest[chain] ?? none;
    this.#newest[chain] = row;
  }

  /** The oldest of all ends its chain. */
  #unlink(row: number): void {
    const chain = this.#chainOf(this.#tags[2 * row] ?? 0);
    let newer = this.#newest[chain] ?? none;
    if (newer === row) this.#newest[chain] = none;
    else {
      while (this.#older[newer] !== row) newer = this.#older[newer] ?? none;
      this.#older[newer] = none;
    }
  }

  #grow(): void {
    const order = Array.from({ length: this.#size }, (_, index) => this.#rowAt(index));
    const rows = 2 * this.#rows;
    const [tags, mintedAtMs, highest, used] = [this.#tags, this.#mintedAtMs, this.#highest, this.#used];
    this.#tags = new Int32Array(2 * rows);
    this.#mintedAtMs = new Float64Array(rows);
    this.#highest = new Uint32Array(rows);
    this.#used = new Uint32Array(rows);
    this.#older = new Int32Array(rows);
    this.#newest = new Int32Array(rows).fill(none);
    this.#first = 0;
    for (const [row, from] of order.entries()) {
      this.#tags.set(tags.subarray(2 * from, 2 * from + 2), 2 * row);
      this.#mintedAtMs[row] = mintedAtMs[from] ?? 0;
      this.#highest[row] = highest[from] ?? 0;
      this.#used[row] = used[from] ?? 0;
      this.#link(row);
    }
  }
}
