import { lookup } from 'node:dns/promises';
import { isIP, isIPv6 } from 'node:net';
import { type Clock, type Logger, type Random, randomId, systemRandom } from '../../base/index.ts';
import { AddressSet } from './address-set.ts';
import { CertificateStore } from './certificate-store.ts';
import { ConnectionTable } from './connection-table.ts';
import type { ConnectTarget, Flow, ListenAddress, TransportName, TransportUser } from './flow.ts';
import { hostPort, isLoopback, isUnspecified } from './ip-address.ts';
import type { TransportLimits } from './limits.ts';
import { LocalAddresses } from './local-address.ts';
import { targetText } from './outbound.ts';
import { OutboundConnections } from './outbound-connections.ts';
import { Reception } from './reception.ts';
import type { ConnectionListenerOptions } from './server-socket.ts';
import { createTallies, snapshotTallies, type Tallies, type TransportStatistics } from './statistics.ts';
import { StreamListener } from './stream-listener.ts';
import type { TlsOptions } from './tls-material.ts';
import { bindError, TransportError } from './transport-error.ts';
import { decodeUdpFlowId } from './udp-flow-id.ts';
import { UdpListener } from './udp-listener.ts';
import { WebSocketListener } from './websocket-listener.ts';

export interface TransportLayerOptions {
  readonly listen: readonly ListenAddress[];
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: Random;
  /** Required by `tls` and `wss` listeners; also our certificate towards TLS peers that we connect to. */
  readonly tls?: TlsOptions;
  /** `Origin` values that browsers may come from; all when absent. */
  readonly wsOrigins?: readonly string[];
  /** Balancers (addresses and networks) whose connections start with a PROXY header; none when absent. */
  readonly proxyProtocolFrom?: readonly string[];
}

/** First letter of a flow id; UDP's is in udp-flow-id.ts. */
const idPrefixes: Readonly<Record<TransportName, string>> = {
  udp: 'u',
  tcp: 't',
  tls: 's',
  ws: 'w',
  wss: 'x',
};
/** UDP flows that are remembered by their ids. */
const maxUdpIds = 8_192;
/** Keeps flow ids of two runs apart. */
const runIdBits = 64;

/** RFC 3261 §18: the sockets, their flows, and what arrives on them. */
export class TransportLayer {
  readonly #options: TransportLayerOptions;
  readonly #tallies: Tallies = createTallies();
  readonly #reception: Reception;
  readonly #table: ConnectionTable;
  readonly #runId: string;
  readonly #udpListeners: UdpListener[] = [];
  readonly #connectionListeners: (StreamListener | WebSocketListener)[] = [];
  readonly #outbound: OutboundConnections;
  readonly #closing = new AbortController();
  readonly #balancers: AddressSet;
  readonly #addresses: LocalAddresses;
  /** Found by their ids lately: a call looks for its flows four times, and an id takes a while to decode. */
  readonly #udpById = new Map<string, Flow>();
  #tls: CertificateStore | undefined;
  #flowCount = 0;

  constructor(options: TransportLayerOptions) {
    const { limits, clock, logger } = options;
    this.#options = options;
    this.#balancers = new AddressSet(options.proxyProtocolFrom ?? []);
    this.#addresses = new LocalAddresses(clock);
    this.#reception = new Reception({
      limits: limits.message,
      logger,
      keepSeconds: { udp: limits.udpKeepSeconds, stream: limits.streamKeepSeconds },
      onAlias: (flow, via) => this.#table.reuse.alias(flow, via, this.#table.get(flow.id)),
    });
    this.#table = new ConnectionTable({ limits, clock, reception: this.#reception });
    this.#outbound = new OutboundConnections({
      limits,
      clock,
      table: this.#table,
      tallies: this.#tallies,
      nextFlowId: this.#nextFlowId,
      signal: this.#closing.signal,
    });
    this.#runId = randomId(options.random ?? systemRandom, runIdBits);
  }

  /**
   * Opens every listener, in order; resolves with their addresses, names resolved and ports chosen. Throws
   * TransportError when one cannot be opened, and then none stays open.
   */
  async start(user: TransportUser): Promise<readonly ListenAddress[]> {
    const { listen, tls, clock, logger } = this.#options;
    this.#reception.setUser(user);
    const bound: ListenAddress[] = [];
    try {
      if (tls !== undefined) this.#tls = await CertificateStore.open({ tls, clock, logger });
      await this.#addresses.start();
      for (const address of listen) bound.push(await this.#open(address));
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#table.startSweeping();
    return bound;
  }

  /** Takes nothing new, says farewell on every connection, and resolves when all sockets are closed. Final. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#tls?.close();
    const accepting = this.#connectionListeners.splice(0).map((listener) => listener.close());
    await this.#table.close();
    await Promise.all(accepting);
    await Promise.all(this.#udpListeners.splice(0).map((listener) => listener.close()));
    this.#reception.setUser(undefined);
  }

  /**
   * Reads certificates and keys again; connections that are open keep theirs. Throws TransportError when a file is
   * wrong, and then nothing changes.
   */
  async reloadCertificates(): Promise<void> {
    await this.#tls?.reload();
  }

  /** The flow of that id while it is open; any UDP flow of a listener of ours, also one of an earlier run. */
  flow(id: string): Flow | undefined {
    return this.#table.get(id) ?? this.#udpById.get(id) ?? this.#udpFlow(id);
  }

  /**
   * A flow to an address: from the UDP listener that can reach it, or over a connection that is there already (RFC 3261
   * §18, RFC 5923: opened by us for the same address, or by the peer from there), or a new one. Rejects with
   * TransportError.
   */
  async connect(target: ConnectTarget): Promise<Flow> {
    if (target.transport === 'udp') return this.#udpFlowTo(target);
    const inbound = this.#table.reuse.find(target);
    if (inbound !== undefined) return inbound;
    return await this.#outbound.connect(target, this.#tls);
  }

  /** Whether a listener that is bound to all addresses takes this one, an IP address of this machine. */
  listensOnAllAt(address: string): boolean {
    const wildcard = address.includes(':') ? '::' : '0.0.0.0';
    return this.#options.listen.some(({ host }) => host === wildcard) && this.#addresses.has(address);
  }

  stats(): TransportStatistics {
    const { admission } = this.#table;
    let udpFlows = 0;
    for (const listener of this.#udpListeners) udpFlows += listener.flowCount;
    return {
      transports: snapshotTallies(this.#tallies),
      connections: admission.open,
      unprovenConnections: admission.unproven,
      displacedConnections: admission.displaced,
      sources: admission.sources,
      udpFlows,
    };
  }

  async #open(listen: ListenAddress): Promise<ListenAddress> {
    const { transport, port } = listen;
    const address = await resolveHost(listen);
    const { limits, logger, wsOrigins } = this.#options;
    const tally = this.#tallies[transport];
    if (transport === 'udp') {
      const listener = new UdpListener({
        host: address,
        port,
        limits,
        reception: this.#reception,
        tally,
        logger,
        clock: this.#options.clock,
        addresses: this.#addresses,
      });
      await listener.start();
      this.#udpListeners.push(listener);
      this.#table.alsoSweep(listener);
      return { transport, host: address, port: listener.local.port };
    }
    const secure = transport === 'tls' || transport === 'wss';
    if (secure && this.#tls === undefined) {
      throw new TransportError(
        'tls-material',
        `${transport}://${hostPort(address, port)}`,
        `${transport} needs a certificate and a key`,
      );
    }
    const options: ConnectionListenerOptions = {
      address,
      port,
      host: this.#table,
      admission: this.#table.admission,
      tally,
      logger,
      tls: secure ? this.#tls : undefined,
      balancers: this.#balancers,
      origins: wsOrigins,
      nextFlowId: this.#nextFlowId,
    };
    const listener =
      transport === 'tcp' || transport === 'tls'
        ? new StreamListener(transport, options)
        : new WebSocketListener(transport, options);
    const boundPort = await listener.start();
    this.#connectionListeners.push(listener);
    return { transport, host: address, port: boundPort };
  }

  readonly #nextFlowId = (transport: TransportName): string => {
    this.#flowCount++;
    return `${idPrefixes[transport]}${this.#runId}.${this.#flowCount.toString(36)}`;
  };

  #udpFlow(id: string): Flow | undefined {
    const udp = decodeUdpFlowId(id);
    const flow =
      udp &&
      this.#udpListeners
        .find((listener) => listener.tag === udp.listenerTag)
        ?.flowTo(udp.remote.address, udp.remote.port);
    if (flow === undefined) return undefined;
    if (this.#udpById.size >= maxUdpIds) this.#udpById.clear();
    this.#udpById.set(flow.id, flow);
    return flow;
  }

  #udpFlowTo(target: ConnectTarget): Flow {
    const { address, port } = target;
    const ipv6 = isIPv6(address);
    const candidates = this.#udpListeners.filter((listener) => isIPv6(listener.local.address) === ipv6);
    // A socket bound to loopback reaches nothing else, and the other way round.
    const loopback = isLoopback(address);
    const reaching = candidates.find(
      ({ local }) => isUnspecified(local.address) || isLoopback(local.address) === loopback,
    );
    if (reaching === undefined || isIP(address) === 0) {
      throw new TransportError(
        'no-listener',
        targetText(target),
        `no UDP listener reaches ${targetText(target)}`,
      );
    }
    return reaching.flowTo(address, port);
  }
}

async function resolveHost(listen: ListenAddress): Promise<string> {
  const { transport, host, port } = listen;
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw bindError(`${transport}://${hostPort(host, port)}`, cause);
  }
}
