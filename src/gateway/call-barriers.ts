import type { Logger } from '../base/index.ts';
import type { NumberingConfig } from '../config/index.ts';
import { toE164 } from './peers/numbering.ts';

/** Which barrier stopped a call: the label of its alarm. */
export type Barrier = 'calls-at-once' | 'barred-number';

export interface CallBarriersOptions {
  /** Calls that one identity may have up at a time. */
  readonly maxPerIdentity: number;
  /** Beginnings of numbers that nobody may call through a peer. */
  readonly barred: readonly string[];
  /** How each peer reads a number: no way of dialling one gets past. */
  readonly plans: readonly NumberingConfig[];
  readonly callsOf: (fingerprint: string) => number;
  readonly logger: Logger;
  readonly onAlarm: (barrier: Barrier) => void;
}

/** What limits the damage of a stolen password: how many calls at once, and which numbers never (trust test 36). */
export class CallBarriers {
  readonly #options: CallBarriersOptions;
  readonly #barred: readonly string[];

  constructor(options: CallBarriersOptions) {
    this.#options = options;
    this.#barred = options.barred.flatMap((prefix) => this.#waysToDial(prefix));
  }

  /** Why this call must not be made, for the caller's display; undefined when it may. Each refusal is an alarm. */
  refusal(caller: string | undefined, label: string, number: string | undefined): string | undefined {
    const { maxPerIdentity, callsOf } = this.#options;
    if (caller !== undefined && callsOf(caller) >= maxPerIdentity) {
      this.#alarm('calls-at-once', label, number);
      return 'Too Many Calls At Once';
    }
    return number === undefined ? undefined : this.numberRefusal(label, number);
  }

  /** Why nobody may be sent to this number either, or written to there. */
  numberRefusal(label: string, number: string): string | undefined {
    const ways = this.#waysToDial(number);
    if (!this.#barred.some((prefix) => ways.some((way) => way.startsWith(prefix)))) return undefined;
    this.#alarm('barred-number', label, number);
    return 'Number Barred';
  }

  #waysToDial(number: string): readonly string[] {
    const plain = dialled(number);
    return [plain, ...this.#options.plans.flatMap((plan) => toE164(plain, plan) ?? [])];
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
