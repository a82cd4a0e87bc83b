import type { Socket } from 'node:net';
import type { Clock } from '../../base/index.ts';
import { type Admission, Ticket } from './admission.ts';
import type { TransportLimits } from './limits.ts';
import type { ConnectionEnds } from './proxy-header.ts';
import { countReason, type Tally } from './statistics.ts';

export interface AcceptorOptions {
  readonly admission: Admission;
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly tally: Tally;
}

/** Admits the raw connections of one listener and finds their tickets again once the handshakes are over. */
export class Acceptor {
  readonly #options: AcceptorOptions;
  /** By both ends: TLS and HTTP hand out other socket objects than the ones that were accepted. */
  readonly #tickets = new Map<string, Ticket>();

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  /** To be called with every raw connection, before any byte of the phone's is read; `ends` as a balancer has told them. */
  accept(socket: Socket, ends: ConnectionEnds = endsOf(socket)): Ticket | undefined {
    const { admission, clock, limits, tally } = this.#options;
    // Without a peer address the connection was gone before it got here.
    if (socket.remoteAddress === undefined) {
      socket.destroy();
      return undefined;
    }
    const ticket = admission.admit(socket, clock.monotonicMs(), ends);
    if (!(ticket instanceof Ticket)) {
      countReason(tally.refused, ticket);
      socket.destroy();
      return undefined;
    }
    tally.connectionsAccepted++;
    const key = connectionKey(socket);
    this.#tickets.set(key, ticket);
    socket.setNoDelay(true);
    socket.setKeepAlive(
      true,
      limits.tcpKeepAliveDelayMs,
      limits.tcpKeepAliveIntervalMs,
      limits.tcpKeepAliveCount,
    );
    // Whoever takes the socket over has a listener too; this one is for the time until then.
    socket.on('error', ignore);
    socket.once('close', () => {
      if (this.#tickets.get(key) === ticket) this.#tickets.delete(key);
      ticket.release();
      if (!ticket.occupied) countReason(tally.refused, 'handshake');
    });
    return ticket;
  }

  /** The ticket of the connection that this socket, TLS or plain, belongs to; undefined when it has lost its place. */
  ticketOf(socket: Socket): Ticket | undefined {
    const ticket = this.#tickets.get(connectionKey(socket));
    return ticket?.held === true ? ticket : undefined;
  }

  refuse(reason: string): void {
    countReason(this.#options.tally.refused, reason);
  }
}

/** As the socket itself says. */
export function endsOf(socket: Socket): ConnectionEnds {
  return {
    local: { address: socket.localAddress ?? '', port: socket.localPort ?? 0 },
    remote: { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
  };
}

function connectionKey(socket: Socket): string {
  return `${socket.localAddress}|${socket.remoteAddress}|${socket.remotePort}`;
}

function ignore(): void {}
