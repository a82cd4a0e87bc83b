import type { SipMessage, SipRequest, SipResponse } from '../message/index.ts';

/** In lower case; `Via` writes them in upper case (RFC 3261 §20.42, RFC 7118 §5.2). */
export type TransportName = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

export const transportNames: readonly TransportName[] = ['udp', 'tcp', 'tls', 'ws', 'wss'];

export interface Endpoint {
  /** An IP address as text without brackets; a link-local IPv6 address keeps its `%zone`. */
  readonly address: string;
  readonly port: number;
}

export interface ListenAddress {
  readonly transport: TransportName;
  /** An IP address or a name that resolves to one of this machine's addresses. */
  readonly host: string;
  /** 0 lets the system choose; `start()` returns the port that it chose. */
  readonly port: number;
}

export interface ConnectTarget extends Endpoint {
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** The name that a TLS peer's certificate must carry; its IP address when absent. */
  readonly serverName?: string;
}

/** What a TLS peer showed of itself. */
export interface PeerCertificate {
  /** True when a configured authority vouches for it; an unverified certificate only names a key. */
  readonly authorized: boolean;
  /** SHA-256 of the DER encoding, upper-case hexadecimal separated by colons. */
  readonly fingerprint256: string;
  readonly commonName: string | undefined;
  readonly subjectAltName: string | undefined;
  /** The URIs, DNS names and IP addresses in it, decoded. */
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

/**
 * One connection, or one pair of UDP address and port (RFC 5626 §2). Everything that answers a peer goes out on
 * its flow. Compare flows by `id`: a UDP flow that was forgotten comes back as another object.
 */
export interface Flow {
  /**
   * Of `[A-Za-z0-9._-]`. UDP: derived from listener and remote address, hence the same after a restart.
   * Connections: never used again, over restarts neither.
   */
  readonly id: string;
  readonly transport: TransportName;
  /** False for UDP alone: the transaction layer then retransmits (RFC 3261 §17). */
  readonly reliable: boolean;
  readonly secure: boolean;
  /** True for a connection that we opened: its local port is none that the peer could connect to. */
  readonly dialled?: boolean;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly peerCertificate: PeerCertificate | undefined;
  readonly open: boolean;
  /** False when the flow is closed, too far behind, or the message is too large for a datagram. */
  send(message: SipMessage | Uint8Array): boolean;
  /**
   * Only where responses may take another way than the connection of their request (RFC 3261 §18.2.2): finds it, so that
   * the end of this connection need not be the end of what came on it. False when there is none.
   */
  restore?(): Promise<boolean>;
  /** Closes a connection after what was sent has gone out; a UDP flow is merely forgotten. */
  close(reason: string): void;
  /**
   * The peer has agreed to send keepalives at least so often (RFC 6223); after twice that silence the flow is closed.
   * 0: no longer. To be called for a peer that has proved who it is: over UDP a forged source must not get here.
   */
  expectKeepalives?(seconds: number): void;
  /**
   * A request on this flow was not answered in time (Timer B or F). A connection on which nothing at all has come for
   * so long is dead, whatever TCP still tries, and is closed.
   */
  reportUnanswered?(waitedMs: number): void;
}

/** Who receives what arrives: the transaction layer. Its callbacks run inside the transport's error boundary. */
export interface TransportUser {
  onRequest(request: SipRequest, flow: Flow): void;
  onResponse(response: SipResponse, flow: Flow): void;
  /** A connection that is ready for SIP; UDP flows are not announced. */
  onFlowOpen?(flow: Flow): void;
  /**
   * Once for each connection that was ready for SIP; `flow.open` is already false. Also for a UDP flow whose agreed
   * keepalives stayed away.
   */
  onFlowClosed(flow: Flow, reason: string): void;
}
