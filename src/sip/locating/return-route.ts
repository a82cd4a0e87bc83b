import { isIP } from 'node:net';
import type { Logger } from '../../base/index.ts';
import { type SipMessage, type SipRequest, type SipResponse, serializeMessage } from '../message/index.ts';
import type { Endpoint, Flow, PeerCertificate, TransportName, TransportUser } from '../transport/index.ts';
import type { Locator } from './locator.ts';
import { defaultPort, type LocatedTarget, nextHopOfVia, type SentBy } from './next-hop.ts';
import { type FlowOpener, reach } from './reach.ts';

/** The transport layer, as far as this stage stands before it. */
export interface ReturnTransport<Started> extends FlowOpener {
  start(user: TransportUser): Promise<Started>;
}

export interface ReturnRoutingOptions<Started> {
  readonly transport: ReturnTransport<Started>;
  readonly locator: Locator;
  /**
   * Whose Via is believed: PBXes and trunks. To anybody else a response goes back on the flow of its request and nowhere
   * else, so that a forged Via sends nothing to third parties.
   */
  readonly trustsVia: (flow: Flow) => boolean;
  readonly logger: Logger;
}

/** What is kept of a request's Via: transactions linger, and must not keep their messages alive (`bench/calls.ts`). */
interface ReturnVia extends SentBy {
  readonly hasRport: boolean;
}

/** Responses that wait for one connection; more than a transaction ever sends. */
const maxWaiting = 16;

/**
 * Stands between the transports and the transactions: what a trusted peer asked is answered as RFC 3261 §18.2.2 and
 * RFC 3263 §5 say, also when its connection is gone by then.
 */
export class ReturnRouting<Started> implements TransportUser {
  readonly #options: ReturnRoutingOptions<Started>;
  /** Of each flow: a peer sends the same with every request. */
  readonly #lastVias = new WeakMap<Flow, ReturnVia>();
  #user: TransportUser | undefined;

  constructor(options: ReturnRoutingOptions<Started>) {
    this.#options = options;
  }

  start(user: TransportUser): Promise<Started> {
    this.#user = user;
    return this.#options.transport.start(this);
  }

  onRequest(request: SipRequest, flow: Flow): void {
    // An ACK is never answered.
    const returning = request.method !== 'ACK' && this.#options.trustsVia(flow);
    this.#user?.onRequest(
      request,
      returning ? new ReturningFlow(flow, this.#viaOf(request, flow), this.#options) : flow,
    );
  }

  onResponse(response: SipResponse, flow: Flow): void {
    this.#user?.onResponse(response, flow);
  }

  onFlowOpen(flow: Flow): void {
    this.#user?.onFlowOpen?.(flow);
  }

  onFlowClosed(flow: Flow, reason: string): void {
    this.#user?.onFlowClosed(flow, reason);
  }

  #viaOf({ via: { transport, host, port, hasRport } }: SipRequest, flow: Flow): ReturnVia {
    const last = this.#lastVias.get(flow);
    if (
      last?.host === host &&
      last.port === port &&
      last.transport === transport &&
      last.hasRport === hasRport
    )
      return last;
    const via = { transport: copied(transport), host: copied(host), port, hasRport };
    this.#lastVias.set(flow, via);
    return via;
  }
}

/** A part of a message's text keeps all of it alive; this does not. */
function copied(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** The flow of one request, whose responses find another way when it is closed. */
class ReturningFlow implements Flow {
  readonly #flow: Flow;
  readonly #via: ReturnVia;
  readonly #options: Omit<ReturnRoutingOptions<unknown>, 'trustsVia'>;
  /** Where responses go instead, once that is known. */
  #replacement: Flow | undefined;
  #waiting: Uint8Array[] | undefined;
  /** While it is looked for. */
  #search: Promise<boolean> | undefined;
  #lost = false;

  constructor(flow: Flow, via: ReturnVia, options: Omit<ReturnRoutingOptions<unknown>, 'trustsVia'>) {
    this.#flow = flow;
    this.#via = via;
    this.#options = options;
  }

  get id(): string {
    return this.#flow.id;
  }

  get transport(): TransportName {
    return this.#flow.transport;
  }

  get reliable(): boolean {
    return this.#flow.reliable;
  }

  get secure(): boolean {
    return this.#flow.secure;
  }

  get local(): Endpoint {
    return this.#flow.local;
  }

  get remote(): Endpoint {
    return this.#flow.remote;
  }

  get peerCertificate(): PeerCertificate | undefined {
    return this.#flow.peerCertificate;
  }

  /** There may be a way back as long as none was looked for in vain. */
  get open(): boolean {
    return !this.#lost;
  }

  send(message: SipMessage | Uint8Array): boolean {
    if (this.#isWayBack()) return this.#flow.send(message);
    if (this.#replacement?.open === true) return this.#replacement.send(message);
    const bytes = message instanceof Uint8Array ? message : serializeMessage(message);
    if (this.#lost || this.#waiting?.length === maxWaiting) return false;
    this.#waiting ??= [];
    this.#waiting.push(bytes);
    void this.restore();
    return true;
  }

  /** Never rejects. */
  restore(): Promise<boolean> {
    if (this.#isWayBack() || this.#replacement?.open === true) return Promise.resolve(true);
    this.#search ??= this.#findWayBack();
    return this.#search;
  }

  close(reason: string): void {
    this.#flow.close(reason);
  }

  /** RFC 3261 §18.2.2: the connection while it is open; over UDP, without rport, the port in sent-by. */
  #isWayBack(): boolean {
    if (this.#flow.reliable) return this.#flow.open;
    const { hasRport, port } = this.#via;
    return hasRport || (port ?? defaultPort('udp')) === this.#flow.remote.port;
  }

  async #findWayBack(): Promise<boolean> {
    const { logger } = this.#options;
    const { remote, transport } = this.#flow;
    try {
      this.#replacement = await this.#open();
    } catch (error) {
      logger.info({ transport, remote, error: String(error) }, 'the Via of a peer leads nowhere');
    }
    if (this.#replacement?.open !== true) {
      this.#replacement = undefined;
      this.#lost = true;
      logger.warn({ transport, remote }, 'a response cannot be returned to its peer');
    }
    this.#search = undefined;
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const bytes of waiting) this.#replacement?.send(bytes);
    return this.#replacement !== undefined;
  }

  /** First the address that the request came from at the port of its Via, then what the Via's name leads to. */
  async #open(): Promise<Flow | undefined> {
    const { transport, locator, logger } = this.#options;
    const hop = nextHopOfVia(this.#via);
    if (hop?.transport === undefined) return undefined;
    const source: LocatedTarget = {
      transport: hop.transport,
      address: this.#flow.remote.address,
      port: hop.port ?? defaultPort(hop.transport),
      ...(hop.transport === 'tls' && isIP(hop.host) === 0 ? { serverName: hop.host } : {}),
    };
    const onFailed = (target: LocatedTarget, { code }: { readonly code: string }): void =>
      logger.info({ target, code }, 'a peer takes no connection for the response to its request');
    const first = await reach([source], { transport, locator, onFailed });
    if (first !== undefined) return first.flow;
    const others = await locator.locate(hop);
    return (await reach(others, { transport, locator, onFailed }))?.flow;
  }
}
