import { defaultMessageLimits, type MessageLimits } from '../message/index.ts';

/**
 * How many bytes a datagram from a source that has proved nothing may earn for each of its own: its sender may be
 * forged, and whoever it names must get hardly more from this gateway than the forger has spent.
 */
export const earnedPerByte = 1.5;

/** Every bound of the transports. All times in milliseconds; deadlines are looked at once per `sweepIntervalMs`. */
export interface TransportLimits {
  /** Size and shape of a single message; a WebSocket message above `maxMessageBytes` closes with 1009. */
  readonly message: MessageLimits;

  /**
   * Newcomers that the kernel lets wait at each of the four sockets of a listening address; it grants no more than
   * `net.core.somaxconn`. More are turned away for a second or longer, by their own systems unseen.
   */
  readonly acceptBacklog: number;
  /** Connections at one time over all listeners, those still in a handshake included. */
  readonly maxConnections: number;
  /** Connections at one time from one address (IPv6: one /64). Many phones share an address behind a carrier's NAT. */
  readonly maxConnectionsPerSource: number;
  /**
   * Of these, how many may not yet have delivered one valid SIP message. One more closes the oldest of them, so a
   * flood of silent connections pushes out itself and leaves room for a phone behind the same address.
   */
  readonly maxUnprovenPerSource: number;
  /**
   * From accepting a connection to the end of its handshakes (TLS, WebSocket); over TCP and TLS to the first byte of
   * its first message, keepalives not counted.
   */
  readonly firstByteTimeoutMs: number;
  /** From the first byte of a message to its last: a sender of one byte a second ends here. */
  readonly messageTimeoutMs: number;
  /**
   * Without a byte from the peer, TCP and TLS. Longer than a usual registration (3,600 s): a phone that sends no
   * keepalive stays reachable until it refreshes, and one that vanished is found by the TCP keepalive.
   */
  readonly idleTimeoutMs: number;
  /** From our closing a connection to the destruction of its socket, should the peer not close. */
  readonly closeTimeoutMs: number;
  /** For an outbound connection, TLS handshake included. */
  readonly connectTimeoutMs: number;
  /** Bytes waiting to be written to one peer; above it the connection is closed. */
  readonly maxSendBufferBytes: number;

  /** Bytes waiting for a peer that takes none of them: after so long the connection is cut. */
  readonly sendStallTimeoutMs: number;
  /** Length of a PROXY header with its attributes. */
  readonly maxProxyHeaderBytes: number;

  /**
   * What a phone that offers keepalives (RFC 6223) is asked for, in seconds: over UDP below the 30 s after which NATs
   * forget a mapping. A phone that agreed is taken for dead after twice that silence.
   */
  readonly udpKeepSeconds: number;
  readonly streamKeepSeconds: number;

  /** A WebSocket that was silent for so long is pinged. A dead one is found after this plus `pongTimeoutMs`. */
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  /** Size of an HTTP upgrade request's headers. */
  readonly maxUpgradeHeaderBytes: number;

  /**
   * TCP and TLS: silence before the first keepalive probe, time between probes, unanswered probes before the
   * connection ends. A dead idle peer is found after delay + interval * count.
   */
  readonly tcpKeepAliveDelayMs: number;
  readonly tcpKeepAliveIntervalMs: number;
  readonly tcpKeepAliveCount: number;

  /** UDP flows remembered per listener; a forgotten one is rebuilt from its id or its next datagram. */
  readonly maxUdpFlows: number;
  /** Asked of the kernel for each UDP socket; it grants no more than `net.core.rmem_max`. */
  readonly udpReceiveBufferBytes: number;
  readonly udpSendBufferBytes: number;

  /** How often deadlines are looked at: one timer for all connections. */
  readonly sweepIntervalMs: number;
}

export const defaultTransportLimits: TransportLimits = {
  message: defaultMessageLimits,
  acceptBacklog: 65_535,
  maxConnections: 50_000,
  maxConnectionsPerSource: 5_000,
  maxUnprovenPerSource: 1_024,
  firstByteTimeoutMs: 8_000,
  messageTimeoutMs: 8_000,
  idleTimeoutMs: 3_900_000,
  closeTimeoutMs: 2_000,
  connectTimeoutMs: 5_000,
  maxSendBufferBytes: 1_048_576,
  sendStallTimeoutMs: 15_000,
  maxProxyHeaderBytes: 1_024,
  udpKeepSeconds: 25,
  streamKeepSeconds: 95,
  pingIntervalMs: 20_000,
  pongTimeoutMs: 10_000,
  maxUpgradeHeaderBytes: 8_192,
  tcpKeepAliveDelayMs: 30_000,
  tcpKeepAliveIntervalMs: 5_000,
  tcpKeepAliveCount: 3,
  maxUdpFlows: 100_000,
  udpReceiveBufferBytes: 4_194_304,
  udpSendBufferBytes: 1_048_576,
  sweepIntervalMs: 1_000,
};
