import type { Logger } from '../../base/index.ts';
import type { MediaParty, MediaRefusal } from '../../media/index.ts';
import type {
  ClientTransaction,
  ClientTransactionHandler,
  Flow,
  ForwardDecision,
  ProxyTransactions,
  SipRequest,
  TimerWheel,
} from '../../sip/index.ts';
import { AnchoredTransaction } from './anchored-transaction.ts';
import type { CallPeer, MediaCall, MediaCalls } from './media-calls.ts';

/** A request of a call on its way through. */
export interface Passage {
  readonly call: MediaCall;
  readonly from: MediaParty;
  /** Undefined for the INVITE that begins the call. */
  readonly calleeTag: string | undefined;
}

export interface MediaPathOptions {
  readonly transactions: ProxyTransactions;
  readonly calls: MediaCalls;
  /** Which requests carry descriptions, by the decision that forwards them. */
  readonly passages: WeakMap<ForwardDecision, Passage>;
  /** Who is at the other end of a flow, for a request that is sent there. */
  readonly peerAt: (flow: Flow, requestUri: string) => CallPeer;
  readonly logger: Logger;
  readonly onRefused: (refusal: MediaRefusal) => void;
}

/**
 * Stands between the proxy and the transactions: session descriptions that pass are given to the media engine. All
 * that has none passes at once.
 */
export class MediaPath implements ProxyTransactions {
  readonly #options: MediaPathOptions;

  constructor(options: MediaPathOptions) {
    this.#options = options;
  }

  get timers(): TimerWheel {
    return this.#options.transactions.timers;
  }

  send(
    request: SipRequest,
    flow: Flow,
    handler: ClientTransactionHandler,
    decision?: ForwardDecision,
  ): ClientTransaction {
    const { transactions, calls, passages, peerAt } = this.#options;
    const passage = decision && passages.get(decision);
    if (passage === undefined || passage.call.over) return transactions.send(request, flow, handler);
    const { call, from, calleeTag } = passage;
    const peer = peerAt(flow, request.uri);
    const known = calleeTag === undefined ? undefined : call.branchOf(calleeTag);
    const branch = known ?? calls.open(call, peer, calleeTag);
    // Whoever has moved is reached elsewhere now.
    if (from === 'caller') branch.callee = peer;
    else call.caller = peer;
    const begins = calleeTag === undefined;
    return new AnchoredTransaction({
      ...this.#options,
      request,
      flow,
      handler,
      branch,
      from,
      begins,
    }).begin();
  }
}
