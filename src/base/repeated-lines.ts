import type { Clock } from './clock.ts';

/** Lines of one text within a second that are written; the others are counted. */
export const maxLinesAlikePerSecond = 50;

/** What strangers can cause with a datagram each must neither fill a disk nor keep the loop busy with writing. */
export class RepeatedLines {
  readonly #clock: Clock;
  readonly #report: (unsaid: number, message: string) => void;
  readonly #counts = new Map<string, number>();

  /** `report` is told once a second what was left out. */
  constructor(clock: Clock, report: (unsaid: number, message: string) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  /** Whether a line with this text is to be written. Texts are constants of the program: there are few. */
  admits(message: string): boolean {
    if (this.#counts.size === 0) this.#clock.setTimer(1000, () => this.#endSecond());
    const count = (this.#counts.get(message) ?? 0) + 1;
    this.#counts.set(message, count);
    return count <= maxLinesAlikePerSecond;
  }

  #endSecond(): void {
    for (const [message, count] of this.#counts)
      if (count > maxLinesAlikePerSecond) this.#report(count - maxLinesAlikePerSecond, message);
    this.#counts.clear();
  }
}
