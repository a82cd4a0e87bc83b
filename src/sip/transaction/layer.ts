import {
  type Clock,
  type Logger,
  type Random,
  randomBelow,
  randomId,
  TransientMap,
} from '../../base/index.ts';
import { createResponse, type SipRequest, type SipResponse, serializeMessage } from '../message/index.ts';
import type { Flow, TransportUser } from '../transport/index.ts';
import type { Admission } from './admission.ts';
import { AnsweredRequests } from './answered-requests.ts';
import { type ClientTransactionHost, ClientTransactionRunner } from './client-runner.ts';
import type {
  ClientTransaction,
  ClientTransactionHandler,
  LateAnswers,
  SettledInvite,
} from './client-transaction.ts';
import { earnedBytes, isEarned } from './earned-answer.ts';
import { FlowIndex } from './flow-index.ts';
import { clientKey, matchedMethod, serverKey } from './key.ts';
import { LateInvites } from './late-invites.ts';
import { offersOverloadControl, withOverloadFeedback } from './overload-feedback.ts';
import { overloadRefusal } from './overload-refusal.ts';
import { type ServerTransactionHost, ServerTransactionRunner } from './server-runner.ts';
import type { ServerTransaction } from './server-transaction.ts';
import { TimerWheel } from './timer-wheel.ts';
import { defaultTimerSettings, type TimerSettings } from './timers.ts';

/** Who works above the transactions: the proxy, registrar or user agent. */
export interface TransactionUser {
  /** What answers a new request at once and from no memory (RFC 3261 §8.2.7), so that it needs no transaction. */
  answerAtOnce?(request: SipRequest, flow: Flow): SipResponse | undefined;
  /** A new request that is neither ACK nor CANCEL. */
  onRequest(request: SipRequest, transaction: ServerTransaction): void;
  /** The sender of a pending INVITE cancels it; the CANCEL itself is already answered. */
  onCancel(cancel: SipRequest, invite: ServerTransaction): void;
  /** An ACK that belongs to no pending transaction: for a 2xx, or stray. It must never be answered. */
  onAck(ack: SipRequest, flow: Flow): void;
  /** A response to no request of ours. */
  onStrayResponse(response: SipResponse, flow: Flow): void;
  /** The flow of a request that awaits its final response is gone. */
  onTransportError(transaction: ServerTransaction): void;
  onFlowOpen?(flow: Flow): void;
  onFlowClosed?(flow: Flow, reason: string): void;
}

/** What the layer needs of the transports. */
export interface TransactionTransport<Started> {
  start(user: TransportUser): Promise<Started>;
}

export interface TransactionLimits {
  /** Server transactions at one time; a new request above it gets a stateless 503. */
  readonly maxTransactions: number;
  /** The Retry-After of that 503 (RFC 3261 §21.5.4). */
  readonly retryAfterSeconds: number;
}

export const defaultTransactionLimits: TransactionLimits = { maxTransactions: 200_000, retryAfterSeconds: 5 };

export interface TransactionLayerOptions<Started> {
  readonly transport: TransactionTransport<Started>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly timers?: TimerSettings;
  readonly limits?: TransactionLimits;
  /** Whether flows of different addresses are one party's: a peer may answer from another than was asked. Default: never. */
  readonly isSameParty?: (source: Flow, asked: Flow) => boolean;
  /** Who keeps out what cannot be answered in time; without it only `maxTransactions` bounds the work. */
  readonly admission?: Admission;
}

export interface TransactionCounts {
  readonly server: number;
  readonly client: number;
  readonly timers: number;
  /** Requests refused since the start because `maxTransactions` was reached. */
  readonly refused: number;
}

/** Ongoing dialogs and CANCELs free what calls hold, so they still find room when new requests do not. */
const inDialogHeadroom = 1.25;

/** RFC 3261 §17: matches messages to transactions and makes new ones. */
export class TransactionLayer<Started>
  implements TransportUser, ClientTransactionHost, ServerTransactionHost
{
  /** Shared by all transactions; their users may set longer timers (Timer C) on it. */
  readonly timers: TimerWheel;
  readonly settings: TimerSettings;
  readonly #transport: TransactionTransport<Started>;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #limits: TransactionLimits;
  readonly #admission: Admission | undefined;
  readonly #isSameParty: (source: Flow, asked: Flow) => boolean;
  /** What responses tell peers that offer RFC 7339. */
  readonly feedback: ((response: SipResponse) => SipResponse) | undefined;
  readonly #servers = new TransientMap<ServerTransactionRunner>();
  readonly #clients = new TransientMap<ClientTransactionRunner>();
  readonly #answered: AnsweredRequests;
  /** INVITEs of others with a refusal and its ACK (Timer I). */
  readonly #confirmed: AnsweredRequests;
  /** Our own: refused INVITEs (Timer D), and requests of other methods (Timer K). */
  readonly #refusedInvites: AnsweredRequests;
  readonly #completed: AnsweredRequests;
  readonly #lateAnswers: LateInvites;
  readonly #serversByFlow = new FlowIndex<ServerTransactionRunner>();
  readonly #clientsByFlow = new FlowIndex<ClientTransactionRunner>();
  #user: TransactionUser | undefined;
  #refused = 0;

  constructor(options: TransactionLayerOptions<Started>) {
    this.#transport = options.transport;
    this.#random = options.random;
    this.#logger = options.logger;
    this.#limits = options.limits ?? defaultTransactionLimits;
    this.#isSameParty = options.isSameParty ?? (() => false);
    const { admission, clock } = options;
    this.#admission = admission;
    if (admission !== undefined)
      this.feedback = (response) => withOverloadFeedback(response, admission.lossPercent, clock);
    this.settings = options.timers ?? defaultTimerSettings;
    this.timers = new TimerWheel(options.clock);
    this.#answered = new AnsweredRequests(options.clock);
    this.#confirmed = new AnsweredRequests(options.clock);
    this.#refusedInvites = new AnsweredRequests(options.clock);
    this.#completed = new AnsweredRequests(options.clock);
    this.#lateAnswers = new LateInvites(options.clock);
  }

  /** Opens the transports under this layer; resolves with what they return. */
  start(user: TransactionUser): Promise<Started> {
    this.#user = user;
    return this.#transport.start(this);
  }

  /** Ends all transactions silently and leaves no timer behind. The transports are their owner's to close. */
  close(): void {
    for (const transaction of this.#servers.values()) transaction.discard();
    for (const transaction of this.#clients.values()) transaction.discard();
    this.#servers.clear();
    this.#clients.clear();
    this.#answered.clear();
    this.#confirmed.clear();
    this.#refusedInvites.clear();
    this.#completed.clear();
    this.#lateAnswers.clear();
    this.#serversByFlow.clear();
    this.#clientsByFlow.clear();
  }

  counts(): TransactionCounts {
    return {
      server: this.#heldServers(),
      client: this.#clients.size + this.#lateAnswers.size + this.#refusedInvites.size + this.#completed.size,
      timers: this.timers.pending,
      refused: this.#refused,
    };
  }

  /** Requests that still await their final response; what only lingers for retransmissions is not counted. */
  unanswered(): number {
    let count = 0;
    for (const transaction of this.#servers.values()) if (transaction.handle !== undefined) count += 1;
    return count;
  }

  /**
   * Sends a request, whose topmost Via has a branch of its own, and keeps it until its end. An error of the
   * transport reaches the handler before this returns.
   */
  send(request: SipRequest, flow: Flow, handler: ClientTransactionHandler): ClientTransaction {
    const transaction = new ClientTransactionRunner(this, request, flow, handler);
    this.#clients.set(transaction.key, transaction);
    this.#clientsByFlow.add(flow, transaction);
    transaction.begin();
    return transaction;
  }

  sendCancel(cancel: SipRequest, flow: Flow, onAnswered: () => void): void {
    // Whatever becomes of the CANCEL, the INVITE's own final response or deadline ends the matter.
    this.send(cancel, flow, { onResponse: onAnswered, onTimeout: ignore, onTransportError: ignore });
  }

  onRequest(request: SipRequest, flow: Flow): void {
    const key = serverKey(request, matchedMethod(request.method), flow.remote.address);
    const known = this.#servers.get(key);
    if (known !== undefined) {
      if (request.method === 'ACK') known.receiveAck();
      else known.receiveRetransmission();
      return;
    }
    if (this.#confirmed.meetRetransmission(key)) return;
    if (request.method === 'ACK') {
      // RFC 6026 §7.1: that of a 2xx belongs to the transaction user, whether the INVITE is remembered or not.
      this.#user?.onAck(request, flow);
      return;
    }
    if (this.#answered.meetRetransmission(key)) return;
    if (!this.#hasRoom(request)) {
      this.#refuse(request, flow, this.#limits.retryAfterSeconds);
      return;
    }
    if (this.#admission?.admits(request, flow) === false) {
      this.#refuse(request, flow, this.#admission.limits.retryAfterSeconds);
      return;
    }
    const answer = this.#user?.answerAtOnce?.(request, flow);
    if (answer !== undefined) {
      this.#answerAtOnce(request, answer, flow);
      return;
    }
    const transaction = new ServerTransactionRunner(this, key, request, flow);
    this.#servers.set(key, transaction);
    this.#serversByFlow.add(flow, transaction);
    transaction.begin();
  }

  onResponse(response: SipResponse, flow: Flow): void {
    const key = clientKey(response);
    const transaction = this.#clients.get(key);
    const late = transaction === undefined ? this.#lateAnswers.get(key) : undefined;
    const ended = key.startsWith('INVITE ') ? this.#refusedInvites : this.#completed;
    const asked = transaction?.flow ?? late?.settled.callee ?? ended.flowOf(key);
    if (asked === undefined || !this.#mayAnswer(flow, asked)) this.#user?.onStrayResponse(response, flow);
    else if (transaction !== undefined) transaction.receive(response);
    else if (late === undefined) {
      if (response.status >= 300) ended.meetRetransmission(key);
    } else if (response.status >= 200 && response.status < 300) late.hears.onAnswer(response, late.settled);
  }

  onFlowOpen(flow: Flow): void {
    this.#user?.onFlowOpen?.(flow);
  }

  /** RFC 3261 §17.1.4, §17.2.4: what waits for this flow fails now, not when its timers end. */
  onFlowClosed(flow: Flow, reason: string): void {
    for (const transaction of this.#clientsByFlow.on(flow)) transaction.transportFailed();
    for (const transaction of this.#serversByFlow.on(flow)) failUnlessRestored(transaction);
    this.#user?.onFlowClosed?.(flow, reason);
  }

  onServerRequest(request: SipRequest, transaction: ServerTransaction): void {
    if (request.method === 'CANCEL') this.#cancel(request, transaction);
    else this.#user?.onRequest(request, transaction);
  }

  onServerTransportError(transaction: ServerTransaction): void {
    this.#user?.onTransportError(transaction);
  }

  onServerEnded(transaction: ServerTransactionRunner): void {
    // A request of the same key may have taken the place of one that was abandoned.
    if (this.#servers.get(transaction.key) === transaction) this.#servers.delete(transaction.key);
    this.#serversByFlow.remove(transaction.flow, transaction);
  }

  onServerLingers(
    transaction: ServerTransactionRunner,
    answer: string | undefined,
    durationMs: number,
  ): void {
    this.onServerEnded(transaction);
    const kept = transaction.state === 'confirmed' ? this.#confirmed : this.#answered;
    kept.keep(transaction, answer, durationMs);
  }

  onAnswerAbandoned(transaction: ServerTransactionRunner): void {
    this.#answered.forget(transaction.key);
    this.#confirmed.forget(transaction.key);
  }

  onClientLingers(key: string, late: LateAnswers, settled: SettledInvite, durationMs: number): void {
    this.#lateAnswers.keep(key, late, settled, durationMs);
  }

  onClientCompleted(transaction: ClientTransactionRunner, ack: string | undefined, durationMs: number): void {
    this.onClientEnded(transaction);
    const kept = ack === undefined ? this.#completed : this.#refusedInvites;
    kept.keep(transaction, ack, durationMs);
  }

  onClientEnded(transaction: ClientTransactionRunner): void {
    if (this.#clients.get(transaction.key) === transaction) this.#clients.delete(transaction.key);
    this.#clientsByFlow.remove(transaction.flow, transaction);
  }

  /** RFC 3261 §9.2. A branch can be guessed, the INVITE's flow cannot be borrowed: only its owner may cancel. */
  #cancel(cancel: SipRequest, transaction: ServerTransaction): void {
    const key = serverKey(cancel, 'INVITE', transaction.flow.remote.address);
    const invite = this.#servers.get(key);
    const owner = invite?.flow ?? this.#answered.flowOf(key) ?? this.#confirmed.flowOf(key);
    const toTag = randomId(this.#random, 64);
    if (owner === undefined || !isSameSender(owner, transaction.flow)) {
      transaction.respond(createResponse(cancel, 481, undefined, { toTag }));
      // Nor may a guess stand in the way of the owner's own CANCEL, which has the same branch.
      if (owner !== undefined) transaction.abandon();
      return;
    }
    transaction.respond(createResponse(cancel, 200, undefined, { toTag }));
    if (invite?.handle !== undefined) this.#user?.onCancel(cancel, invite.handle);
  }

  /**
   * RFC 3261 §17.1.3 goes by the branch alone; here the response must also come from where the request went. RFC 3581
   * §4 has that so over UDP, where only the port may differ; over a new connection it comes as §18.2.2 says. Nothing
   * unprotected answers what went out over TLS.
   */
  #mayAnswer(source: Flow, asked: Flow): boolean {
    if (source === asked) return true;
    if (asked.secure && !source.secure) return false;
    return source.remote.address === asked.remote.address || this.#isSameParty(source, asked);
  }

  #hasRoom(request: SipRequest): boolean {
    const { maxTransactions } = this.#limits;
    const ongoing = request.to.tag !== undefined || request.method === 'CANCEL';
    return this.#heldServers() < (ongoing ? maxTransactions * inDialogHeadroom : maxTransactions);
  }

  #heldServers(): number {
    return this.#servers.size + this.#answered.size + this.#confirmed.size;
  }

  /** Without a transaction: refusing must cost next to nothing. */
  #refuse(request: SipRequest, flow: Flow, retryAfterSeconds: number): void {
    this.#refused++;
    if (this.#logger.debugEnabled) this.#logger.debug({ method: request.method }, 'refused: too much load');
    const spread = request.method === 'REGISTER' ? (this.#admission?.limits.registerSpreadSeconds ?? 0) : 0;
    const seconds = retryAfterSeconds + randomBelow(this.#random, spread + 1);
    const bytes = serializeMessage(overloadRefusal(request, seconds, this.feedback));
    if (flow.reliable || isEarned(request, bytes.length)) flow.send(bytes);
  }

  #answerAtOnce(request: SipRequest, answer: SipResponse, flow: Flow): void {
    const { feedback } = this;
    const told = feedback !== undefined && offersOverloadControl(request) ? feedback(answer) : answer;
    const bytes = flow.reliable ? serializeMessage(told) : earnedBytes(request, told, serializeMessage);
    if (bytes !== undefined) flow.send(bytes);
  }
}

/** Whose responses may take another connection may also cancel from one. */
function isSameSender(flow: Flow, other: Flow): boolean {
  if (flow.id === other.id) return true;
  return flow.restore !== undefined && flow.remote.address === other.remote.address;
}

/** RFC 3261 §18.2.2: a request whose answer finds another way is not lost with its connection. */
function failUnlessRestored(transaction: ServerTransactionRunner): void {
  const restored = transaction.handle === undefined ? undefined : transaction.flow.restore?.();
  if (restored === undefined) transaction.transportFailed();
  else
    void restored.then((found) => {
      if (!found) transaction.transportFailed();
    });
}

const ignore = (): void => {};
