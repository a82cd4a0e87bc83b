import type { Logger } from '../base/index.ts';
import type { PeerConfig } from '../config/index.ts';
import {
  type Flow,
  type LocatedTarget,
  LocatingError,
  type Locator,
  type ProxyTarget,
  reach,
  type SipUri,
  type TransportError,
  type TransportLayer,
} from '../sip/index.ts';
import type { PeerTable } from './peer-table.ts';
import { type Principal, peerIdentity } from './principal.ts';

export interface OutboundOptions {
  readonly transport: TransportLayer;
  readonly locator: Locator;
  readonly peers: PeerTable;
  /** When an address that says nothing at all is given up for the next one. */
  readonly silenceMs: number;
  readonly logger: Logger;
}

/** Opens flows towards the configured PBX or trunk for addresses that no identity here holds. */
export class Outbound {
  readonly #options: OutboundOptions;

  constructor(options: OutboundOptions) {
    this.#options = options;
  }

  /** One target at the peer for outward calls; none when there is no such peer, or when the call came from one. */
  async targets(uri: SipUri, sender: Principal): Promise<ProxyTarget[]> {
    const peer = this.#options.peers.outward;
    if (peer === undefined || sender.kind === 'peer' || uri.user === undefined) return [];
    const { host, port } = peer.target;
    const written = host.includes(':') ? `[${host}]` : host;
    const requestUri = `sip:${uri.user}@${port === undefined ? written : `${written}:${port}`}`;
    const target = await this.#target(peer, requestUri, await this.#locate(peer));
    return target === undefined ? [] : [target];
  }

  openFlow(flowId: string): Flow | undefined {
    const flow = this.#options.transport.flow(flowId);
    return flow?.open ? flow : undefined;
  }

  /** A new flow to the peer behind a dialog whose own connection is gone; undefined for any other identity. */
  async flowTo(identity: string): Promise<Flow | undefined> {
    const peer = this.#options.peers.byIdentity(identity);
    if (peer === undefined) return undefined;
    return (await this.#reach(peer, await this.#locate(peer)))?.flow;
  }

  /** The target of a request within a dialog: a flow, or for a peer's UDP flow also the connection instead of it. */
  inDialog(flow: Flow, requestUri: string): ProxyTarget {
    const target: ProxyTarget = { flow, requestUri, qValue: 1000 };
    const peer = flow.reliable ? undefined : this.#options.peers.match(flow.remote.address);
    return peer === undefined ? target : this.#orOverConnection(peer, target);
  }

  async #target(
    peer: PeerConfig,
    requestUri: string,
    located: readonly LocatedTarget[],
  ): Promise<ProxyTarget | undefined> {
    const { locator, logger, silenceMs } = this.#options;
    const reached = await this.#reach(peer, located);
    if (reached === undefined) return undefined;
    const { flow, target, rest } = reached;
    const proxyTarget: ProxyTarget = {
      flow,
      requestUri,
      qValue: 1000,
      identity: peerIdentity(peer),
      failover: {
        ...(rest.length === 0 ? {} : { silenceMs }),
        next: async ({ reason, retryAfterSeconds }) => {
          locator.markDead(target, retryAfterSeconds === undefined ? undefined : retryAfterSeconds * 1_000);
          logger.warn(
            { peer: peer.name, target, reason, others: rest.length },
            'an address of a peer failed',
          );
          return await this.#target(peer, requestUri, rest);
        },
      },
    };
    return this.#orOverConnection(peer, proxyTarget);
  }

  /** RFC 3261 §18.1.1: to the same address and port over TCP, and back to UDP when that is refused. */
  #orOverConnection(peer: PeerConfig, target: ProxyTarget): ProxyTarget {
    if (target.flow.transport !== 'udp') return target;
    const { address, port } = target.flow.remote;
    const connection: LocatedTarget = { transport: 'tcp', address, port };
    const overConnection = async (): Promise<ProxyTarget> => {
      // Refused a short while ago, and logged then.
      if (this.#options.locator.isDead(connection)) return target;
      const reached = await this.#reach(peer, [connection]);
      if (reached !== undefined) return { ...target, flow: reached.flow };
      this.#options.logger.warn(
        { peer: peer.name, target: connection },
        'a request too large for a datagram goes over UDP all the same: the peer takes no TCP connection',
      );
      return target;
    };
    return { ...target, overConnection };
  }

  async #locate(peer: PeerConfig): Promise<readonly LocatedTarget[]> {
    try {
      return await this.#options.locator.locate(peer.target);
    } catch (error) {
      if (!(error instanceof LocatingError)) throw error;
      const { host, code } = error;
      this.#options.logger.warn({ peer: peer.name, host, code }, 'a peer cannot be located');
      return [];
    }
  }

  #reach(peer: PeerConfig, located: readonly LocatedTarget[]): ReturnType<typeof reach> {
    const { logger } = this.#options;
    const onFailed = (target: LocatedTarget, { code }: TransportError): void =>
      logger.warn({ peer: peer.name, target, code }, 'a peer takes no connection');
    return reach(located, { ...this.#options, onFailed });
  }
}
