import type { Clock } from '../../base/index.ts';
import type { ConnectTarget } from '../transport/index.ts';
import type { LocatingLimits } from './limits.ts';

/** Addresses that failed a short while ago. */
export class DeadTargets {
  readonly #clock: Clock;
  readonly #limits: LocatingLimits;
  /** By transport and address; until when on the monotonic clock. */
  readonly #until = new Map<string, number>();

  constructor(options: { readonly clock: Clock; readonly limits: LocatingLimits }) {
    this.#clock = options.clock;
    this.#limits = options.limits;
  }

  /** `forMs` as asked by a Retry-After; default the configured time. */
  add(target: ConnectTarget, forMs: number = this.#limits.deadTargetMs): void {
    const key = keyOf(target);
    this.#until.delete(key);
    if (this.#until.size >= this.#limits.maxDeadTargets) {
      const [oldest] = this.#until.keys();
      if (oldest !== undefined) this.#until.delete(oldest);
    }
    this.#until.set(key, this.#clock.monotonicMs() + forMs);
  }

  remove(target: ConnectTarget): void {
    this.#until.delete(keyOf(target));
  }

  has(target: ConnectTarget): boolean {
    const key = keyOf(target);
    const until = this.#until.get(key);
    if (until === undefined) return false;
    if (until > this.#clock.monotonicMs()) return true;
    this.#until.delete(key);
    return false;
  }
}

function keyOf({ transport, address, port }: ConnectTarget): string {
  return `${transport} ${address} ${port}`;
}
