import { lookup } from 'node:dns/promises';
import type { Logger } from '../base/index.ts';
import type { Flow, ProxyTarget, SipUri, TransportLayer } from '../sip/index.ts';
import type { PeerTable } from './peer-table.ts';
import type { Principal } from './principal.ts';

export interface OutboundOptions {
  readonly transport: TransportLayer;
  readonly peers: PeerTable;
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
    const { transport, peers, logger } = this.#options;
    const peer = peers.outward;
    if (peer === undefined || sender.kind === 'peer' || uri.user === undefined) return [];
    const { target } = peer;
    if (target.transport === 'ws' || target.transport === 'wss') return [];
    try {
      const { address } = await lookup(target.host);
      const flow = await transport.connect({ transport: target.transport, address, port: target.port });
      return [{ flow, requestUri: `sip:${uri.user}@${target.host}:${target.port}`, qValue: 1000 }];
    } catch (error) {
      logger.warn({ peer: peer.name, error: String(error) }, 'peer cannot be reached');
      return [];
    }
  }

  openFlow(flowId: string): Flow | undefined {
    const flow = this.#options.transport.flow(flowId);
    return flow?.open ? flow : undefined;
  }
}
