import type { Clock, Timer } from './clock.ts';

/** Without a promise it is done when it returns; it neither throws nor rejects. */
export type Work = () => void | Promise<void>;

export interface TurnsOptions {
  readonly clock: Clock;
  /** So much is begun in one turn, and is under way at any time. */
  readonly maxAtOnce: number;
  /** When a turn has taken that long, nothing more is begun in it. */
  readonly maxMs: number;
  /** Until the next turn; without it that is the event loop's next one. */
  readonly pauseMs?: number;
}

/**
 * Does work in the order in which it came, a little in each turn. Where a network fails, thousands of connections end in
 * one moment and thousands of phones come back: what they leave to do is to keep no call waiting.
 */
export class Turns {
  readonly #options: TurnsOptions;
  #waiting: Work[] = [];
  #underWay = 0;
  #begunInTurn = 0;
  #turnEndsMs = 0;
  #next: Timer | undefined;
  #onSettled: (() => void) | undefined;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Begins it at once if this turn has room for it. */
  add(work: Work): void {
    if (this.#waiting.length > 0 || !this.#mayBegin()) this.#waiting.push(work);
    else this.#begin(work);
  }

  /** Goes through what is left without pauses; resolves when all has been done. */
  async settled(): Promise<void> {
    const settled = new Promise<void>((resolve) => {
      this.#onSettled = resolve;
    });
    this.#next?.cancel();
    this.#turn();
    await settled;
  }

  #mayBegin(): boolean {
    const { clock, maxAtOnce, maxMs } = this.#options;
    if (this.#underWay >= maxAtOnce) return false;
    if (this.#begunInTurn > 0) return this.#begunInTurn < maxAtOnce && clock.monotonicMs() < this.#turnEndsMs;
    this.#turnEndsMs = clock.monotonicMs() + maxMs;
    return true;
  }

  #begin(work: Work): void {
    this.#begunInTurn++;
    this.#next ??= this.#untilNext();
    const done = work();
    if (done === undefined) return;
    this.#underWay++;
    void done.then(this.#ended);
  }

  readonly #ended = (): void => {
    this.#underWay--;
    if (this.#waiting.length > 0 || this.#onSettled !== undefined) this.#next ??= this.#untilNext();
  };

  #untilNext(): Timer {
    const { clock, pauseMs } = this.#options;
    if (pauseMs !== undefined && this.#onSettled === undefined) return clock.setTimer(pauseMs, this.#turn);
    const immediate = setImmediate(this.#turn);
    return { cancel: () => clearImmediate(immediate) };
  }

  readonly #turn = (): void => {
    this.#next = undefined;
    this.#begunInTurn = 0;
    let begun = 0;
    for (const work of this.#waiting) {
      if (!this.#mayBegin()) break;
      begun++;
      this.#begin(work);
    }
    this.#waiting = this.#waiting.slice(begun);
    if (this.#waiting.length === 0 && this.#underWay === 0) this.#onSettled?.();
  };
}
