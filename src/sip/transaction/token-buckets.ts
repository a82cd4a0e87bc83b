import type { Clock } from '../../base/index.ts';

export interface RateLimits {
  /** What may come per second for long. 0 means no limit. */
  readonly perSecond: number;
  /** What may come at once. */
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  filledMs: number;
}

/** One token bucket a key, bounded in number: forgetting the longest known one only fills its bucket again. */
export class TokenBuckets {
  readonly #clock: Clock;
  readonly #limits: RateLimits;
  readonly #maxKeys: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, limits: RateLimits, maxKeys: number) {
    this.#clock = clock;
    this.#limits = limits;
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one token of the key; false when there is none. */
  take(key: string): boolean {
    const { perSecond, burst } = this.#limits;
    if (perSecond === 0) return true;
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      this.#makeRoom();
      this.#buckets.set(key, { tokens: burst - 1, filledMs: nowMs });
      return true;
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.filledMs) * perSecond) / 1000);
    bucket.filledMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  #makeRoom(): void {
    if (this.#buckets.size < this.#maxKeys) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
