import type { Logger } from '../base/index.ts';

/** Which barrier stopped a call: the label of its alarm. */
export type Barrier = 'calls-at-once' | 'barred-number';

export interface CallBarriersOptions {
  /** Calls that one identity may have up at a time. */
  readonly maxPerIdentity: number;
  /** Beginnings of numbers that nobody may call through a peer. */
  readonly barred: readonly string[];
  readonly callsOf: (fingerprint: string) => number;
  readonly logger: Logger;
  readonly onAlarm: (barrier: Barrier) => void;
}

/** What limits the damage of a stolen password: how many calls at once, and which numbers never (trust test 36). */
export class CallBarriers {
  readonly #options: CallBarriersOptions;

  constructor(options: CallBarriersOptions) {
    this.#options = options;
  }

  /** Why this call must not be made, for the caller's display; undefined when it may. Each refusal is an alarm. */
  refusal(caller: string | undefined, label: string, number: string | undefined): string | undefined {
    const { maxPerIdentity, barred, callsOf } = this.#options;
    if (caller !== undefined && callsOf(caller) >= maxPerIdentity) {
      this.#alarm('calls-at-once', label, number);
      return 'Too Many Calls At Once';
    }
    if (number !== undefined && barred.some((prefix) => dialled(number).startsWith(prefix))) {
      this.#alarm('barred-number', label, number);
      return 'Number Barred';
    }
    return undefined;
  }

  #alarm(barrier: Barrier, caller: string, number: string | undefined): void {
    this.#options.logger.warn({ alarm: barrier, caller, number }, 'call refused by a barrier');
    this.#options.onAlarm(barrier);
  }
}

/** RFC 3966 §5.1.1: visual separators do not make another number, nor do the blanks that people write. */
function dialled(number: string): string {
  return number.replaceAll(/[-.()\s]/g, '');
}
