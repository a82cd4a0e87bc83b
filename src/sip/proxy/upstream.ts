import { createResponse, type SipRequest, type SipResponse } from '../message/index.ts';
import type { ServerTransaction } from '../transaction/index.ts';
import type { ForwardObserver, ProxyTarget, ResponseGate } from './policy.ts';

interface Held {
  readonly response: SipResponse;
  readonly target: ProxyTarget | undefined;
  readonly first: boolean;
}

export interface UpstreamOwner {
  readonly transaction: ServerTransaction;
  /** The To tag of responses that the proxy makes. */
  ownTag(): string;
  /** The caller has its 503; the branches are to be cancelled. */
  onGateFailed(): void;
  /** The first final response is on its way. */
  onFinalSent(): void;
}

/** The way back to the caller: nothing above 100 passes before the gate is open, and what waited keeps its order. */
export class Upstream {
  readonly #owner: UpstreamOwner;
  readonly #observer: ForwardObserver | undefined;
  #state: 'pending' | 'open' | 'failed';
  #held: Held[] = [];
  #finalSent = false;

  constructor(owner: UpstreamOwner, gate: ResponseGate | undefined, observer: ForwardObserver | undefined) {
    this.#owner = owner;
    this.#observer = observer;
    this.#state = gate?.state ?? 'open';
    if (this.#state !== 'open') gate?.whenSettled((state) => this.#settle(state));
  }

  get finalSent(): boolean {
    return this.#finalSent;
  }

  /** `first` is false for a 2xx that is only a retransmission: it is sent and not reported again. */
  send(response: SipResponse, target: ProxyTarget | undefined, first = true): void {
    if (this.#state === 'open') this.#deliver(response, target, first);
    else if (this.#state === 'pending') this.#held.push({ response, target, first });
  }

  /** Makes and sends a response of the proxy's own. */
  sendOwn(status: number): void {
    const { request } = this.#owner.transaction;
    this.send(createResponse(request, status, undefined, { toTag: this.#owner.ownTag() }), undefined);
  }

  #settle(state: 'open' | 'failed'): void {
    if (this.#state === 'open') return;
    const held = this.#held;
    this.#held = [];
    this.#state = 'open';
    if (state === 'open') {
      for (const { response, target, first } of held) this.#deliver(response, target, first);
      return;
    }
    this.sendOwn(503);
    // From here on even a 2xx stays here: a call whose record failed must not come about.
    this.#state = 'failed';
    this.#owner.onGateFailed();
  }

  #deliver(response: SipResponse, target: ProxyTarget | undefined, first: boolean): void {
    const { transaction } = this.#owner;
    const observer = this.#observer;
    if (response.status < 200) {
      if (this.#finalSent) return;
      transaction.respond(response);
      if (target !== undefined) observer?.onProvisional?.(response, target);
      return;
    }
    const success = response.status < 300;
    // RFC 3261 §16.7 step 5: after a final response only a 2xx to an INVITE may follow.
    if (this.#finalSent && !(success && isInvite(transaction.request))) return;
    const isFirstFinal = !this.#finalSent;
    this.#finalSent = true;
    // RFC 4320 §4.2: the sender of a non-INVITE request has timed out by itself; a 408 would only add load.
    if (response.status === 408 && !isInvite(transaction.request)) transaction.abandon();
    else transaction.respond(response);
    if (isFirstFinal) this.#owner.onFinalSent();
    if (first) observer?.onFinal?.(response, target);
  }
}

function isInvite(request: SipRequest): boolean {
  return request.method === 'INVITE';
}
