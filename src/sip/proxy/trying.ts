import type { Timer } from '../../base/index.ts';
import { createResponse } from '../message/index.ts';
import type { ServerTransaction, TimerOwner, TimerWheel } from '../transaction/index.ts';

/** RFC 3261 §17.2.1: an INVITE whose answer takes longer gets a 100. */
const patienceMs = 200;

/**
 * The 100 of an INVITE that somebody is still deciding about. Over UDP it waits for the decision, but not too long: a
 * sender who turns out to have proved nothing gets one answer and not two.
 */
export class Trying implements TimerOwner<'trying'> {
  readonly #transaction: ServerTransaction;
  /** Set while the 100 waits. */
  #timer: Timer | undefined;

  constructor(transaction: ServerTransaction, timers: TimerWheel) {
    this.#transaction = transaction;
    if (transaction.flow.reliable) this.#send();
    else this.#timer = timers.start(patienceMs, this, 'trying');
  }

  /** `goesOn`: the request is not answered right now. */
  decided(goesOn: boolean): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    if (goesOn) this.#send();
  }

  onTimer(): void {
    this.#timer = undefined;
    this.#send();
  }

  #send(): void {
    const { state, request } = this.#transaction;
    if (state === 'proceeding') this.#transaction.respond(createResponse(request, 100));
  }
}
