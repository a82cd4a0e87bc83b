import { type Clock, epochSeconds } from '../base/index.ts';
import type { AnswerVerdict } from '../tokens/index.ts';

/** What came of a question, and for how long it may be remembered. */
export interface Answered {
  readonly verdict: AnswerVerdict;
  /** Seconds; undefined when there was no answer that could be believed. */
  readonly until: number | undefined;
}

export interface AnswerCacheLimits {
  readonly maxAnswers: number;
  /** Whatever an answer allows, it is asked for again after this time. */
  readonly maxAgeSeconds: number;
  /** For how long a silence is remembered: whoever cannot be reached is not asked with every call. */
  readonly silenceMs: number;
}

export const defaultAnswerCacheLimits: AnswerCacheLimits = {
  maxAnswers: 10_000,
  maxAgeSeconds: 3_600,
  silenceMs: 1_000,
};

interface Remembered {
  readonly verdict: AnswerVerdict;
  readonly untilMs: number;
}

/** Remembers signed answers for as long as they allow; the same question is put once at a time. */
export class AnswerCache {
  readonly #clock: Clock;
  readonly #limits: AnswerCacheLimits;
  readonly #answers = new Map<string, Remembered>();
  readonly #asking = new Map<string, Promise<AnswerVerdict>>();

  constructor(clock: Clock, limits: AnswerCacheLimits = defaultAnswerCacheLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  verdict(key: string, ask: () => Promise<Answered>): AnswerVerdict | Promise<AnswerVerdict> {
    const known = this.#answers.get(key);
    if (known !== undefined && this.#clock.now() < known.untilMs) return known.verdict;
    const underWay = this.#asking.get(key);
    if (underWay !== undefined) return underWay;
    const asked = ask()
      .then((answered) => this.#remember(key, answered))
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, asked);
    return asked;
  }

  #remember(key: string, { verdict, until }: Answered): AnswerVerdict {
    const { maxAnswers, maxAgeSeconds, silenceMs } = this.#limits;
    const [oldest] = this.#answers.keys();
    this.#answers.delete(key);
    if (this.#answers.size >= maxAnswers && oldest !== undefined) this.#answers.delete(oldest);
    const heard = verdict === 'yes' || verdict === 'no';
    const untilMs =
      heard && until !== undefined
        ? Math.min(until, epochSeconds(this.#clock) + maxAgeSeconds) * 1_000
        : this.#clock.now() + silenceMs;
    this.#answers.set(key, { verdict, untilMs });
    return verdict;
  }
}
