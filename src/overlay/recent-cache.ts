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

  set(key: string, value: Value): void {
    if (this.#maxOfGeneration === 0) return;
    if (this.#young.size >= this.#maxOfGeneration && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
