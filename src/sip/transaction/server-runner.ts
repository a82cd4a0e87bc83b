import { asBuffer } from '../../base/index.ts';
import { type SipRequest, type SipResponse, serializeMessage } from '../message/index.ts';
import type { Flow } from '../transport/index.ts';
import { earnedBytes } from './earned-answer.ts';
import { type InviteServerAction, type InviteServerInput, inviteServer } from './invite-server.ts';
import { agreedKeepSeconds } from './keepalive-agreement.ts';
import {
  type NonInviteServerAction,
  type NonInviteServerInput,
  nonInviteServer,
} from './non-invite-server.ts';
import { offersOverloadControl } from './overload-feedback.ts';
import type { ServerState, ServerTransaction } from './server-transaction.ts';
import type { Step } from './state-table.ts';
import type { TimerOwner } from './timer-wheel.ts';
import type { TimerName } from './timers.ts';
import { TransactionTimers, type TransactionTimersOptions } from './transaction-timers.ts';

type ServerInput = InviteServerInput | NonInviteServerInput;
type ServerAction = InviteServerAction | NonInviteServerAction;
type ServerTimer = Extract<TimerName, 'g' | 'h' | 'i' | 'j' | 'l'>;
type Row = Readonly<Partial<Record<ServerInput, Step<ServerState, ServerAction>>>>;
type Rows = Readonly<Partial<Record<ServerState, Row>>>;

/** What a running transaction needs from its layer. */
export interface ServerTransactionHost extends TransactionTimersOptions {
  onServerEnded(transaction: ServerTransactionRunner): void;
  /** All that is left to do is to meet retransmissions, with `answer` if there is one, for `durationMs`. */
  onServerLingers(transaction: ServerTransactionRunner, answer: string | undefined, durationMs: number): void;
  /** What lingers of it is to be forgotten. */
  onAnswerAbandoned(transaction: ServerTransactionRunner): void;
  onServerTransportError(transaction: ServerTransaction): void;
  onServerRequest(request: SipRequest, transaction: ServerTransaction): void;
  /** Undefined: nothing is said about load. */
  readonly feedback: ((response: SipResponse) => SipResponse) | undefined;
}

class ServerTransactionHandle implements ServerTransaction {
  readonly request: SipRequest;
  readonly #runner: ServerTransactionRunner;

  constructor(request: SipRequest, runner: ServerTransactionRunner) {
    this.request = request;
    this.#runner = runner;
  }

  get key(): string {
    return this.#runner.key;
  }

  get flow(): Flow {
    return this.#runner.flow;
  }

  get state(): ServerState {
    return this.#runner.state;
  }

  get responded(): boolean {
    return this.#runner.responded;
  }

  respond(response: SipResponse): void {
    this.#runner.respond(response);
  }

  decline(response: SipResponse): void {
    this.#runner.decline(this.request, response);
  }

  abandon(): void {
    this.#runner.abandon();
  }
}

/** Performs what the server state tables say. */
export class ServerTransactionRunner implements TimerOwner<ServerTimer> {
  readonly key: string;
  readonly flow: Flow;
  readonly #host: ServerTransactionHost;
  readonly #invite: boolean;
  /** The sender wants to know how loaded we are (RFC 7339). */
  readonly #wantsFeedback: boolean;
  readonly #rows: Rows;
  readonly #timers: TransactionTimers<ServerTimer>;
  #state: ServerState;
  #handle: ServerTransaction | undefined;
  /**
   * What answers a retransmission, as latin1 text: a view of Node's buffer pool would keep 8 kB alive. None on
   * reliable flows, where nothing is retransmitted.
   */
  #lastResponse: string | undefined;
  #responded = false;
  /** Of the 100 that went out. */
  #tryingBytes = 0;
  #ended = false;

  constructor(host: ServerTransactionHost, key: string, request: SipRequest, flow: Flow) {
    this.key = key;
    this.flow = flow;
    this.#host = host;
    this.#timers = new TransactionTimers(host, flow.reliable, this);
    this.#handle = new ServerTransactionHandle(request, this);
    this.#invite = request.method === 'INVITE';
    this.#wantsFeedback = host.feedback !== undefined && offersOverloadControl(request);
    this.#rows = this.#invite ? inviteServer.rows : nonInviteServer.rows;
    this.#state = this.#invite ? inviteServer.start.state : nonInviteServer.start.state;
  }

  get state(): ServerState {
    return this.#state;
  }

  get responded(): boolean {
    return this.#responded;
  }

  /** What the transaction user holds; undefined once the final response is sent. */
  get handle(): ServerTransaction | undefined {
    return this.#handle;
  }

  /** Hands the request up; separate from the constructor, so that the layer knows the transaction by then. */
  begin(): void {
    this.#apply(this.#invite ? inviteServer.start : nonInviteServer.start, undefined);
  }

  respond(response: SipResponse): void {
    const { status } = response;
    if (status < 200) this.#input('user-provisional', response);
    else if (!this.#invite) this.#input('user-final', response);
    else this.#input(status < 300 ? 'user-success' : 'user-failure', response);
  }

  decline(request: SipRequest, response: SipResponse): void {
    if (this.flow.reliable) this.respond(response);
    else if (this.#handle !== undefined) {
      const bytes = earnedBytes(request, response, (choice) => this.#serialize(choice), this.#tryingBytes);
      if (bytes !== undefined) this.flow.send(bytes);
      this.abandon();
    }
  }

  receiveRetransmission(): void {
    this.#input('retransmission', undefined);
  }

  receiveAck(): void {
    this.#input('ack', undefined);
  }

  transportFailed(): void {
    this.#input('transport-error', undefined);
  }

  onTimer(name: ServerTimer): void {
    this.#input(`timer-${name}`, undefined);
  }

  abandon(): void {
    this.discard();
    if (this.#ended) this.#host.onAnswerAbandoned(this);
    else this.#end();
  }

  /** Forgets everything without a word to anybody: the layer is closing. */
  discard(): void {
    this.#state = 'terminated';
    this.#timers.stop();
  }

  #input(input: ServerInput, response: SipResponse | undefined): void {
    const step = this.#rows[this.#state]?.[input];
    if (step !== undefined) this.#apply(step, response);
  }

  #apply(step: Step<ServerState, ServerAction>, response: SipResponse | undefined): void {
    this.#state = step.state;
    const handle = this.#handle;
    if (step.state !== 'trying' && step.state !== 'proceeding') this.#handle = undefined;
    // RFC 3261 §17.2.1: after its ACK nothing is sent again.
    if (step.state === 'confirmed') this.#lastResponse = undefined;
    let sent = true;
    let expired: ServerTimer | undefined;
    let lingersMs: number | undefined;
    for (const action of step.actions) {
      switch (action) {
        case 'to-user':
          if (handle !== undefined) this.#host.onServerRequest(handle.request, handle);
          break;
        case 'send':
          sent = this.#send(response, true);
          break;
        case 'send-unstored':
          sent = this.#send(response, false);
          break;
        case 'resend':
          sent =
            this.#lastResponse === undefined || this.flow.send(Buffer.from(this.#lastResponse, 'latin1'));
          break;
        case 'start-g':
          this.#timers.startRetransmission('g');
          break;
        case 'start-h':
          expired = this.#timers.startDeadline(deadlineOf[action]);
          break;
        case 'start-i':
        case 'start-j':
        case 'start-l':
          lingersMs = this.#timers.firstDelayMs(deadlineOf[action]);
          if (lingersMs === 0) expired = deadlineOf[action];
          break;
        case 'stop-timers':
          this.#timers.stop();
          break;
        case 'transport-error':
          if (handle !== undefined) this.#host.onServerTransportError(handle);
          break;
        case 'ack-to-user':
        case 'timeout':
          // The layer passes the ACK up. A missing ACK (Timer H) concerns no proxy: the call was refused anyway.
          break;
      }
    }
    if (step.state === 'terminated') this.#end();
    else if (expired !== undefined) this.#input(`timer-${expired}`, undefined);
    else {
      if (!sent) this.#input('transport-error', undefined);
      if (lingersMs !== undefined && !this.#ended) this.#linger(lingersMs);
    }
  }

  #linger(durationMs: number): void {
    const answer = this.#lastResponse;
    this.#timers.stop();
    this.#lastResponse = undefined;
    this.#ended = true;
    this.#host.onServerLingers(this, answer, durationMs);
  }

  #send(response: SipResponse | undefined, store: boolean): boolean {
    if (response === undefined) return true;
    this.#responded = true;
    const keepSeconds = agreedKeepSeconds(response);
    if (keepSeconds !== undefined) this.flow.expectKeepalives?.(keepSeconds);
    const bytes = this.#serialize(response);
    if (response.status === 100) this.#tryingBytes = bytes.length;
    if (store && !this.flow.reliable) this.#lastResponse = asBuffer(bytes).toString('latin1');
    else if (this.#state === 'accepted') this.#lastResponse = undefined;
    return this.flow.send(bytes);
  }

  #serialize(response: SipResponse): Uint8Array {
    const { feedback } = this.#host;
    return serializeMessage(this.#wantsFeedback && feedback !== undefined ? feedback(response) : response);
  }

  #end(): void {
    this.#timers.stop();
    this.#handle = undefined;
    this.#lastResponse = undefined;
    if (this.#ended) return;
    this.#ended = true;
    this.#host.onServerEnded(this);
  }
}

const deadlineOf = {
  'start-h': 'h',
  'start-i': 'i',
  'start-j': 'j',
  'start-l': 'l',
} as const satisfies Record<string, ServerTimer>;
