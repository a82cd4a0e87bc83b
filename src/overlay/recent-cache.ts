import { KeyedHash } from '../base/index.ts';

/** A power of two. */
const rememberedKeys = 4_096;

/**
 * Bounded: holds at least the half of `maxEntries` that was used last. Two generations instead of a list in order of
 * use, which a `Map` keeps only by moving all of its entries again and again: with many, a pause of milliseconds.
 */
export class RecentCache<Value> {
  readonly #maxOfGeneration: number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  constructor(maxEntries: number) {
    this.#maxOfGeneration = Math.floor(maxEntries / 2);
  }

  get(key: string): Value | undefined {
    const value = this.#young.get(key);
    if (value !== undefined) return value;
    const older = this.#old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  has(key: string): boolean {
    return this.#young.has(key) || this.#old.has(key);
  }

  set(key: string, value: Value): void {
    if (this.#maxOfGeneration === 0) return;
    if (this.#young.size >= this.#maxOfGeneration && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}

/**
 * The same for what is cheap to read again: holds the newest, and what comes a second time within a few thousand others.
 * What is asked for once in a while dies young; held for thousands of calls it would grow old, and cost the collector
 * more than reading it costs (docs/performance.md).
 */
export class RepeatCache<Value> {
  readonly #repeated: RecentCache<Value>;
  readonly #hash = new KeyedHash();
  readonly #hashes = new Int32Array(rememberedKeys);
  #turn = 0;
  #newest: { readonly key: string; readonly value: Value } | undefined;

  constructor(maxEntries: number) {
    this.#repeated = new RecentCache(maxEntries);
  }

  get(key: string): Value | undefined {
    return this.#newest?.key === key ? this.#newest.value : this.#repeated.get(key);
  }

  set(key: string, value: Value): void {
    const isNewest = this.#newest?.key === key;
    if (!this.#repeated.has(key) && (isNewest || !this.#cameBefore(key))) {
      this.#newest = { key, value };
      return;
    }
    if (isNewest) this.#newest = undefined;
    this.#repeated.set(key, value);
  }

  /** Two places for each key, taken by turns: keys that meet in one would put each other out for ever. */
  #cameBefore(key: string): boolean {
    const hash = this.#hash.of(key);
    const places = [hash & (rememberedKeys - 1), (hash >>> 16) & (rememberedKeys - 1)] as const;
    if (places.some((place) => this.#hashes[place] === hash)) return true;
    this.#turn ^= 1;
    this.#hashes[this.#turn === 0 ? places[0] : places[1]] = hash;
    return false;
  }
}
