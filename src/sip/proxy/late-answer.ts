import type { SipResponse } from '../message/index.ts';
import type { LateAnswers, SettledInvite } from '../transaction/index.ts';
import type { Forwarder } from './forwarder.ts';
import { withoutOwnVia } from './own-via.ts';
import { callerGone } from './reason.ts';
import { withoutHeaders } from './upstream.ts';

/**
 * The way of 2xx responses to answered INVITEs that come again, or from a fork further on, which go upstream for as long
 * as the transaction lasts (RFC 3261 §16.7 step 5, RFC 6026 §8.1). One for all INVITEs of a kind; their notes are the To
 * tags of the 2xx responses so far.
 */
class LateAnswer implements LateAnswers {
  readonly #forwarder: Pick<Forwarder, 'releaseCallee'>;
  readonly #makesCall: boolean;
  readonly #removes: readonly string[];

  constructor(forwarder: Pick<Forwarder, 'releaseCallee'>, makesCall: boolean, removes: readonly string[]) {
    this.#forwarder = forwarder;
    this.#makesCall = makesCall;
    this.#removes = removes;
  }

  onAnswer(received: SipResponse, { caller, callee, note }: SettledInvite): void {
    const response = withoutOwnVia(received);
    if (response === undefined) return;
    if (caller.open || caller.restore !== undefined || !this.#makesCall)
      caller.send(withoutHeaders(response, this.#removes));
    else {
      const again = note.split('\n').includes(response.to.tag ?? '');
      this.#forwarder.releaseCallee(response, callee, callerGone, again);
    }
  }
}

export function noteOf(dialogs: readonly string[]): string {
  return dialogs.join('\n');
}

/** The few kinds of INVITE: what no response to them may say, and whether they make a call. */
export class LateAnswerKinds {
  readonly #forwarder: Pick<Forwarder, 'releaseCallee'>;
  /** By the list of what is removed, which is a policy's constant; first those that make a call. */
  readonly #kinds = new WeakMap<readonly string[], readonly [LateAnswers, LateAnswers]>();

  constructor(forwarder: Pick<Forwarder, 'releaseCallee'>) {
    this.#forwarder = forwarder;
  }

  /** `makesCall` is false for a re-INVITE: its call is its parties' to end. */
  of(makesCall: boolean, removes: readonly string[]): LateAnswers {
    let kinds = this.#kinds.get(removes);
    if (kinds === undefined) {
      kinds = [
        new LateAnswer(this.#forwarder, true, removes),
        new LateAnswer(this.#forwarder, false, removes),
      ];
      this.#kinds.set(removes, kinds);
    }
    return kinds[makesCall ? 0 : 1];
  }
}
