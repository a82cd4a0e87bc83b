/** How many token ids are remembered per generation before the oldest generation is dropped early. */
const maxIdsPerGeneration = 2_000_000;

/**
 * Remembers which token ids were used. Two generations, turned over every `windowMs`: an id is known for at
 * least one window and at most two, and forgetting costs nothing. Ids from before a restart are not needed:
 * a token that was issued before this process started is refused as stale.
 */
export class SingleUse {
  readonly #windowMs: number;
  #current = new Set<string>();
  #previous = new Set<string>();
  #turnAtMs = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** True when `id` is seen for the first time; the id is used up from then on. */
  use(id: string, nowMs: number): boolean {
    if (nowMs >= this.#turnAtMs || this.#current.size >= maxIdsPerGeneration) {
      this.#previous = this.#current;
      this.#current = new Set();
      this.#turnAtMs = nowMs + this.#windowMs;
    }
    if (this.#current.has(id) || this.#previous.has(id)) return false;
    this.#current.add(id);
    return true;
  }
}
