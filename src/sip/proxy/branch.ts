import type { Timer } from '../../base/index.ts';
import { type HeaderField, ownText, type SipResponse } from '../message/index.ts';
import type {
  ClientTransaction,
  ClientTransactionHandler,
  LateAnswers,
  TimerOwner,
  TimerWheel,
} from '../transaction/index.ts';
import type { Flow } from '../transport/index.ts';
import { noteOf } from './late-answer.ts';
import { withoutOwnVia } from './own-via.ts';
import type { ProxyTarget } from './policy.ts';

/** Why a branch ended without a response of its own. */
export type BranchFailure = 'flow-gone' | 'timeout' | 'bad-response';

/** The response context, as a branch sees it. Responses come without this proxy's Via. */
export interface BranchOwner {
  readonly timers: TimerWheel;
  readonly timerCMs: number;
  onBranchProvisional(branch: Branch, response: SipResponse): void;
  /** Every 2xx; for an INVITE also its retransmissions, with `first` false for a dialog that is known. */
  onBranchSuccess(branch: Branch, response: SipResponse, first: boolean): void;
  onBranchRefused(branch: Branch, response: SipResponse): void;
  onBranchFailed(branch: Branch, failure: BranchFailure): void;
}

/** One target of a forwarded request and its client transaction (RFC 3261 §16.6 steps 10 and 11). */
export class Branch implements ClientTransactionHandler, TimerOwner<'c'> {
  readonly target: ProxyTarget;
  /** How far the request may be split beyond this branch (RFC 5393 §5.3.3). */
  readonly breadth: number;
  readonly #owner: BranchOwner;
  readonly #invite: boolean;
  #heard = false;
  #transaction: ClientTransaction | undefined;
  #timerC: Timer | undefined;
  /** Nothing has come yet, and what runs as Timer C is the shorter wait for a sign of life. */
  #silent = false;
  #pending = true;
  /** The To tags of the dialogs that 2xx responses made; a fork further on can make more than one. */
  #dialogs: string[] | undefined;

  constructor(owner: BranchOwner, target: ProxyTarget, invite: boolean, breadth: number) {
    this.#owner = owner;
    this.target = target;
    this.#invite = invite;
    this.breadth = breadth;
  }

  /** True until a final response or a failure; a 2xx may still come afterwards (RFC 6026). */
  get pending(): boolean {
    return this.#pending;
  }

  /** True when any response came, a 100 too. */
  get heard(): boolean {
    return this.#heard;
  }

  /** True when the request left for the target. */
  get started(): boolean {
    return this.#transaction !== undefined;
  }

  /** Its timer runs from before the request is sent: a failure may come before `sent` is called. */
  begin(): void {
    const silenceMs = this.target.failover?.silenceMs;
    if (silenceMs !== undefined) {
      this.#silent = true;
      this.#timerC = this.#owner.timers.start(silenceMs, this, 'c');
    } else if (this.#invite) this.#startTimerC();
  }

  /** The client transaction, whose callbacks may have come already. */
  sent(transaction: ClientTransaction): void {
    this.#transaction = transaction;
  }

  /** Cancels what is pending; its final response is still awaited, for as long as the transaction allows. */
  cancel(headers: readonly HeaderField[]): void {
    if (!this.#pending) return;
    this.#stopTimerC();
    this.#transaction?.cancel(headers);
  }

  /** When its 2xx is upstream and every other branch at its end: nothing of it is kept but `late`. */
  linger(late: LateAnswers, caller: Flow): void {
    if (this.#dialogs !== undefined) this.#transaction?.linger(late, caller, noteOf(this.#dialogs));
  }

  onResponse(received: SipResponse): void {
    this.#heard = true;
    if (this.#silent) {
      this.#stopTimerC();
      if (this.#invite) this.#startTimerC();
    }
    if (received.status === 100) return;
    const response = withoutOwnVia(received);
    if (response === undefined) {
      if (received.status >= 200) this.#fail('bad-response');
      return;
    }
    if (response.status < 200) {
      if (!this.#pending) return;
      // RFC 3261 §16.7 step 2. After a CANCEL Timer C stays off: the transaction itself ends it.
      if (this.#timerC !== undefined) this.#startTimerC();
      this.#owner.onBranchProvisional(this, response);
    } else if (response.status < 300) {
      this.#close();
      this.#owner.onBranchSuccess(this, response, this.#isNewDialog(response));
    } else if (this.#pending) {
      this.#close();
      this.#owner.onBranchRefused(this, response);
    }
  }

  onTimeout(): void {
    this.#fail('timeout');
  }

  onTransportError(): void {
    this.#fail('flow-gone');
  }

  /** RFC 3261 §16.8: counts as a 408, and the callee stops ringing, even one that only wakes up later. */
  onTimer(): void {
    this.#timerC = undefined;
    this.#transaction?.cancel();
    this.#fail('timeout');
  }

  #fail(failure: BranchFailure): void {
    if (!this.#pending) return;
    this.#close();
    this.#owner.onBranchFailed(this, failure);
  }

  #close(): void {
    this.#pending = false;
    this.#stopTimerC();
  }

  #startTimerC(): void {
    this.#timerC?.cancel();
    this.#timerC = this.#owner.timers.start(this.#owner.timerCMs, this, 'c');
  }

  #stopTimerC(): void {
    this.#silent = false;
    this.#timerC?.cancel();
    this.#timerC = undefined;
  }

  #isNewDialog(response: SipResponse): boolean {
    // A copy: a slice of the parsed text would keep the whole response alive for as long as the transaction.
    const tag = ownText(response.to.tag ?? '');
    if (this.#dialogs === undefined) this.#dialogs = [tag];
    else if (this.#dialogs.includes(tag)) return false;
    else this.#dialogs.push(tag);
    return true;
  }
}
