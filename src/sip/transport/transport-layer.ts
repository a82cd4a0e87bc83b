import { lookup } from 'node:dns/promises';
import { isIP, isIPv6 } from 'node:net';
import { type Clock, type Logger, type Random, randomId, systemRandom } from '../../base/index.ts';
import type { Connection } from './connection-life.ts';
import { ConnectionTable } from './connection-table.ts';
import type { ConnectTarget, Flow, ListenAddress, TransportName, TransportUser } from './flow.ts';
import { hostPort, isLoopback, isUnspecified } from './ip-address.ts';
import type { TransportLimits } from './limits.ts';
import { openSocket, targetText } from './outbound.ts';
import { Reception } from './reception.ts';
import type { ConnectionListenerOptions } from './server-socket.ts';
import { createTallies, snapshotTallies, type Tallies, type TransportStatistics } from './statistics.ts';
import { StreamConnection } from './stream-connection.ts';
import { StreamListener } from './stream-listener.ts';
import { loadTlsMaterial, peerCertificateOf, type TlsMaterial, type TlsOptions } from './tls-material.ts';
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
}

/** First letter of a flow id; UDP's is in udp-flow-id.ts. */
const idPrefixes: Readonly<Record<TransportName, string>> = {
  udp: 'u',
  tcp: 't',
  tls: 's',
  ws: 'w',
  wss: 'x',
};
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
  /** Outbound connections, open or on their way, by what was dialled. */
  readonly #outbound = new Map<string, Promise<Connection>>();
  readonly #closing = new AbortController();
  #tls: TlsMaterial | undefined;
  #flowCount = 0;

  constructor(options: TransportLayerOptions) {
    const { limits, clock, logger } = options;
    this.#options = options;
    this.#reception = new Reception({ limits: limits.message, logger });
    this.#table = new ConnectionTable({ limits, clock, reception: this.#reception });
    this.#runId = randomId(options.random ?? systemRandom, runIdBits);
  }

  /**
   * Opens every listener, in order; resolves with their addresses, names resolved and ports chosen. Throws
   * TransportError when one cannot be opened, and then none stays open.
   */
  async start(user: TransportUser): Promise<readonly ListenAddress[]> {
    const { listen, tls } = this.#options;
    this.#reception.setUser(user);
    const bound: ListenAddress[] = [];
    try {
      if (tls !== undefined) this.#tls = await loadTlsMaterial(tls);
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
    const accepting = this.#connectionListeners.splice(0).map((listener) => listener.close());
    await this.#table.close();
    await Promise.all(accepting);
    await Promise.all(this.#udpListeners.splice(0).map((listener) => listener.close()));
    this.#reception.setUser(undefined);
  }

  /** The flow of that id while it is open; any UDP flow of a listener of ours, also one of an earlier run. */
  flow(id: string): Flow | undefined {
    const connection = this.#table.get(id);
    if (connection !== undefined) return connection;
    const udp = decodeUdpFlowId(id);
    if (udp === undefined) return undefined;
    return this.#udpListeners
      .find((listener) => listener.tag === udp.listenerTag)
      ?.flowTo(udp.remote.address, udp.remote.port);
  }

  /**
   * A flow to an address: from the UDP listener that can reach it, or over a connection that we opened, kept and used
   * again for the same address (RFC 3261 §18). Rejects with TransportError.
   */
  async connect(target: ConnectTarget): Promise<Flow> {
    if (target.transport === 'udp') return this.#udpFlowTo(target);
    const key = `${targetText(target)}|${target.serverName ?? ''}`;
    const existing = this.#outbound.get(key);
    if (existing !== undefined) {
      const connection = await existing;
      if (connection.open) return connection;
    }
    // Between the await above and here another caller may have dialled already.
    const concurrent = this.#outbound.get(key);
    if (concurrent !== undefined && concurrent !== existing) return await concurrent;
    const forget = (): void => {
      if (this.#outbound.get(key) === dialled) this.#outbound.delete(key);
    };
    const dialled = this.#dial(target, forget);
    this.#outbound.set(key, dialled);
    dialled.catch(forget);
    return await dialled;
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
      });
      await listener.start();
      this.#udpListeners.push(listener);
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

  async #dial(target: ConnectTarget, onClosed: () => void): Promise<Connection> {
    const { limits, clock } = this.#options;
    const transport = target.transport === 'tls' ? 'tls' : 'tcp';
    const tally = this.#tallies[transport];
    const socket = await openSocket(target, { limits, clock, tls: this.#tls, signal: this.#closing.signal });
    tally.connectionsConnected++;
    const connection = new StreamConnection({
      id: this.#nextFlowId(transport),
      transport,
      socket,
      peerCertificate: peerCertificateOf(socket),
      ticket: undefined,
      host: this.#table,
      tally,
    });
    socket.once('close', onClosed);
    connection.start();
    return connection;
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
