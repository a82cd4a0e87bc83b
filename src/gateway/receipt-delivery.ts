import { type Clock, type Logger, type Random, randomId, type Timer } from '../base/index.ts';
import { formatReceipts, receiptsMediaType } from '../provenance/index.ts';
import {
  type ClientTransactionHandler,
  createRequest,
  createVia,
  type Flow,
  headerItems,
  headerValue,
  ownText,
  type ProxyAddress,
  type SipRequest,
} from '../sip/index.ts';
import type { Audit } from './audit.ts';
import { uriOf } from './subscribe-check.ts';

/** In a REGISTER: the number of the last record whose receipt the phone has; 0 for none. */
const receiptsAfter = 'receipts-after';

/** Receipts that come close together, such as those of one call's end, share a message. */
const gatherMs = 200;
/** In one message over a connection; over UDP, where a message must fit a datagram, one. */
const maxPerMessage = 16;
/** What a phone that was away is sent at most; older ones are fetched with `audit receipts`. */
const maxCatchUp = 256;

export interface ReceiptDeliveryOptions {
  readonly audit: Audit;
  readonly domain: string;
  /** The token of this run's node: phones check receipts with it. */
  readonly nodeToken: Uint8Array;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly addressFor: (flow: Flow) => ProxyAddress;
  readonly send: (request: SipRequest, flow: Flow, handler: ClientTransactionHandler) => unknown;
}

/** A phone that keeps receipts. */
interface Keeper {
  readonly flow: Flow;
  readonly contact: string;
  readonly address: string;
  readonly queue: Uint8Array[];
  readonly nodeTokens: Uint8Array[];
  stopWatching: () => void;
  timer: Timer | undefined;
  sending: boolean;
}

/**
 * Sends phones that ask for it the receipt of every record about their identity, in a MESSAGE on the flow that they
 * have registered on. Nothing is kept here: what a phone misses it asks for at its next registration.
 */
export class ReceiptDelivery {
  readonly #options: ReceiptDeliveryOptions;
  readonly #keepers = new Map<string, Keeper>();

  constructor(options: ReceiptDeliveryOptions) {
    this.#options = options;
  }

  /** A REGISTER was accepted. */
  async registered(request: SipRequest, flow: Flow, fingerprint: string): Promise<void> {
    const asked = headerValue(request, receiptsAfter);
    if (asked === undefined) return;
    const contact = uriOf(headerItems(request, 'contact')[0]);
    const after = Number(asked);
    if (!Number.isSafeInteger(after) || after < 0 || contact === '') return;
    const { audit } = this.#options;
    this.onFlowClosed(flow);
    const keeper: Keeper = {
      flow,
      contact: ownText(contact),
      address: ownText(request.to.uri),
      queue: [],
      nodeTokens: [],
      stopWatching: () => {},
      timer: undefined,
      sending: false,
    };
    this.#keepers.set(flow.id, keeper);
    // Watched before it is read: a receipt may come twice, none is left out.
    keeper.stopWatching = audit.watchReceipts(fingerprint, (receipt) => {
      keeper.queue.push(receipt);
      this.#soon(keeper);
    });
    const { receipts, nodeTokens } = await audit.receipts(fingerprint, after, maxCatchUp);
    keeper.queue.unshift(...receipts);
    keeper.nodeTokens.push(...nodeTokens);
    if (receipts.length > 0) this.#soon(keeper);
  }

  onFlowClosed(flow: Flow): void {
    const keeper = this.#keepers.get(flow.id);
    if (keeper !== undefined) this.#drop(keeper);
  }

  close(): void {
    for (const keeper of this.#keepers.values()) this.#drop(keeper);
  }

  #drop(keeper: Keeper): void {
    keeper.stopWatching();
    keeper.timer?.cancel();
    keeper.queue.length = 0;
    if (this.#keepers.get(keeper.flow.id) === keeper) this.#keepers.delete(keeper.flow.id);
  }

  #soon(keeper: Keeper): void {
    if (keeper.sending) return;
    keeper.timer ??= this.#options.clock.setTimer(gatherMs, () => {
      keeper.timer = undefined;
      this.#send(keeper);
    });
  }

  #send(keeper: Keeper): void {
    const { queue, nodeTokens, flow } = keeper;
    if (queue.length === 0 || this.#keepers.get(flow.id) !== keeper) return;
    const { nodeToken, send, logger } = this.#options;
    const count = Math.min(queue.length, flow.reliable ? maxPerMessage : 1);
    const text =
      [...nodeTokens.splice(0), nodeToken].map((token) => formatReceipts(token, [])).join('') +
      formatReceipts(undefined, queue.slice(0, count));
    keeper.sending = true;
    const failed = (why: string): void => {
      // What was not taken is asked for at the next registration.
      logger.info({ flow: flow.id, why }, 'a phone did not take its receipts');
      this.#drop(keeper);
    };
    send(this.#request(keeper, Buffer.from(text)), flow, {
      onResponse: ({ status }) => {
        if (status < 200) return;
        if (status >= 300) {
          failed(`${status}`);
          return;
        }
        keeper.sending = false;
        queue.splice(0, count);
        if (queue.length > 0) this.#soon(keeper);
      },
      onTimeout: () => failed('no answer'),
      onTransportError: () => failed('no connection'),
    });
  }

  #request({ flow, contact, address }: Keeper, body: Uint8Array): SipRequest {
    const { domain, random, addressFor } = this.#options;
    const { host, port } = addressFor(flow);
    return createRequest({
      method: 'MESSAGE',
      uri: contact,
      via: createVia({
        transport: flow.transport,
        host,
        port,
        branch: randomId(random, 80),
        rport: !flow.reliable,
      }),
      from: `<sip:${domain}>;tag=${randomId(random, 64)}`,
      to: `<${address}>`,
      callId: randomId(random, 128),
      cseq: 1,
      body,
      contentType: receiptsMediaType,
    });
  }
}
