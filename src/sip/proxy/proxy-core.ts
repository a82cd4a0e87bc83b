import { type Random, TransientMap } from '../../base/index.ts';
import {
  createResponse,
  defaultMessageLimits,
  type HeaderField,
  type MultipartLimits,
  SipParseError,
  type SipRequest,
  type SipResponse,
} from '../message/index.ts';
import type { Admission, ServerTransaction, TimerWheel, TransactionUser } from '../transaction/index.ts';
import type { Flow } from '../transport/index.ts';
import { BranchIds } from './branch-id.ts';
import { Forwarder, type ForwarderOptions } from './forwarder.ts';
import { LateAnswerKinds } from './late-answer.ts';
import { MergedRequests } from './merged-requests.ts';
import type { ProxyPolicy, RoutingDecision } from './policy.ts';
import { checkRequest, type Rejection } from './request-check.ts';
import { type ContextHost, ResponseContext } from './response-context.ts';
import { examineRoutes, type RouteExamination } from './route-examination.ts';
import { Trying } from './trying.ts';

export interface ProxyOptions extends ForwarderOptions {
  readonly policy: ProxyPolicy;
  readonly random: Random;
  /** Whether a Route's host (lower case) and port name this proxy. */
  readonly isOwnAddress: (host: string, port: number | undefined) => boolean;
  /** RFC 3261 §16.6 step 11: more than 3 minutes. */
  readonly timerCMs?: number;
  readonly messageLimits?: MultipartLimits;
  /** Counts the requests whose routing is still being decided. */
  readonly admission?: Pick<Admission, 'entered' | 'left'>;
}

const defaultTimerCMs = 185_000;

/** A transaction-stateful proxy (RFC 3261 §16). It knows flows and flow tokens; whom to reach is its policy's to say. */
export class ProxyCore implements TransactionUser, ContextHost {
  readonly timers: TimerWheel;
  readonly timerCMs: number;
  readonly random: Random;
  readonly forwarder: Forwarder;
  readonly lateAnswers: LateAnswerKinds;
  readonly #options: ProxyOptions;
  readonly #branches: BranchIds;
  /** INVITEs that await their final response, for CANCEL. */
  readonly #contexts = new TransientMap<ResponseContext>();
  readonly #merged = new MergedRequests();

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.timers = options.transactions.timers;
    this.timerCMs = options.timerCMs ?? defaultTimerCMs;
    this.random = options.random;
    this.#branches = new BranchIds(options.random);
    this.forwarder = new Forwarder(options, this.#branches);
    this.lateAnswers = new LateAnswerKinds(this.forwarder);
  }

  /** INVITEs that await their final response. */
  get pendingInvites(): number {
    return this.#contexts.size;
  }

  onRequest(request: SipRequest, transaction: ServerTransaction): void {
    const rejection = this.#check(request);
    if (rejection !== undefined) {
      const { policy } = this.#options;
      if (rejection.status === 483 && request.method === 'INVITE' && policy.onTooManyHops !== undefined)
        this.#settle(request, transaction, policy.onTooManyHops(request, transaction), 'refused');
      else this.#reject(transaction, rejection.status, rejection.headers);
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
    this.#contexts.get(invite.key)?.cancel(cancel.headers.filter((field) => field.name === 'reason'));
  }

  /** An ACK for a 2xx goes on statelessly along its flow token; any other ends here, unless the policy knows its call. */
  onAck(ack: SipRequest, flow: Flow): void {
    if (this.#check(ack) !== undefined) return;
    const examined = this.#examine(ack);
    if (examined?.kind !== 'token' && examined?.kind !== 'no-token') return;
    const { policy } = this.#options;
    const { request } = examined;
    const decision =
      examined.kind === 'token'
        ? policy.onInDialog(request, flow, examined.token, undefined)
        : policy.onRoutelessAck?.(request, flow);
    if (decision === undefined) return;
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
    this.#contexts.get(transaction.key)?.cancel();
  }

  onContextAnswered(transaction: ServerTransaction): void {
    if (!this.#contexts.delete(transaction.key)) return;
    const { request } = transaction;
    if (request.to.tag === undefined) this.#merged.end(request);
  }

  onPolicyError(error: unknown): void {
    this.#options.logger.error({ error }, 'the policy failed to find another target');
  }

  #check(request: SipRequest): Rejection | undefined {
    return checkRequest(request, this.#branches, this.#options.messageLimits ?? defaultMessageLimits);
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
    this.#settle(request, transaction, this.#decide(examined, transaction));
  }

  /** Carries a decision out, now or when it has been made. */
  #settle(
    request: SipRequest,
    transaction: ServerTransaction,
    decision: RoutingDecision | Promise<RoutingDecision>,
    fate: 'open' | 'refused' = 'open',
  ): void {
    const context = new ResponseContext(this);
    let trying: Trying | undefined;
    if (request.method === 'INVITE') {
      this.#contexts.set(transaction.key, context);
      if (fate === 'open') {
        if (decision instanceof Promise) trying = new Trying(transaction, this.timers);
        // RFC 3261 §16.2: at once, since nobody can promise an answer within 200 ms.
        else if (!isImmediateAnswer(decision)) transaction.respond(createResponse(transaction.request, 100));
      }
    }
    if (decision instanceof Promise) {
      const { admission } = this.#options;
      admission?.entered();
      const carryOut = (decided: RoutingDecision): void => {
        admission?.left();
        if (isImmediateAnswer(decided)) trying?.cancel();
        this.#carryOut(request, transaction, decided, context);
      };
      decision.then(carryOut, (error: unknown) => carryOut(this.#undecided(error)));
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
    for (const target of decision.targets) this.forwarder.forwardAck(received, request, target, decision);
  }

  /** Before anybody has asked who sent the request. */
  #reject(transaction: ServerTransaction, status: number, headers: readonly HeaderField[] = []): void {
    new ResponseContext(this).respond(transaction, { kind: 'respond', status, headers, stateless: true });
  }

  #undecided(error: unknown): RoutingDecision {
    const answer = this.#options.policy.onFault?.(error);
    if (answer !== undefined) return answer;
    this.#options.logger.error({ error }, 'the policy failed to decide on a request');
    return { kind: 'respond', status: 500 };
  }
}

function isImmediateAnswer(decision: RoutingDecision): boolean {
  if (decision.kind === 'forward') return false;
  // A stranger gets one answer, even if its record takes a moment.
  return decision.stateless === true || decision.gate?.state !== 'pending';
}
