import type { Logger } from '../../base/index.ts';
import type { HeaderField, SipRequest, SipResponse } from '../message/index.ts';
import type {
  ClientTransaction,
  ClientTransactionHandler,
  ServerTransaction,
  TimerWheel,
} from '../transaction/index.ts';
import type { Flow } from '../transport/index.ts';
import { type BranchIds, loopHash } from './branch-id.ts';
import { buildRelease } from './callee-release.ts';
import { DatagramGuard } from './datagram-guard.ts';
import type { FlowTokens } from './flow-token.ts';
import { buildForwarded } from './forward.ts';
import { ownVia } from './own-via.ts';
import type { ForwardDecision, ProxyTarget } from './policy.ts';
import { localProxyAddress, type ProxyAddress, recordRoutes } from './record-route.ts';
import { isOwnRoute } from './route-examination.ts';

/** The part of the transaction layer that a proxy uses. */
export interface ProxyTransactions {
  readonly timers: TimerWheel;
  /** `decision` is what sends the request there; not for requests that the proxy makes itself. */
  send(
    request: SipRequest,
    flow: Flow,
    handler: ClientTransactionHandler,
    decision?: ForwardDecision,
  ): ClientTransaction;
}

export interface ForwarderOptions {
  readonly transactions: ProxyTransactions;
  readonly tokens: FlowTokens;
  readonly logger: Logger;
  /** How the proxy names itself towards a flow in Via and Record-Route; default: the flow's local address. */
  readonly addressFor?: (flow: Flow) => ProxyAddress;
  /** RFC 3261 §18.1.1; default 1300. */
  readonly maxUdpRequestBytes?: number;
}

/** Sends what the proxy sends downstream: copies of requests, ACKs, and its own end to a call that nobody may have. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #branches: BranchIds;
  readonly #datagrams: DatagramGuard;
  readonly #addressFor: (flow: Flow) => ProxyAddress;

  constructor(options: ForwarderOptions, branches: BranchIds) {
    this.#options = options;
    this.#branches = branches;
    this.#datagrams = new DatagramGuard(options);
    this.#addressFor = options.addressFor ?? localProxyAddress;
  }

  /** `breadth` is the Max-Breadth of this branch. */
  sendToTarget(
    request: SipRequest,
    transaction: ServerTransaction,
    target: ProxyTarget,
    decision: ForwardDecision,
    breadth: number,
    handler: ClientTransactionHandler,
  ): ClientTransaction {
    const forwarded = this.#prepare(request, transaction, target, decision, breadth);
    this.#datagrams.warn(forwarded, target.flow);
    return this.#options.transactions.send(forwarded, target.flow, handler, decision);
  }

  exceedsDatagram(
    request: SipRequest,
    transaction: ServerTransaction,
    target: ProxyTarget,
    decision: ForwardDecision,
  ): boolean {
    return this.#datagrams.exceeds(this.#prepare(request, transaction, target, decision, 1), target.flow);
  }

  /** Statelessly; `received` is the ACK as it came. */
  forwardAck(
    received: SipRequest,
    request: SipRequest,
    target: ProxyTarget,
    decision: ForwardDecision,
  ): void {
    const ack = this.#build(received, request, target, decision, [], undefined);
    this.#datagrams.warn(ack, target.flow);
    target.flow.send(ack);
  }

  /** Acknowledges a 2xx in the caller's stead and, unless it came `again`, ends its call. */
  releaseCallee(answer: SipResponse, flow: Flow, reason: HeaderField, again: boolean): void {
    const { transactions, logger, tokens } = this.#options;
    const release = buildRelease({
      answer,
      transport: flow.transport,
      address: this.#addressFor(flow),
      rport: !flow.reliable,
      branch: () => this.#branches.next(''),
      isOwnRoute: (route) => isOwnRoute(route, tokens),
      reason,
    });
    if (release === undefined) {
      logger.warn({ flow: flow.id, callId: answer.callId }, 'an answer could not be taken back: unreadable');
      return;
    }
    flow.send(release.ack);
    // Whatever the callee says to it: its call has ended, or its connection is gone.
    if (!again) transactions.send(release.bye, flow, indifferent);
  }

  #prepare(
    request: SipRequest,
    transaction: ServerTransaction,
    target: ProxyTarget,
    decision: ForwardDecision,
    breadth: number,
  ): SipRequest {
    const routes = decision.recordRoute ? this.#recordRoutes(transaction.flow, target, decision) : [];
    // What is within a dialog is split nowhere.
    const split = request.to.tag === undefined ? breadth : undefined;
    return this.#build(transaction.request, request, target, decision, routes, split);
  }

  #build(
    received: SipRequest,
    request: SipRequest,
    target: ProxyTarget,
    decision: ForwardDecision,
    routes: readonly string[],
    breadth: number | undefined,
  ): SipRequest {
    const { flow } = target;
    // An ACK has nobody to hear of its loop: its hops alone bound it.
    const branch =
      received.method === 'ACK' ? this.#branches.ofAck(received) : this.#branches.next(loopHash(received));
    return buildForwarded(request, {
      requestUri: target.requestUri,
      via: ownVia(flow, this.#addressFor(flow), branch),
      breadth,
      recordRoutes: routes,
      routes: target.routes ?? [],
      remove: decision.edit?.remove ?? [],
      body: decision.body,
      add: [...(decision.edit?.add ?? []), ...(target.headers ?? [])],
      from: decision.edit?.from,
    });
  }

  #recordRoutes(source: Flow, target: ProxyTarget, decision: ForwardDecision): readonly string[] {
    const { flow, identity } = target;
    const token = this.#options.tokens.mint({
      callerFlow: source.id,
      calleeFlow: flow.id,
      callerIdentity: decision.callerIdentity,
      calleeIdentity: identity,
    });
    return recordRoutes(
      token,
      { transport: source.transport, address: this.#addressFor(source) },
      { transport: flow.transport, address: this.#addressFor(flow) },
    );
  }
}

const ignore = (): void => {};
const indifferent: ClientTransactionHandler = {
  onResponse: ignore,
  onTimeout: ignore,
  onTransportError: ignore,
};
