import type { Clock, Timer } from '../../src/base/index.ts';

interface Pending {
  readonly due: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that only moves when told to; timers fire in the order in which they are due. */
export class FakeClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  #order = 0;
  readonly #pending = new Set<Pending>();

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
    this.#startMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const entry: Pending = { due: this.#nowMs + delayMs, order: this.#order++, callback };
    this.#pending.add(entry);
    return { cancel: () => void this.#pending.delete(entry) };
  }

  /** How many timers wait: a transaction that has ended must leave none. */
  get pendingTimers(): number {
    return this.#pending.size;
  }

  /** Moves time forward and fires what falls due on the way, each at its own instant. */
  advance(byMs: number): void {
    const end = this.#nowMs + byMs;
    for (;;) {
      let next: Pending | undefined;
      for (const entry of this.#pending) {
        if (entry.due > end) continue;
        if (!next || entry.due < next.due || (entry.due === next.due && entry.order < next.order))
          next = entry;
      }
      if (!next) break;
      this.#pending.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.due);
      next.callback();
    }
    this.#nowMs = end;
  }
}
