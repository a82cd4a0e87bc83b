import { type Clock, type Timer, TransientMap } from '../base/index.ts';
import type { SipRequest } from '../sip/index.ts';
import { hasDialog } from './call-dialog.ts';
import type { Call } from './call-records.ts';

/** How often answered calls are looked over for those that outlived the limit. */
const sweepIntervalMs = 60_000;

/** How many calls are remembered that may be going on although they are closed. */
const maxLost = 10_000;

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
  /** Several under one key, the newest first: a proxy before us may fork, and a hostile caller does what it likes. */
  readonly #calls = new TransientMap<Call | readonly Call[]>();
  readonly #perCaller = new TransientMap<number>();
  #size = 0;
  /** By key, the longest ago first: when they were closed. */
  readonly #lost = new Map<string, number>();
  #sweep: Timer | undefined;

  constructor(options: CallTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  *[Symbol.iterator](): Iterator<Call> {
    for (const calls of this.#calls.values()) yield* listOf(calls);
  }

  /** The calls that have been up longest, at most `count`. */
  first(count: number): Call[] {
    return [...this].sort((a, b) => a.attemptedAtMs - b.attemptedAtMs).slice(0, count);
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
    const others = this.#calls.get(at);
    this.#calls.set(at, others === undefined ? call : [call, ...listOf(others)]);
    this.#size += 1;
    this.#count(call, 1);
  }

  /** `goesOn`: its record is closed, and its parties may be talking all the same. */
  remove(call: Call, goesOn = false): void {
    const at = keyOf(call);
    if (goesOn) {
      const [oldest] = this.#lost.keys();
      if (this.#lost.size >= maxLost && oldest !== undefined) this.#lost.delete(oldest);
      this.#lost.set(at, this.#options.clock.now());
    }
    const calls = listOf(this.#calls.get(at));
    if (!calls.includes(call)) return;
    const [other, ...others] = calls.filter((one) => one !== call);
    if (other === undefined) this.#calls.delete(at);
    else this.#calls.set(at, others.length === 0 ? other : [other, ...others]);
    this.#size -= 1;
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
    const [caller = '', callee = ''] = [from.tag, to.tag];
    const calls = this.#calls.get(key(callId, caller, callerFlow));
    return calls === undefined
      ? choose(this.#calls.get(key(callId, callee, callerFlow)), caller)
      : choose(calls, callee);
  }

  /** Whether a request within a dialog belongs to a call that was closed and may go on. */
  mayGoOn({ callId, from, to }: SipRequest, callerFlow: string): boolean {
    return [from.tag, to.tag].some((tag) => this.#lost.has(key(callId, tag ?? '', callerFlow)));
  }

  #closeOverdue(): void {
    const { clock, maxDurationMs, onOverdue } = this.#options;
    const oldest = clock.now() - maxDurationMs;
    for (const call of this) if ((call.answeredAtMs ?? Number.POSITIVE_INFINITY) < oldest) onOverdue(call);
    for (const [at, closedAtMs] of this.#lost) if (closedAtMs < oldest) this.#lost.delete(at);
  }
}

function listOf(calls: Call | readonly Call[] | undefined): readonly Call[] {
  if (calls === undefined) return [];
  return 'id' in calls ? [calls] : calls;
}

/** The one that the callee has answered under this tag, else one that waits for its answer. */
function choose(calls: Call | readonly Call[] | undefined, calleeTag: string): Call | undefined {
  if (calls === undefined || 'id' in calls) return calls;
  return (
    calls.find((call) => hasDialog(call, calleeTag)) ??
    calls.find(({ answeredAtMs }) => answeredAtMs === undefined) ??
    calls[0]
  );
}

function keyOf({ sipCallId, callerTag, callerFlow }: Call): string {
  return key(sipCallId, callerTag, callerFlow);
}

function key(callId: string, tag: string, callerFlow: string): string {
  return `${callId}\n${tag}\n${callerFlow}`;
}
