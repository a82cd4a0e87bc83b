import { type Clock, type Logger, Turns } from '../base/index.ts';
import {
  type Admission,
  createResponse,
  type Flow,
  headerField,
  MergedRequests,
  type ProxyCore,
  type ServerTransaction,
  type SipRequest,
  type SipResponse,
  statelessTag,
  type TransactionUser,
} from '../sip/index.ts';
import type { RegEvent } from './reg-event.ts';
import type { Registration } from './registration.ts';
import { respond, whileAway } from './routing-answers.ts';

/** When a phone may try again at a gateway that is being restarted, in seconds. */
const retryAfterSeconds = 5;
/** Of registrations: enough to share a transaction of the store, and answered within some 20 ms. */
const registrations = { maxAtOnce: 64, maxMs: 5 } as const;

export interface DispatcherOptions {
  readonly proxy: ProxyCore;
  readonly registration: Registration;
  readonly regEvent: RegEvent;
  /** Counts what is being answered: a gateway with too much of it lets nothing new in. */
  readonly admission: Pick<Admission, 'entered' | 'left'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onFlowClosed: (flow: Flow) => void;
}

/** The transaction user of the gateway: REGISTER goes to the registrar, SUBSCRIBE for reg to the notifier, all else to the proxy. */
export class Dispatcher implements TransactionUser {
  readonly #options: DispatcherOptions;
  readonly #merged = new MergedRequests();
  readonly #registrations: Turns;
  #draining = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#registrations = new Turns({ clock: options.clock, ...registrations });
  }

  /** From now on only what belongs to a dialog is taken. */
  drain(): void {
    this.#draining = true;
  }

  answerAtOnce(request: SipRequest, flow: Flow): SipResponse | undefined {
    if (request.method !== 'REGISTER' || this.#draining) return undefined;
    return this.#options.registration.challenge(request, flow);
  }

  onRequest(request: SipRequest, transaction: ServerTransaction): void {
    const { proxy, registration, regEvent } = this.#options;
    if (this.#draining && request.to.tag === undefined) {
      transaction.respond(
        createResponse(request, 503, 'Shutting Down', {
          headers: [headerField('Retry-After', String(retryAfterSeconds))],
        }),
      );
      return;
    }
    if (request.method === 'REGISTER') this.#answer(transaction, registration, this.#registrations);
    else if (regEvent.takes(request, transaction.flow)) this.#answer(transaction, regEvent, atOnce);
    else proxy.onRequest(request, transaction);
  }

  onCancel(cancel: SipRequest, invite: ServerTransaction): void {
    this.#options.proxy.onCancel(cancel, invite);
  }

  onAck(ack: SipRequest, flow: Flow): void {
    this.#options.proxy.onAck(ack, flow);
  }

  onStrayResponse(response: SipResponse, flow: Flow): void {
    this.#options.proxy.onStrayResponse(response, flow);
  }

  onTransportError(transaction: ServerTransaction): void {
    this.#options.proxy.onTransportError(transaction);
  }

  onFlowClosed(flow: Flow): void {
    this.#options.onFlowClosed(flow);
  }

  #answer(
    transaction: ServerTransaction,
    server: { answer(transaction: ServerTransaction): Promise<void> },
    turns: Pick<Turns, 'add'>,
  ): void {
    const { request } = transaction;
    const { admission, logger } = this.#options;
    const outside = request.to.tag === undefined;
    if (outside && !this.#merged.begin(request)) {
      transaction.decline(createResponse(request, 482, undefined, { toTag: statelessTag(request) }));
      return;
    }
    admission.entered(request.method);
    const answering = async (): Promise<void> => {
      try {
        await server.answer(transaction);
      } catch (error) {
        const { status, reason, headers } = whileAway(error) ?? failed;
        logger.error({ method: request.method, error: String(error), status }, 'a request failed');
        const toTag = statelessTag(request);
        transaction.decline(createResponse(request, status, reason, { toTag, ...(headers && { headers }) }));
      } finally {
        admission.left(request.method);
        if (outside) this.#merged.end(request);
      }
    };
    turns.add(answering);
  }
}

const failed = respond(500);
const atOnce: Pick<Turns, 'add'> = { add: (work) => void work() };
