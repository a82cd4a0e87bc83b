import type { Socket } from 'node:net';
import { sourceKey } from './ip-address.ts';
import type { TransportLimits } from './limits.ts';
import type { ConnectionEnds } from './proxy-header.ts';

export type RefusalReason = 'max-connections' | 'max-connections-per-source';

/** Whoever uses an admitted socket, and says why it ended. */
export interface Occupant {
  abort(reason: 'displaced'): void;
}

/** The place that one accepted connection takes up. */
export class Ticket {
  readonly socket: Socket;
  readonly acceptedAtMs: number;
  /** The phone's address and the one that it connected to, also where a balancer stands in between. */
  readonly ends: ConnectionEnds;
  readonly source: string;
  readonly #admission: Admission;
  #occupant: Occupant | undefined;
  #onOccupied: (() => void) | undefined;
  #held = true;

  constructor(admission: Admission, socket: Socket, acceptedAtMs: number, ends: ConnectionEnds) {
    this.#admission = admission;
    this.socket = socket;
    this.acceptedAtMs = acceptedAtMs;
    this.ends = ends;
    this.source = sourceKey(ends.remote.address);
  }

  /** False while the TLS or WebSocket handshake goes on. */
  get occupied(): boolean {
    return this.#occupant !== undefined;
  }

  get held(): boolean {
    return this.#held;
  }

  /** The handshakes are done; from here on the occupant keeps the deadlines. */
  occupy(occupant: Occupant): void {
    this.#occupant = occupant;
    this.#onOccupied?.();
    this.#onOccupied = undefined;
  }

  /** For whoever watches over the handshakes. */
  onceOccupied(listener: () => void): void {
    this.#onOccupied = listener;
  }

  /** It has delivered a valid SIP message: not pushed out any more. */
  prove(): void {
    this.#admission.settle(this);
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#admission.leave(this);
  }

  displace(): void {
    this.release();
    if (this.#occupant === undefined) this.socket.destroy();
    else this.#occupant.abort('displaced');
  }
}

/** The connections of one source address. */
interface Source {
  open: number;
  readonly unproven: Set<Ticket>;
}

/**
 * Who may connect. Connections that have shown no valid message yet are pushed out, oldest first, where a limit
 * leaves no room for a new one: half-open ones end each other instead of locking phones out.
 */
export class Admission {
  readonly #limits: TransportLimits;
  readonly #sources = new Map<string, Source>();
  /** In order of arrival, over all sources. */
  readonly #unproven = new Set<Ticket>();
  #open = 0;
  #displaced = 0;

  constructor(limits: TransportLimits) {
    this.#limits = limits;
  }

  get open(): number {
    return this.#open;
  }

  get unproven(): number {
    return this.#unproven.size;
  }

  /** How many addresses have a connection. */
  get sources(): number {
    return this.#sources.size;
  }

  /** How many were pushed out since the start. */
  get displaced(): number {
    return this.#displaced;
  }

  admit(socket: Socket, nowMs: number, ends: ConnectionEnds): Ticket | RefusalReason {
    const key = sourceKey(ends.remote.address);
    const source = this.#sources.get(key) ?? { open: 0, unproven: new Set<Ticket>() };
    if (source.unproven.size >= this.#limits.maxUnprovenPerSource) this.#displaceOldest(source.unproven);
    if (source.open >= this.#limits.maxConnectionsPerSource && !this.#displaceOldest(source.unproven)) {
      return 'max-connections-per-source';
    }
    if (this.#open >= this.#limits.maxConnections && !this.#displaceOldest(this.#unproven)) {
      return 'max-connections';
    }
    const ticket = new Ticket(this, socket, nowMs, ends);
    this.#sources.set(key, source);
    source.open++;
    source.unproven.add(ticket);
    this.#unproven.add(ticket);
    this.#open++;
    return ticket;
  }

  /** Ends the handshakes that take too long; those that became flows watch over themselves. */
  sweep(nowMs: number): void {
    for (const ticket of this.#unproven) {
      if (nowMs - ticket.acceptedAtMs <= this.#limits.firstByteTimeoutMs) break;
      if (!ticket.occupied) ticket.socket.destroy();
    }
  }

  /** Ends every handshake that is under way. */
  destroyUnoccupied(): void {
    for (const ticket of this.#unproven) if (!ticket.occupied) ticket.socket.destroy();
  }

  /** For tickets only. */
  settle(ticket: Ticket): void {
    this.#unproven.delete(ticket);
    this.#sources.get(ticket.source)?.unproven.delete(ticket);
  }

  /** For tickets only. */
  leave(ticket: Ticket): void {
    this.settle(ticket);
    this.#open--;
    const source = this.#sources.get(ticket.source);
    if (source === undefined) return;
    source.open--;
    if (source.open === 0) this.#sources.delete(ticket.source);
  }

  #displaceOldest(tickets: ReadonlySet<Ticket>): boolean {
    for (const ticket of tickets) {
      this.#displaced++;
      ticket.displace();
      return true;
    }
    return false;
  }
}
