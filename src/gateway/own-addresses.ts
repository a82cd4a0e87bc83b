import type { ListenAddress } from '../config/index.ts';
import type { Flow, ProxyAddress, TransportLayer } from '../sip/index.ts';
import type { ServedDomain } from './served-domain.ts';

export interface OwnAddressesOptions {
  readonly domain: ServedDomain;
  readonly transport: TransportLayer;
  /** The name by which the gateway is reached where that is not the address that it is bound to. */
  readonly advertise: string | undefined;
}

/** What the gateway calls itself in Via, Record-Route and Contact, and by which names it knows itself in a Route. */
export class OwnAddresses {
  readonly #options: OwnAddressesOptions;
  /** Where the sockets are, once they are open. */
  #listening: readonly ListenAddress[] = [];

  constructor(options: OwnAddressesOptions) {
    this.#options = options;
  }

  opened(listening: readonly ListenAddress[]): void {
    this.#listening = listening;
  }

  /** How the gateway names itself towards the peer of a flow. */
  towards(flow: Pick<Flow, 'transport' | 'local'>): ProxyAddress {
    const { address } = flow.local;
    const host = this.#options.advertise ?? (address.includes(':') ? `[${address}]` : address);
    return { host, port: this.#listeningPort(flow) };
  }

  include(host: string, port: number | undefined): boolean {
    const { domain, transport } = this.#options;
    const bare = host.startsWith('[') ? host.slice(1, -1) : host;
    return (
      (domain.serves(host, '') || transport.listensOnAllAt(bare)) &&
      (port === undefined || this.#listening.some((own) => own.port === port))
    );
  }

  /** RFC 3261 §18.1.1: where new connections may come to. That of a connection that we opened takes none. */
  #listeningPort({ transport, local }: Pick<Flow, 'transport' | 'local'>): number {
    let first: number | undefined;
    for (const own of this.#listening) {
      if (own.transport !== transport) continue;
      if (own.port === local.port) return own.port;
      first ??= own.port;
    }
    return first ?? local.port;
  }
}
