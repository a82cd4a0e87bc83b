import { type Clock, type Logger, type Random, randomId } from '../../base/index.ts';
import type { PeerConfig } from '../../config/index.ts';
import {
  type ClientTransactionHandler,
  createVia,
  type Flow,
  type LocatedTarget,
  LocatingError,
  type Locator,
  type ProxyAddress,
  type SipRequest,
  type SipResponse,
  TransportError,
  type TransportLayer,
  type Via,
} from '../../sip/index.ts';

const branchBits = 80;

export interface PeerRequestsOptions {
  readonly transport: Pick<TransportLayer, 'connect'>;
  readonly locator: Locator;
  readonly send: (request: SipRequest, flow: Flow, handler: ClientTransactionHandler) => unknown;
  readonly addressFor: (flow: Flow) => ProxyAddress;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** How the gateway is called on the flow that a request takes. */
export interface OwnEnd {
  readonly flow: Flow;
  readonly via: Via;
  /** `host:port`, and the parameter that a URI needs there: `;transport=tcp` or nothing. */
  readonly hostPort: string;
  readonly transportParam: string;
}

export type PeerAnswer =
  | {
      readonly kind: 'answered';
      readonly response: SipResponse;
      readonly request: SipRequest;
      readonly target: LocatedTarget;
      readonly flow: Flow;
    }
  | { readonly kind: 'silent' };

const silent: PeerAnswer = { kind: 'silent' };

/** Sends the gateway's own requests to peers. */
export class PeerRequests {
  readonly #options: PeerRequestsOptions;

  constructor(options: PeerRequestsOptions) {
    this.#options = options;
  }

  /** The addresses of a peer, those that failed lately last; none when it cannot be located. */
  async addresses(peer: PeerConfig): Promise<readonly LocatedTarget[]> {
    try {
      return await this.#options.locator.locate(peer.target);
    } catch (error) {
      if (!(error instanceof LocatingError)) throw error;
      const { host, code } = error;
      this.#options.logger.warn({ peer: peer.name, host, code }, 'a peer cannot be located');
      return [];
    }
  }

  /** To the first address that gives a final response other than 503 (RFC 3263 §4.3). */
  async toPeer(peer: PeerConfig, build: (own: OwnEnd) => SipRequest, timeoutMs: number): Promise<PeerAnswer> {
    let last: PeerAnswer = silent;
    for (const target of await this.addresses(peer)) {
      const answer = await this.toAddress(target, build, timeoutMs);
      if (answer.kind === 'answered' && answer.response.status !== 503) return answer;
      this.#options.locator.markDead(target);
      if (answer.kind === 'answered') last = answer;
    }
    return last;
  }

  /** The final response of one address, or silence: nothing came in time, or it takes no connection. */
  async toAddress(
    target: LocatedTarget,
    build: (own: OwnEnd) => SipRequest,
    timeoutMs: number,
  ): Promise<PeerAnswer> {
    const { transport, clock, send } = this.#options;
    const { promise, resolve } = Promise.withResolvers<PeerAnswer>();
    const timer = clock.setTimer(timeoutMs, () => resolve(silent));
    try {
      const flow = await Promise.race([transport.connect(target), promise.then(() => undefined)]);
      if (flow === undefined) return silent;
      const request = build(this.#ownEnd(flow));
      send(request, flow, {
        onResponse: (response) => {
          if (response.status >= 200) resolve({ kind: 'answered', response, request, target, flow });
        },
        onTimeout: () => resolve(silent),
        onTransportError: () => resolve(silent),
      });
      return await promise;
    } catch (error) {
      if (error instanceof TransportError) return silent;
      throw error;
    } finally {
      timer.cancel();
    }
  }

  #ownEnd(flow: Flow): OwnEnd {
    const { addressFor, random } = this.#options;
    const { host, port } = addressFor(flow);
    const via = createVia({
      transport: flow.transport,
      host,
      port,
      branch: randomId(random, branchBits),
      rport: !flow.reliable,
    });
    const hostPort = port === undefined ? host : `${host}:${port}`;
    return {
      flow,
      via,
      hostPort,
      transportParam: flow.transport === 'udp' ? '' : `;transport=${flow.transport}`,
    };
  }
}
