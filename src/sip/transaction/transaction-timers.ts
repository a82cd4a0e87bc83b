import type { Timer } from '../../base/index.ts';
import type { TimerOwner, TimerWheel } from './timer-wheel.ts';
import { firstDelayMs, nextRetransmissionMs, type TimerName, type TimerSettings } from './timers.ts';

type RetransmissionTimer = Extract<TimerName, 'a' | 'e' | 'g'>;

export interface TransactionTimersOptions {
  readonly timers: TimerWheel;
  readonly settings: TimerSettings;
}

/** The two timers that a transaction has running at most: one to send again, one for its end. */
export class TransactionTimers<Name extends TimerName> implements TimerOwner<Name> {
  readonly #options: TransactionTimersOptions;
  readonly #reliable: boolean;
  readonly #owner: TimerOwner<Name>;
  #retransmission: Timer | undefined;
  #retransmissionMs = 0;
  #deadline: Timer | undefined;

  constructor(options: TransactionTimersOptions, reliable: boolean, owner: TimerOwner<Name>) {
    this.#options = options;
    this.#reliable = reliable;
    this.#owner = owner;
  }

  onTimer(name: Name): void {
    if (name === 'a' || name === 'e' || name === 'g') this.#retransmission = undefined;
    else this.#deadline = undefined;
    this.#owner.onTimer(name);
  }

  /** Later each time; never over a reliable transport. */
  startRetransmission(name: Name & RetransmissionTimer): void {
    if (this.#reliable) return;
    const { timers, settings } = this.#options;
    const delayMs =
      this.#retransmissionMs === 0
        ? firstDelayMs(name, false, settings)
        : nextRetransmissionMs(name, this.#retransmissionMs, settings);
    if (delayMs === undefined) return;
    this.#retransmissionMs = delayMs;
    this.#retransmission = timers.start(delayMs, this, name);
  }

  /** RFC 3261 §17.1.2.2: from the first provisional response on, a request is sent again every T2. */
  slowDown(): void {
    this.#retransmissionMs = this.#options.settings.t2Ms;
  }

  /** In place of the one before. Returns the timer's name when its time is zero: it then counts as fired once the step is done. */
  startDeadline(name: Name): Name | undefined {
    this.#deadline?.cancel();
    const delayMs = this.firstDelayMs(name);
    if (delayMs === 0) return name;
    this.#deadline = delayMs === undefined ? undefined : this.#options.timers.start(delayMs, this, name);
    return undefined;
  }

  firstDelayMs(name: Name): number | undefined {
    return firstDelayMs(name, this.#reliable, this.#options.settings);
  }

  stop(): void {
    this.#retransmission?.cancel();
    this.#deadline?.cancel();
    this.#retransmission = undefined;
    this.#deadline = undefined;
  }
}
