import type { Clock, Work } from '../../base/index.ts';
import type { Ticket } from './admission.ts';
import type { Flow } from './flow.ts';
import type { TransportLimits } from './limits.ts';
import type { Reception } from './reception.ts';
import { countReason, type Tally } from './statistics.ts';

/** Why the transport itself ends a connection; users of a flow may give reasons of their own. */
export type CloseReason =
  | 'peer-closed'
  | 'socket-error'
  | 'peer-unreachable'
  | 'malformed'
  | 'first-byte-timeout'
  | 'message-timeout'
  | 'idle'
  | 'pong-timeout'
  | 'keepalive-missed'
  | 'no-answer'
  | 'send-stalled'
  | 'send-buffer-full'
  | 'displaced'
  | 'shutdown';

/** A flow with a socket of its own, as the layer sees it. */
export interface Connection extends Flow {
  /** Looks at all deadlines of this connection. */
  sweep(nowMs: number): void;
  /** Ends the connection without waiting for what is still to be written. */
  abort(reason: CloseReason): void;
}

/** The table of connections, owned by the layer. */
export interface ConnectionHost {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly reception: Reception;
  /** The connection can be found by its id and is swept. */
  opened(connection: Connection): void;
  /** It can't be found any more, but is swept until its socket is gone. */
  closing(connection: Connection): void;
  gone(connection: Connection): void;
  /** Does what is to be done about a connection that has ended, soon: thousands may end in one moment. */
  whenEnded(work: Work): void;
}

/** The states that every connection goes through, once each: open, closing (farewells under way), closed. */
export class ConnectionLife {
  readonly #connection: Connection;
  readonly #host: ConnectionHost;
  readonly #tally: Tally;
  readonly #ticket: Ticket | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #closingAtMs = 0;
  #proven = false;

  constructor(connection: Connection, host: ConnectionHost, tally: Tally, ticket: Ticket | undefined) {
    this.#connection = connection;
    this.#host = host;
    this.#tally = tally;
    this.#ticket = ticket;
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  /** A valid message has come. */
  get proven(): boolean {
    return this.#proven;
  }

  begin(): void {
    this.#ticket?.occupy(this.#connection);
    this.#tally.connectionsOpen++;
    this.#host.opened(this.#connection);
    this.#host.reception.flowOpened(this.#connection, this.#tally);
  }

  /** From now on newcomers don't push this connection out. */
  prove(): void {
    if (this.#proven) return;
    this.#proven = true;
    this.#ticket?.prove();
  }

  /** Leaves the open state and has the user told; false when that has happened before. */
  end(reason: string): boolean {
    if (this.#state !== 'open') return false;
    this.#state = 'closing';
    this.#closingAtMs = this.#host.clock.monotonicMs();
    this.#tally.connectionsOpen--;
    countReason(this.#tally.closed, reason);
    this.#host.closing(this.#connection);
    this.#host.whenEnded(() => this.#host.reception.flowClosed(this.#connection, reason, this.#tally));
    return true;
  }

  /** The peer has ended it. What closes the socket waits for its turn, and only then is the peer given its time. */
  endByPeer(closeSocket: () => void): void {
    if (this.end('peer-closed')) this.#closingAtMs = Number.POSITIVE_INFINITY;
    this.#host.whenEnded(() => {
      this.#closingAtMs = Math.min(this.#closingAtMs, this.#host.clock.monotonicMs());
      closeSocket();
    });
  }

  /** The socket is gone. */
  finish(reason: CloseReason): void {
    if (this.#state === 'closed') return;
    this.end(reason);
    this.#state = 'closed';
    this.#ticket?.release();
    this.#host.gone(this.#connection);
  }

  /** Whether a peer that doesn't close its side has had its time. */
  overdue(nowMs: number): boolean {
    return this.#state === 'closing' && nowMs - this.#closingAtMs >= this.#host.limits.closeTimeoutMs;
  }
}
