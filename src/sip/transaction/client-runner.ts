import { asBuffer } from '../../base/index.ts';
import { type HeaderField, type SipRequest, type SipResponse, serializeMessage } from '../message/index.ts';
import type { Flow } from '../transport/index.ts';
import type {
  ClientState,
  ClientTransaction,
  ClientTransactionHandler,
  LateAnswers,
  SettledInvite,
} from './client-transaction.ts';
import { buildAck, buildCancel } from './derived-requests.ts';
import { type InviteClientAction, type InviteClientInput, inviteClient } from './invite-client.ts';
import { clientKey } from './key.ts';
import {
  type NonInviteClientAction,
  type NonInviteClientInput,
  nonInviteClient,
} from './non-invite-client.ts';
import type { Step } from './state-table.ts';
import type { TimerOwner } from './timer-wheel.ts';
import type { TimerName } from './timers.ts';
import { TransactionTimers, type TransactionTimersOptions } from './transaction-timers.ts';

type ClientInput = InviteClientInput | NonInviteClientInput;
type ClientAction = InviteClientAction | NonInviteClientAction;
type ClientTimer = Extract<TimerName, 'a' | 'b' | 'd' | 'e' | 'f' | 'k' | 'm' | 'cancelled' | 'unheard'>;
type Row = Readonly<Partial<Record<ClientInput, Step<ClientState, ClientAction>>>>;
type Rows = Readonly<Partial<Record<ClientState, Row>>>;

/** What a running transaction needs from its layer. */
export interface ClientTransactionHost extends TransactionTimersOptions {
  onClientEnded(transaction: ClientTransactionRunner): void;
  onClientLingers(key: string, late: LateAnswers, settled: SettledInvite, durationMs: number): void;
  /** All that is left to do is to meet final responses that come again, of an INVITE with `ack`, for `durationMs`. */
  onClientCompleted(transaction: ClientTransactionRunner, ack: string | undefined, durationMs: number): void;
  sendCancel(cancel: SipRequest, flow: Flow, onAnswered: () => void): void;
}

/** Performs what the client state tables say. */
export class ClientTransactionRunner implements ClientTransaction, TimerOwner<ClientTimer> {
  readonly key: string;
  readonly flow: Flow;
  readonly #host: ClientTransactionHost;
  readonly #handler: ClientTransactionHandler;
  readonly #invite: boolean;
  readonly #rows: Rows;
  readonly #timers: TransactionTimers<ClientTimer>;
  #state: ClientState;
  /** Needed for ACK and CANCEL of an INVITE, until its final response. */
  #request: SipRequest | undefined;
  /** The request for retransmission, while that is possible. */
  #bytes: Uint8Array | undefined;
  /** For retransmitted final responses; as latin1 text, since a view of Node's buffer pool would keep 8 kB alive. */
  #ack: string | undefined;
  #cancelHeaders: readonly HeaderField[] | undefined;
  #cancelSent = false;

  constructor(
    host: ClientTransactionHost,
    request: SipRequest,
    flow: Flow,
    handler: ClientTransactionHandler,
  ) {
    this.key = clientKey(request);
    this.flow = flow;
    this.#host = host;
    this.#handler = handler;
    this.#timers = new TransactionTimers(host, flow.reliable, this);
    this.#request = request;
    this.#invite = request.method === 'INVITE';
    this.#rows = this.#invite ? inviteClient.rows : nonInviteClient.rows;
    this.#state = this.#invite ? inviteClient.start.state : nonInviteClient.start.state;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Sends the request; separate from the constructor, so that the layer knows the transaction when a reply comes. */
  begin(): void {
    this.#apply(this.#invite ? inviteClient.start : nonInviteClient.start, undefined);
  }

  receive(response: SipResponse): void {
    const { status } = response;
    if (status < 200) this.#input('provisional', response);
    else if (!this.#invite) this.#input('final', response);
    else this.#input(status < 300 ? 'success' : 'failure', response);
  }

  transportFailed(): void {
    this.#input('transport-error', undefined);
  }

  onTimer(name: ClientTimer): void {
    this.#input(`timer-${name}`, undefined);
  }

  cancel(headers: readonly HeaderField[] = []): void {
    if (!this.#invite || this.#cancelHeaders !== undefined) return;
    this.#cancelHeaders = headers;
    if (this.#state === 'calling') this.#timers.startDeadline('unheard');
    else this.#cancelIfAllowed();
  }

  linger(late: LateAnswers, caller: Flow, note: string): void {
    if (this.#state !== 'accepted') return;
    this.discard();
    const durationMs = this.#timers.firstDelayMs('m') ?? 0;
    this.#host.onClientEnded(this);
    this.#host.onClientLingers(this.key, late, { caller, callee: this.flow, note }, durationMs);
  }

  /** Forgets everything without a word to the handler: the layer is closing. */
  discard(): void {
    this.#state = 'terminated';
    this.#timers.stop();
  }

  #input(input: ClientInput, response: SipResponse | undefined): void {
    const step = this.#rows[this.#state]?.[input];
    if (step !== undefined) this.#apply(step, response);
  }

  #apply(step: Step<ClientState, ClientAction>, response: SipResponse | undefined): void {
    this.#state = step.state;
    let sent = true;
    let expired: ClientTimer | undefined;
    let lingersMs: number | undefined;
    for (const action of step.actions) {
      switch (action) {
        case 'send':
          sent = this.#sendFirst();
          break;
        case 'retransmit':
          sent = this.#bytes === undefined || this.flow.send(this.#bytes);
          break;
        case 'send-ack':
          sent = this.#sendAck(response);
          break;
        case 'to-user':
          this.#toUser(response);
          break;
        case 'start-a':
          this.#timers.startRetransmission('a');
          break;
        case 'start-e':
          this.#timers.startRetransmission('e');
          break;
        case 'start-e-at-t2':
          this.#timers.slowDown();
          this.#timers.startRetransmission('e');
          break;
        case 'start-b':
        case 'start-f':
        case 'start-m':
          expired = this.#timers.startDeadline(deadlineOf[action]);
          break;
        case 'start-d':
        case 'start-k':
          lingersMs = this.#timers.firstDelayMs(deadlineOf[action]);
          if (lingersMs === 0) expired = deadlineOf[action];
          break;
        case 'stop-timers':
          this.#timers.stop();
          break;
        case 'timeout':
          this.#handler.onTimeout();
          // Last: a dead connection that is closed fails its other transactions at once.
          this.flow.reportUnanswered?.(64 * this.#host.settings.t1Ms);
          break;
        case 'transport-error':
          this.#handler.onTransportError();
          break;
      }
    }
    if (step.state === 'terminated') this.#end();
    else if (expired !== undefined) this.#input(`timer-${expired}`, undefined);
    else if (!sent) this.#input('transport-error', undefined);
    else if (lingersMs !== undefined) this.#complete(lingersMs);
  }

  #complete(durationMs: number): void {
    this.#timers.stop();
    this.#host.onClientCompleted(this, this.#ack, durationMs);
  }

  #sendFirst(): boolean {
    const request = this.#request;
    if (request === undefined) return true;
    const bytes = serializeMessage(request);
    if (!this.flow.reliable) this.#bytes = bytes;
    return this.flow.send(bytes);
  }

  #sendAck(response: SipResponse | undefined): boolean {
    if (this.#ack !== undefined) return this.flow.send(Buffer.from(this.#ack, 'latin1'));
    if (this.#request === undefined || response === undefined) return true;
    const bytes = serializeMessage(buildAck(this.#request, response));
    if (!this.flow.reliable) this.#ack = asBuffer(bytes).toString('latin1');
    return this.flow.send(bytes);
  }

  #toUser(response: SipResponse | undefined): void {
    if (response === undefined) return;
    if (this.#state === 'proceeding') {
      // RFC 3261 §17.1.1.2: an INVITE is not sent again once anything has come back.
      if (this.#invite) this.#bytes = undefined;
      this.#cancelIfAllowed();
    } else {
      this.#request = undefined;
      this.#bytes = undefined;
    }
    this.#handler.onResponse(response);
  }

  #cancelIfAllowed(): void {
    const headers = this.#cancelHeaders;
    if (headers === undefined || this.#cancelSent || this.#state !== 'proceeding') return;
    if (this.#request === undefined) return;
    this.#cancelSent = true;
    this.#timers.startDeadline('unheard');
    this.#host.sendCancel(buildCancel(this.#request, headers), this.flow, () => {
      if (this.#state === 'proceeding') this.#timers.startDeadline('cancelled');
    });
  }

  #end(): void {
    this.#timers.stop();
    this.#request = undefined;
    this.#bytes = undefined;
    this.#ack = undefined;
    this.#host.onClientEnded(this);
  }
}

const deadlineOf = {
  'start-b': 'b',
  'start-f': 'f',
  'start-d': 'd',
  'start-k': 'k',
  'start-m': 'm',
} as const satisfies Record<string, ClientTimer>;
