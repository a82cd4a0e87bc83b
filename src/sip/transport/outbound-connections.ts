import type { Clock } from '../../base/index.ts';
import type { CertificateStore } from './certificate-store.ts';
import type { Connection } from './connection-life.ts';
import type { ConnectionTable } from './connection-table.ts';
import type { ConnectTarget, TransportName } from './flow.ts';
import type { TransportLimits } from './limits.ts';
import { openSocket, targetText } from './outbound.ts';
import { peerCertificateOf } from './peer-certificate.ts';
import type { Tallies } from './statistics.ts';
import { StreamConnection } from './stream-connection.ts';

export interface OutboundConnectionsOptions {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly table: ConnectionTable;
  readonly tallies: Tallies;
  readonly nextFlowId: (transport: TransportName) => string;
  readonly signal: AbortSignal;
}

/** Connections that we open: one for each target, kept and used again while it is open (RFC 3261 §18). */
export class OutboundConnections {
  readonly #options: OutboundConnectionsOptions;
  /** Open or on their way, by what was dialled. */
  readonly #byTarget = new Map<string, Promise<Connection>>();

  constructor(options: OutboundConnectionsOptions) {
    this.#options = options;
  }

  /** Rejects with TransportError. */
  async connect(target: ConnectTarget, tls: CertificateStore | undefined): Promise<Connection> {
    const key = `${targetText(target)}|${target.serverName ?? ''}`;
    const existing = this.#byTarget.get(key);
    if (existing !== undefined) {
      const connection = await existing;
      if (connection.open) return connection;
    }
    // Between the await above and here another caller may have dialled already.
    const concurrent = this.#byTarget.get(key);
    if (concurrent !== undefined && concurrent !== existing) return await concurrent;
    const forget = (): void => {
      if (this.#byTarget.get(key) === dialled) this.#byTarget.delete(key);
    };
    const dialled = this.#dial(target, tls, forget);
    this.#byTarget.set(key, dialled);
    dialled.catch(forget);
    return await dialled;
  }

  async #dial(
    target: ConnectTarget,
    tls: CertificateStore | undefined,
    onClosed: () => void,
  ): Promise<Connection> {
    const { limits, clock, signal, tallies, table, nextFlowId } = this.#options;
    const transport = target.transport === 'tls' ? 'tls' : 'tcp';
    const tally = tallies[transport];
    const socket = await openSocket(target, { limits, clock, tls, signal });
    tally.connectionsConnected++;
    const connection = new StreamConnection({
      id: nextFlowId(transport),
      transport,
      socket,
      peerCertificate: peerCertificateOf(socket),
      ticket: undefined,
      host: table,
      tally,
    });
    socket.once('close', onClosed);
    connection.start();
    return connection;
  }
}
