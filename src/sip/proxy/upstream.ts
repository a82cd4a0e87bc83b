import { createResponse, type HeaderField, removeHeaders, type SipResponse } from '../message/index.ts';
import type { ServerTransaction } from '../transaction/index.ts';
import type { Flow } from '../transport/index.ts';
import type { ForwardObserver, GateRefusal, ProxyTarget, ResponseGate } from './policy.ts';

interface Held {
  readonly response: SipResponse;
  readonly target: ProxyTarget | undefined;
  readonly first: boolean;
}

export interface UpstreamOwner {
  /** The To tag of responses that the proxy makes. */
  ownTag(): string;
  /** The caller has its 503; the branches are to be cancelled. */
  onGateFailed(refusal: GateRefusal): void;
  /** A 2xx to an INVITE that cannot go upstream: its callee must not wait for a caller. `again`: a retransmission. */
  onAnswerLost(response: SipResponse, target: ProxyTarget, again: boolean): void;
  /** The first final response is on its way. */
  onFinalSent(transaction: ServerTransaction): void;
}

const nothing: readonly string[] = [];
const plainRefusal: GateRefusal = { reason: 'Service Unavailable', headers: [] };

/** The way back to the caller: nothing above 100 passes before the gate is open, and what waited keeps its order. */
export class Upstream {
  readonly #owner: UpstreamOwner;
  readonly #observer: ForwardObserver | undefined;
  readonly #invite: boolean;
  /** A 2xx then makes a call; that of a re-INVITE only changes one, which is its parties' to end. */
  readonly #makesCall: boolean;
  /** Where 2xx responses go that come after the final one. */
  readonly #flow: Flow;
  /** Let go with the final response: branches may linger for half a minute, the request need not. */
  #transaction: ServerTransaction | undefined;
  #state: 'pending' | 'open' | 'failed';
  #held: Held[] = [];
  readonly #refusal: GateRefusal;
  /** What no response may say. */
  readonly removes: readonly string[];
  /** The caller has proved nothing: whatever is said to it is said once. */
  readonly #declines: boolean;

  constructor(
    owner: UpstreamOwner,
    transaction: ServerTransaction,
    gate: ResponseGate | undefined,
    observer: ForwardObserver | undefined,
    removes: readonly string[] = nothing,
    declines = false,
  ) {
    this.#owner = owner;
    this.removes = removes;
    this.#declines = declines;
    this.#observer = observer;
    this.#transaction = transaction;
    this.#flow = transaction.flow;
    this.#invite = transaction.request.method === 'INVITE';
    this.#makesCall = this.#invite && transaction.request.to.tag === undefined;
    this.#refusal = gate?.refusal ?? plainRefusal;
    const gated = gate !== undefined && gate.state !== 'open';
    this.#state = gated ? 'pending' : 'open';
    if (gated) gate.whenSettled((state) => this.#settle(state));
  }

  /** The caller has its final response; only a 2xx to an INVITE may follow, on this flow. */
  get settled(): boolean {
    return this.#state === 'open' && this.#transaction === undefined;
  }

  get flow(): Flow {
    return this.#flow;
  }

  get makesCall(): boolean {
    return this.#makesCall;
  }

  /** `first` is false for a 2xx that is only a retransmission: it is sent and not reported again. */
  send(response: SipResponse, target: ProxyTarget | undefined, first = true): void {
    if (this.#state === 'open') this.#deliver(response, target, first);
    else if (this.#state === 'pending') this.#held.push({ response, target, first });
    else this.#refuse(response, target, first);
  }

  /** Makes and sends a response of the proxy's own. */
  sendOwn(status: number, reason?: string, headers: readonly HeaderField[] = []): void {
    const own = this.#own(status, reason, headers);
    if (own !== undefined) this.send(own, undefined);
  }

  #own(status: number, reason: string | undefined, headers: readonly HeaderField[]): SipResponse | undefined {
    const request = this.#transaction?.request;
    return request && createResponse(request, status, reason, { toTag: this.#owner.ownTag(), headers });
  }

  #settle(state: 'open' | 'failed'): void {
    if (this.#state !== 'pending') return;
    const held = this.#held;
    this.#held = [];
    this.#state = state;
    if (state === 'open') {
      for (const { response, target, first } of held) this.#deliver(response, target, first);
      return;
    }
    // From here on even a 2xx stays here: a call whose record failed must not come about.
    const refused = this.#own(503, this.#refusal.reason, this.#refusal.headers);
    if (refused !== undefined) this.#deliver(refused, undefined, true);
    this.#owner.onGateFailed(this.#refusal);
    for (const { response, target, first } of held) this.#refuse(response, target, first);
  }

  #refuse(response: SipResponse, target: ProxyTarget | undefined, first: boolean): void {
    if (!this.#makesCall || target === undefined) return;
    if (response.status >= 200 && response.status < 300) this.#owner.onAnswerLost(response, target, !first);
  }

  /** The connection closed while it rang: no caller will ever acknowledge this answer. */
  #loseAnswer(response: SipResponse, target: ProxyTarget | undefined, first: boolean): void {
    this.#refuse(response, target, first);
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    this.#transaction = undefined;
    const gone = createResponse(transaction.request, 487, undefined, { toTag: this.#owner.ownTag() });
    transaction.respond(gone);
    this.#owner.onFinalSent(transaction);
    this.#observer?.onFinal?.(gone, undefined);
  }

  #deliver(received: SipResponse, target: ProxyTarget | undefined, first: boolean): void {
    const response = withoutHeaders(received, this.removes);
    const transaction = this.#transaction;
    const { status } = response;
    if (status < 200) {
      if (transaction === undefined) return;
      transaction.respond(response);
      if (target !== undefined) this.#observer?.onProvisional?.(response, target);
      return;
    }
    if (status < 300 && this.#makesCall && !this.#flow.open && this.#flow.restore === undefined) {
      this.#loseAnswer(response, target, first);
      return;
    }
    if (transaction === undefined) {
      // RFC 3261 §16.7 step 5: after a final response only a 2xx to an INVITE may follow.
      if (!this.#invite || status >= 300) return;
      this.#flow.send(response);
    } else {
      this.#transaction = undefined;
      // RFC 4320 §4.2: the sender of a non-INVITE request has timed out by itself; a 408 would only add load.
      if (status === 408 && !this.#invite) transaction.abandon();
      else if (this.#declines) transaction.decline(response);
      else transaction.respond(response);
      this.#owner.onFinalSent(transaction);
    }
    if (first) this.#observer?.onFinal?.(response, target);
  }
}

export function withoutHeaders(response: SipResponse, names: readonly string[]): SipResponse {
  return names.reduce(removeHeaders, response);
}
