import { hash } from 'node:crypto';

export interface ThrottleLimits {
  /** Wrong answers for one name from one source within a window, after which that pair is refused. */
  readonly maxFailuresPerUser: number;
  /** Wrong answers from one source for all names together: a sweep over names stops here. */
  readonly maxFailuresPerSource: number;
  readonly windowMs: number;
  /** Counters kept; the oldest is forgotten first. */
  readonly maxCounters: number;
}

export const defaultThrottleLimits: ThrottleLimits = {
  maxFailuresPerUser: 20,
  maxFailuresPerSource: 200,
  windowMs: 60_000,
  maxCounters: 50_000,
};

interface Counter {
  readonly windowStartMs: number;
  failures: number;
}

/** Longer names are counted under their hash, so that a counter's size does not depend on the peer. */
const maxNameLength = 64;

/**
 * Counts wrong answers by source, and by source and name. Never by name alone: a guesser elsewhere must not lock the owner out.
 * Count only sources that have proved to receive our packets (a fresh nonce of theirs), else a forged source locks its victim.
 */
export class FailureThrottle {
  readonly #limits: ThrottleLimits;
  /** In order of window start: a counter is put in anew when its window starts. */
  readonly #counters = new Map<string, Counter>();

  constructor(limits: Partial<ThrottleLimits> = {}) {
    this.#limits = { ...defaultThrottleLimits, ...limits };
  }

  get size(): number {
    return this.#counters.size;
  }

  /** How long this source must wait before it may answer for this name; 0 when it may now. */
  waitMs(source: string, username: string, nowMs: number): number {
    if (this.#counters.size === 0) return 0;
    const prefix = sourcePrefix(source);
    return Math.max(
      this.#waitOf(prefix, this.#limits.maxFailuresPerSource, nowMs),
      this.#waitOf(userKey(prefix, username), this.#limits.maxFailuresPerUser, nowMs),
    );
  }

  recordFailure(source: string, username: string, nowMs: number): void {
    const prefix = sourcePrefix(source);
    this.#count(prefix, nowMs);
    this.#count(userKey(prefix, username), nowMs);
  }

  /** A right answer forgives earlier ones for that name; the count of the source as a whole stays. */
  recordSuccess(source: string, username: string): void {
    if (this.#counters.size > 0) this.#counters.delete(userKey(sourcePrefix(source), username));
  }

  #waitOf(key: string, maxFailures: number, nowMs: number): number {
    const counter = this.#counters.get(key);
    if (!counter || counter.failures < maxFailures) return 0;
    return Math.max(0, counter.windowStartMs + this.#limits.windowMs - nowMs);
  }

  #count(key: string, nowMs: number): void {
    const counter = this.#counters.get(key);
    if (counter && nowMs - counter.windowStartMs < this.#limits.windowMs) {
      counter.failures++;
      return;
    }
    this.#counters.delete(key);
    for (const [oldest, { windowStartMs }] of this.#counters) {
      const over = nowMs - windowStartMs >= this.#limits.windowMs;
      if (!over && this.#counters.size < this.#limits.maxCounters) break;
      this.#counters.delete(oldest);
    }
    this.#counters.set(key, { windowStartMs: nowMs, failures: 1 });
  }
}

function userKey(prefix: string, username: string): string {
  return `${prefix} ${username.length > maxNameLength ? hash('sha256', username) : username}`;
}

/** An IPv4 address as it is; of an IPv6 address the first 64 bits, which one subscriber changes at will. */
function sourcePrefix(address: string): string {
  const colon = address.indexOf(':');
  if (colon < 0) return address;
  if (address.includes('.')) return address.slice(address.lastIndexOf(':') + 1);
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length;
    for (let missing = 8 - groups.length - after; missing > 0; missing--) groups.push('0');
    if (tail !== '') groups.push(...tail.split(':'));
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}
