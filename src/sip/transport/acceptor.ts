import type { Socket } from 'node:net';
import type { Clock } from '../../base/index.ts';
import { type Admission, Ticket } from './admission.ts';
import type { Endpoint } from './flow.ts';
import { isUnspecified } from './ip-address.ts';
import type { TransportLimits } from './limits.ts';
import type { ConnectionEnds } from './proxy-header.ts';
import { countReason, type Tally } from './statistics.ts';

export interface AcceptorOptions {
  readonly admission: Admission;
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly tally: Tally;
  /** Where the listener is bound: an address that all its connections have, unless it stands for all of the machine's. */
  readonly address: string;
}

/** Admits the raw connections of one listener and finds their tickets again once the handshakes are over. */
export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #isBound: boolean;
  #local: Endpoint | undefined;
  /** Of the connections in a handshake, by both ends. */
  readonly #tickets = new Map<string, Ticket>();

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#isBound = !isUnspecified(options.address);
  }

  /**
   * To be called with every raw connection, before any byte of the phone's is read; `ends` as a balancer has told them.
   * Whoever takes the socket over at once needs no more; else its ticket waits for the handshakes (`await`).
   */
  accept(socket: Socket, ends: ConnectionEnds = this.#endsOf(socket)): Ticket | undefined {
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
    socket.setNoDelay(true);
    socket.setKeepAlive(
      true,
      limits.tcpKeepAliveDelayMs,
      limits.tcpKeepAliveIntervalMs,
      limits.tcpKeepAliveCount,
    );
    return ticket;
  }

  /** Keeps the ticket of a connection whose handshakes begin now. */
  await(ticket: Ticket): void {
    const { socket } = ticket;
    const key = this.#keyOf(socket);
    const onClose = (): void => {
      forget();
      ticket.release();
      countReason(this.#options.tally.refused, 'handshake');
    };
    const forget = (): void => {
      socket.off('close', onClose);
      if (this.#tickets.get(key) === ticket) this.#tickets.delete(key);
    };
    this.#tickets.set(key, ticket);
    socket.on('error', ignore);
    socket.on('close', onClose);
    ticket.onceOccupied(forget);
  }

  /** The ticket of the connection that this socket, TLS or plain, belongs to; undefined when it has lost its place. */
  ticketOf(socket: Socket): Ticket | undefined {
    const ticket = this.#tickets.get(this.#keyOf(socket));
    return ticket?.held === true ? ticket : undefined;
  }

  refuse(reason: string): void {
    countReason(this.#options.tally.refused, reason);
  }

  /** TLS and HTTP hand out other socket objects than the ones that were accepted. */
  #keyOf(socket: Socket): string {
    const local = this.#isBound ? '' : socket.localAddress;
    return `${local}|${socket.remoteAddress}|${socket.remotePort}`;
  }

  /** A socket that is asked for its own end keeps the answer; one object does for all. */
  #endsOf(socket: Socket): ConnectionEnds {
    const remote = remoteOf(socket);
    if (!this.#isBound) return { local: localOf(socket), remote };
    this.#local ??= localOf(socket);
    return { local: this.#local, remote };
  }
}

/** As the socket itself says. */
export function endsOf(socket: Socket): ConnectionEnds {
  return { local: localOf(socket), remote: remoteOf(socket) };
}

function localOf(socket: Socket): Endpoint {
  return { address: socket.localAddress ?? '', port: socket.localPort ?? 0 };
}

function remoteOf(socket: Socket): Endpoint {
  return { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
}

function ignore(): void {}
