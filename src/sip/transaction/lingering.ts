import type { Clock, Timer } from '../../base/index.ts';

/** As late as the timers of the wheel: a busy layer clears in strides. */
const strideMs = 10;

interface Entry<Remains> {
  readonly remains: Remains;
  /** A whole number of milliseconds: fractions would cost an object each. */
  readonly endMs: number;
}

/**
 * Transactions that have given their final answer and only wait for retransmissions, for 64*T1 (Timers J, L and M):
 * most of those that a busy proxy holds. Of each is kept what answers a retransmission and nothing else, and one
 * timer of the clock ends them all, since they end in the order in which they came.
 */
export class Lingering<Remains> {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry<Remains>>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** `durationMs` is the same for all. A second transaction of the same key takes the place of the first. */
  keep(key: string, remains: Remains, durationMs: number): void {
    this.#entries.delete(key);
    const endMs = Math.ceil(this.#clock.monotonicMs() + durationMs);
    this.#entries.set(key, { remains, endMs });
    this.#timer ??= this.#clock.setTimer(durationMs, this.#end);
  }

  get(key: string): Remains | undefined {
    return this.#entries.get(key)?.remains;
  }

  forget(key: string): void {
    this.#entries.delete(key);
    if (this.#entries.size === 0) this.clear();
  }

  clear(): void {
    this.#entries.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #end = (): void => {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (const [key, { endMs }] of this.#entries) {
      if (endMs > nowMs) {
        this.#timer = this.#clock.setTimer(Math.max(endMs - nowMs, strideMs), this.#end);
        return;
      }
      this.#entries.delete(key);
    }
  };
}
