import { type Clock, type Timer, TransientMap } from '../base/index.ts';
import type { SipRequest } from '../sip/index.ts';
import type { Call } from './call-records.ts';

/** How often answered calls are looked over for those that outlived the limit. */
const sweepIntervalMs = 60_000;

export interface CallTableOptions {
  readonly clock: Clock;
  /** After this long without an end an answered call is taken for lost. */
  readonly maxDurationMs: number;
  readonly onOverdue: (call: Call) => void;
}

/**
 * The calls that are up, found by dialog: Call-ID, the caller's tag (RFC 3261 §12) and the flow that the call came on,
 * since a PBX that is a proxy sends a call back here with the same tag.
 */
export class CallTable {
  readonly #options: CallTableOptions;
  readonly #calls = new TransientMap<Call>();
  readonly #perCaller = new TransientMap<number>();
  #sweep: Timer | undefined;

  constructor(options: CallTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#calls.size;
  }

  *[Symbol.iterator](): Iterator<Call> {
    yield* this.#calls.values();
  }

  /** The calls that have been up longest, at most `count`. */
  first(count: number): Call[] {
    return [...this.#calls.values()].sort((a, b) => a.attemptedAtMs - b.attemptedAtMs).slice(0, count);
  }

  start(): void {
    this.#sweep = this.#options.clock.setTimer(sweepIntervalMs, () => {
      this.#closeOverdue();
      this.start();
    });
  }

  close(): void {
    this.#sweep?.cancel();
  }

  /** How many calls an identity that called has up. */
  countOf(fingerprint: string): number {
    return this.#perCaller.get(fingerprint) ?? 0;
  }

  add(call: Call): void {
    const at = keyOf(call);
    const before = this.#calls.get(at);
    if (before !== undefined) this.#count(before, -1);
    this.#calls.set(at, call);
    this.#count(call, 1);
  }

  remove(call: Call): void {
    const at = keyOf(call);
    if (this.#calls.get(at) !== call) return;
    this.#calls.delete(at);
    this.#count(call, -1);
  }

  #count({ caller: { fingerprint } }: Call, change: number): void {
    if (fingerprint === undefined) return;
    const count = this.countOf(fingerprint) + change;
    if (count > 0) this.#perCaller.set(fingerprint, count);
    else this.#perCaller.delete(fingerprint);
  }

  /** The call of an in-dialog request, whichever party sent it. */
  find(request: SipRequest, callerFlow: string): Call | undefined {
    const { callId, from, to } = request;
    return (
      this.#calls.get(key(callId, from.tag ?? '', callerFlow)) ??
      this.#calls.get(key(callId, to.tag ?? '', callerFlow))
    );
  }

  #closeOverdue(): void {
    const { clock, maxDurationMs, onOverdue } = this.#options;
    const oldest = clock.now() - maxDurationMs;
    for (const call of this.#calls.values())
      if ((call.answeredAtMs ?? Number.POSITIVE_INFINITY) < oldest) onOverdue(call);
  }
}

function keyOf({ sipCallId, callerTag, callerFlow }: Call): string {
  return key(sipCallId, callerTag, callerFlow);
}

function key(callId: string, tag: string, callerFlow: string): string {
  return `${callId}\n${tag}\n${callerFlow}`;
}
