import type { SipResponse } from '../message/index.ts';
import type { LateAnswers } from '../transaction/index.ts';
import type { Flow } from '../transport/index.ts';
import type { Forwarder } from './forwarder.ts';
import { withoutOwnVia } from './own-via.ts';
import { callerGone } from './reason.ts';
import { withoutHeaders } from './upstream.ts';

export interface LateAnswerOptions {
  readonly forwarder: Pick<Forwarder, 'releaseCallee'>;
  readonly caller: Flow;
  readonly callee: Flow;
  /** False for a re-INVITE: its call is its parties' to end. */
  readonly makesCall: boolean;
  /** What no response may say. */
  readonly removes: readonly string[];
  /** The To tags of the 2xx responses so far. */
  readonly dialogs: readonly string[];
}

/**
 * All that is kept of an answered INVITE: the way of 2xx responses that come again, or from a fork further on, which
 * go upstream for as long as the transaction lasts (RFC 3261 §16.7 step 5, RFC 6026 §8.1).
 */
export class LateAnswer implements LateAnswers {
  readonly #options: LateAnswerOptions;

  constructor(options: LateAnswerOptions) {
    this.#options = options;
  }

  get flow(): Flow {
    return this.#options.callee;
  }

  onAnswer(received: SipResponse): void {
    const { forwarder, caller, callee, makesCall, dialogs, removes } = this.#options;
    const response = withoutOwnVia(received);
    if (response === undefined) return;
    if (caller.open || caller.restore !== undefined || !makesCall)
      caller.send(withoutHeaders(response, removes));
    else forwarder.releaseCallee(response, callee, callerGone, dialogs.includes(response.to.tag ?? ''));
  }
}
