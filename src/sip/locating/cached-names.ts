import type { Clock } from '../../base/index.ts';
import type { LocatingLimits } from './limits.ts';
import { LocatingError } from './locating-error.ts';
import type { Answer, Names, NaptrRecord, SrvRecord } from './names.ts';

interface Entry<T> {
  readonly answer: Promise<Answer<T>>;
  /** On the monotonic clock; infinite while the question is under way. */
  expiresAtMs: number;
}

/** Keeps answers for as long as they hold, and asks once what several want to know at the same time. */
export class CachedNames implements Names {
  readonly #names: Names;
  readonly #clock: Clock;
  readonly #limits: LocatingLimits;
  readonly #naptr = new Map<string, Entry<NaptrRecord>>();
  readonly #srv = new Map<string, Entry<SrvRecord>>();
  readonly #ipv4 = new Map<string, Entry<string>>();
  readonly #ipv6 = new Map<string, Entry<string>>();

  constructor(names: Names, options: { readonly clock: Clock; readonly limits: LocatingLimits }) {
    this.#names = names;
    this.#clock = options.clock;
    this.#limits = options.limits;
  }

  naptr(name: string): Promise<Answer<NaptrRecord>> {
    return this.#ask(this.#naptr, name, () => this.#names.naptr(name));
  }

  srv(name: string): Promise<Answer<SrvRecord>> {
    return this.#ask(this.#srv, name, () => this.#names.srv(name));
  }

  addresses(name: string, family: 4 | 6): Promise<Answer<string>> {
    const cache = family === 4 ? this.#ipv4 : this.#ipv6;
    return this.#ask(cache, name, () => this.#names.addresses(name, family));
  }

  close(): void {
    for (const cache of [this.#naptr, this.#srv, this.#ipv4, this.#ipv6]) cache.clear();
    this.#names.close();
  }

  #ask<T>(
    cache: Map<string, Entry<T>>,
    name: string,
    question: () => Promise<Answer<T>>,
  ): Promise<Answer<T>> {
    const key = name.toLowerCase();
    const known = cache.get(key);
    if (known !== undefined && known.expiresAtMs > this.#clock.monotonicMs()) return known.answer;
    const entry: Entry<T> = { answer: question(), expiresAtMs: Number.POSITIVE_INFINITY };
    const { maxTtlMs, unknownTtlMs, negativeTtlMs, maxCachedAnswers } = this.#limits;
    const keepFor = (ms: number): void => {
      entry.expiresAtMs = this.#clock.monotonicMs() + ms;
    };
    entry.answer.then(
      ({ ttlMs }) => keepFor(Math.min(ttlMs ?? unknownTtlMs, maxTtlMs)),
      (error: unknown) =>
        keepFor(error instanceof LocatingError && error.code !== 'closed' ? negativeTtlMs : 0),
    );
    // Out and in again: the order of a Map is that of its insertions, so the first key is the oldest answer.
    cache.delete(key);
    // Four kinds of answer share the bound.
    if (cache.size >= Math.max(1, Math.floor(maxCachedAnswers / 4))) {
      const [oldest] = cache.keys();
      if (oldest !== undefined) cache.delete(oldest);
    }
    cache.set(key, entry);
    return entry.answer;
  }
}
