import type { TransportName } from './flow.ts';

/** Counters of one transport since the start; `connectionsOpen` alone is a level. */
export interface TransportCounters {
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** CRLF and STUN keepalives that were received. */
  readonly keepalives: number;
  /** Messages that were not handed to the peer: closed, too far behind, too large. */
  readonly sendFailures: number;
  readonly socketErrors: number;
  /** A message that made the layers above throw: a defect of ours. */
  readonly userFailures: number;
  readonly connectionsAccepted: number;
  readonly connectionsConnected: number;
  readonly connectionsOpen: number;
  /** By the code of `SipParseError`. */
  readonly parseErrors: Readonly<Record<string, number>>;
  /** Connections that were turned away before SIP, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** Connections that ended, by reason. */
  readonly closed: Readonly<Record<string, number>>;
}

export interface TransportStatistics {
  readonly transports: Readonly<Record<TransportName, TransportCounters>>;
  readonly connections: number;
  /** Of these, how many have not yet delivered a valid message. */
  readonly unprovenConnections: number;
  /** Unproven connections that were pushed out by newer ones, since the start. */
  readonly displacedConnections: number;
  /** Addresses (IPv6: /64) that have a connection. */
  readonly sources: number;
  readonly udpFlows: number;
}

/** The live counters of one transport; hot paths add to its fields. */
export class Tally {
  messagesIn = 0;
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  keepalives = 0;
  sendFailures = 0;
  socketErrors = 0;
  userFailures = 0;
  connectionsAccepted = 0;
  connectionsConnected = 0;
  connectionsOpen = 0;
  readonly parseErrors: Map<string, number> = new Map();
  readonly refused: Map<string, number> = new Map();
  readonly closed: Map<string, number> = new Map();

  snapshot(): TransportCounters {
    return {
      messagesIn: this.messagesIn,
      messagesOut: this.messagesOut,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      keepalives: this.keepalives,
      sendFailures: this.sendFailures,
      socketErrors: this.socketErrors,
      userFailures: this.userFailures,
      connectionsAccepted: this.connectionsAccepted,
      connectionsConnected: this.connectionsConnected,
      connectionsOpen: this.connectionsOpen,
      parseErrors: Object.fromEntries(this.parseErrors),
      refused: Object.fromEntries(this.refused),
      closed: Object.fromEntries(this.closed),
    };
  }
}

export type Tallies = Readonly<Record<TransportName, Tally>>;

export function createTallies(): Tallies {
  return { udp: new Tally(), tcp: new Tally(), tls: new Tally(), ws: new Tally(), wss: new Tally() };
}

/** Reasons come from closed unions of ours, so the maps stay small. */
export function countReason(counts: Map<string, number>, reason: string): void {
  counts.set(reason, (counts.get(reason) ?? 0) + 1);
}

export function snapshotTallies(tallies: Tallies): Readonly<Record<TransportName, TransportCounters>> {
  return {
    udp: tallies.udp.snapshot(),
    tcp: tallies.tcp.snapshot(),
    tls: tallies.tls.snapshot(),
    ws: tallies.ws.snapshot(),
    wss: tallies.wss.snapshot(),
  };
}
