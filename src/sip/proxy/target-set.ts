import { isSameTarget, type ProxyTarget } from './policy.ts';

/** The target set of RFC 3261 §16.5: places that a request went to, or is to go to, each once. */
export class TargetSet {
  readonly #known: ProxyTarget[];
  /** Not tried yet, best first. */
  readonly #waiting: ProxyTarget[];

  constructor(targets: readonly ProxyTarget[]) {
    this.#known = [...targets];
    this.#waiting = targets.length < 2 ? [...targets] : [...targets].sort((a, b) => b.qValue - a.qValue);
  }

  isKnown(target: ProxyTarget): boolean {
    return this.#known.some((known) => isSameTarget(known, target));
  }

  /** Notes targets that were not known; returns them. They are the caller's to try. */
  note(targets: readonly ProxyTarget[]): readonly ProxyTarget[] {
    const added: ProxyTarget[] = [];
    for (const target of targets) {
      if (this.isKnown(target)) continue;
      this.#known.push(target);
      added.push(target);
    }
    return added;
  }

  /** Puts what finds no room now before all that waits. */
  putFirst(targets: readonly ProxyTarget[]): void {
    this.#waiting.unshift(...targets);
  }

  /** Takes the targets of the highest q value, at most `limit` of them; empty when none is left. */
  takeGroup(limit: number): readonly ProxyTarget[] {
    const [first] = this.#waiting;
    if (first === undefined) return [];
    let end = 1;
    while (end < limit && this.#waiting[end]?.qValue === first.qValue) end++;
    return this.#waiting.splice(0, end);
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  dropWaiting(): void {
    this.#waiting.length = 0;
  }
}
