import type { Timer } from '../../base/index.ts';
import { createResponse } from '../message/index.ts';
import type { ServerTransaction, TimerOwner, TimerWheel } from '../transaction/index.ts';

/** RFC 3261 §17.2.1: an INVITE that has had no response by then gets a 100. */
const patienceMs = 200;

/**
 * The 100 of an INVITE that somebody is still deciding about. Over UDP it waits, but not too long: a sender who turns
 * out to have proved nothing gets one answer and not two, and a phone that rings at once saves the message.
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

  /** The request is answered right now. */
  cancel(): void {
    this.#timer?.cancel();
  }

  onTimer(): void {
    this.#send();
  }

  #send(): void {
    const { state, responded, request } = this.#transaction;
    if (state === 'proceeding' && !responded) this.#transaction.respond(createResponse(request, 100));
  }
}
