import { type Logger, type Random, randomId } from '../../base/index.ts';
import {
  createResponse,
  createVia,
  type HeaderField,
  SipParseError,
  type SipRequest,
  type SipResponse,
} from '../message/index.ts';
import type {
  ClientTransaction,
  ClientTransactionHandler,
  ServerTransaction,
  TimerWheel,
  TransactionUser,
} from '../transaction/index.ts';
import type { Flow } from '../transport/index.ts';
import { BranchIds, loopHash } from './branch-id.ts';
import { buildRelease } from './callee-release.ts';
import { DatagramGuard } from './datagram-guard.ts';
import type { FlowTokens } from './flow-token.ts';
import { buildForwarded } from './forward.ts';
import { MergedRequests } from './merged-requests.ts';
import type { ForwardDecision, ProxyPolicy, ProxyTarget, RoutingDecision } from './policy.ts';
import { localProxyAddress, type ProxyAddress, recordRoutes } from './record-route.ts';
import { checkRequest } from './request-check.ts';
import { type ContextHost, ResponseContext } from './response-context.ts';
import { examineRoutes, isOwnRoute, type RouteExamination } from './route-examination.ts';

/** The part of the transaction layer that a proxy uses. */
export interface ProxyTransactions {
  readonly timers: TimerWheel;
  send(request: SipRequest, flow: Flow, handler: ClientTransactionHandler): ClientTransaction;
}

export interface ProxyOptions {
  readonly transactions: ProxyTransactions;
  readonly policy: ProxyPolicy;
  readonly tokens: FlowTokens;
  readonly random: Random;
  readonly logger: Logger;
  /** Whether a Route's host (lower case) and port name this proxy. */
  readonly isOwnAddress: (host: string, port: number | undefined) => boolean;
  /** How the proxy names itself towards a flow in Via and Record-Route; default: the flow's local address. */
  readonly addressFor?: (flow: Flow) => ProxyAddress;
  /** RFC 3261 §16.6 step 11: more than 3 minutes. */
  readonly timerCMs?: number;
  /** RFC 3261 §18.1.1; default 1300. */
  readonly maxUdpRequestBytes?: number;
}

const defaultTimerCMs = 185_000;

/** A transaction-stateful proxy (RFC 3261 §16). It knows flows and flow tokens; whom to reach is its policy's to say. */
export class ProxyCore implements TransactionUser, ContextHost {
  readonly timers: TimerWheel;
  readonly timerCMs: number;
  readonly random: Random;
  readonly #options: ProxyOptions;
  readonly #branches: BranchIds;
  readonly #datagrams: DatagramGuard;
  readonly #addressFor: (flow: Flow) => ProxyAddress;
  /** INVITEs that await their final response, for CANCEL. */
  readonly #contexts = new Map<ServerTransaction, ResponseContext>();
  readonly #merged = new MergedRequests();

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.timers = options.transactions.timers;
    this.timerCMs = options.timerCMs ?? defaultTimerCMs;
    this.random = options.random;
    this.#branches = new BranchIds(options.random);
    this.#datagrams = new DatagramGuard(options);
    this.#addressFor = options.addressFor ?? localProxyAddress;
  }

  /** INVITEs that await their final response. */
  get pendingInvites(): number {
    return this.#contexts.size;
  }

  onRequest(request: SipRequest, transaction: ServerTransaction): void {
    const rejection = checkRequest(request, this.#branches);
    if (rejection !== undefined) {
      this.#reject(transaction, rejection.status, rejection.headers);
      return;
    }
    const examined = this.#examine(request);
    switch (examined?.kind) {
      case undefined:
        this.#reject(transaction, 400);
        return;
      case 'forged':
      case 'foreign':
        this.#reject(transaction, 403);
        return;
      case 'token':
      case 'no-token':
        this.#route(examined, transaction);
    }
  }

  onCancel(cancel: SipRequest, invite: ServerTransaction): void {
    // RFC 3326: why the caller gave up concerns every branch.
    this.#contexts.get(invite)?.cancel(cancel.headers.filter((field) => field.name === 'reason'));
  }

  /** An ACK for a 2xx goes on statelessly along its flow token; any other ends here without a sound. */
  onAck(ack: SipRequest, flow: Flow): void {
    if (checkRequest(ack, this.#branches) !== undefined) return;
    const examined = this.#examine(ack);
    if (examined?.kind !== 'token') return;
    const { request, token } = examined;
    const decision = this.#options.policy.onInDialog(request, flow, token, undefined);
    if (decision instanceof Promise) {
      decision.then(
        (decided) => this.#forwardAck(ack, request, decided),
        (error: unknown) => void this.#undecided(error),
      );
    } else this.#forwardAck(ack, request, decision);
  }

  /** RFC 6026 §8.2: a response without a transaction is dropped, a 2xx to an INVITE too. */
  onStrayResponse(response: SipResponse, flow: Flow): void {
    const { logger } = this.#options;
    if (logger.debugEnabled)
      logger.debug({ status: response.status, flow: flow.id }, 'stray response dropped');
  }

  /** The caller's connection is gone: whoever still rings for it rings in vain. */
  onTransportError(transaction: ServerTransaction): void {
    this.#contexts.get(transaction)?.cancel();
  }

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
    return this.#options.transactions.send(forwarded, target.flow, handler);
  }

  exceedsDatagram(
    request: SipRequest,
    transaction: ServerTransaction,
    target: ProxyTarget,
    decision: ForwardDecision,
  ): boolean {
    return this.#datagrams.exceeds(this.#prepare(request, transaction, target, decision, 1), target.flow);
  }

  onContextAnswered(transaction: ServerTransaction): void {
    if (!this.#contexts.delete(transaction)) return;
    const { request } = transaction;
    if (request.to.tag === undefined) this.#merged.end(request);
  }

  releaseCallee(answer: SipResponse, target: ProxyTarget, reason: HeaderField, again: boolean): void {
    const { transactions, logger, tokens } = this.#options;
    const { flow } = target;
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

  onPolicyError(error: unknown): void {
    this.#options.logger.error({ error }, 'the policy failed to find another target');
  }

  #examine(request: SipRequest): RouteExamination | undefined {
    try {
      return examineRoutes(request, this.#options);
    } catch (error) {
      if (error instanceof SipParseError) return undefined;
      throw error;
    }
  }

  #route(
    examined: Extract<RouteExamination, { kind: 'token' | 'no-token' }>,
    transaction: ServerTransaction,
  ): void {
    const { request } = examined;
    const invite = request.method === 'INVITE';
    if (invite && request.to.tag === undefined && !this.#merged.begin(transaction.request)) {
      this.#reject(transaction, 482);
      return;
    }
    const context = new ResponseContext(this);
    const decision = this.#decide(examined, transaction);
    if (invite) {
      this.#contexts.set(transaction, context);
      // RFC 3261 §16.2: at once, since nobody can promise an answer within 200 ms.
      if (!isImmediateAnswer(decision)) transaction.respond(createResponse(transaction.request, 100));
    }
    if (decision instanceof Promise) {
      decision.then(
        (decided) => this.#carryOut(request, transaction, decided, context),
        (error: unknown) => this.#carryOut(request, transaction, this.#undecided(error), context),
      );
    } else this.#carryOut(request, transaction, decision, context);
  }

  #decide(
    examined: Extract<RouteExamination, { kind: 'token' | 'no-token' }>,
    transaction: ServerTransaction,
  ): RoutingDecision | Promise<RoutingDecision> {
    const { policy } = this.#options;
    const { request } = examined;
    try {
      return examined.kind === 'token'
        ? policy.onInDialog(request, transaction.flow, examined.token, transaction)
        : policy.onRequest(request, transaction);
    } catch (error) {
      return this.#undecided(error);
    }
  }

  #carryOut(
    request: SipRequest,
    transaction: ServerTransaction,
    decision: RoutingDecision,
    context: ResponseContext,
  ): void {
    if (decision.kind === 'forward') context.forward(request, transaction, decision);
    else context.respond(transaction, decision);
  }

  #forwardAck(received: SipRequest, request: SipRequest, decision: RoutingDecision): void {
    if (decision.kind !== 'forward') return;
    for (const target of decision.targets) {
      const ack = this.#build(received, request, target, decision, [], undefined);
      this.#datagrams.warn(ack, target.flow);
      target.flow.send(ack);
    }
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
    const { host, port } = this.#addressFor(flow);
    // An ACK has nobody to hear of its loop: its hops alone bound it.
    const branch = this.#branches.next(received.method === 'ACK' ? '' : loopHash(received));
    return buildForwarded(request, {
      requestUri: target.requestUri,
      via: createVia({ transport: flow.transport, host, port, branch, rport: !flow.reliable }),
      breadth,
      recordRoutes: routes,
      routes: target.routes ?? [],
      remove: decision.edit?.remove ?? [],
      add: decision.edit?.add ?? [],
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

  #reject(transaction: ServerTransaction, status: number, headers: readonly HeaderField[] = []): void {
    const toTag = randomId(this.random, 64);
    transaction.respond(createResponse(transaction.request, status, undefined, { toTag, headers }));
  }

  #undecided(error: unknown): RoutingDecision {
    this.#options.logger.error({ error }, 'the policy failed to decide on a request');
    return { kind: 'respond', status: 500 };
  }
}

const ignore = (): void => {};
const indifferent: ClientTransactionHandler = {
  onResponse: ignore,
  onTimeout: ignore,
  onTransportError: ignore,
};

function isImmediateAnswer(decision: RoutingDecision | Promise<RoutingDecision>): boolean {
  return !(decision instanceof Promise) && decision.kind === 'respond' && decision.gate?.state !== 'pending';
}
