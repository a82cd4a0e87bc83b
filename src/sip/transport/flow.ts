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
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly peerCertificate: PeerCertificate | undefined;
  readonly open: boolean;
  /** False when the flow is closed, too far behind, or the message is too large for a datagram. */
  send(message: SipMessage | Uint8Array): boolean;
  /** Closes a connection after what was sent has gone out; a UDP flow is merely forgotten. */
  close(reason: string): void;
}

/** Who receives what arrives: the transaction layer. Its callbacks run inside the transport's error boundary. */
export interface TransportUser {
  onRequest(request: SipRequest, flow: Flow): void;
  onResponse(response: SipResponse, flow: Flow): void;
  /** A connection that is ready for SIP; UDP flows are not announced. */
  onFlowOpen?(flow: Flow): void;
  /** Once for each connection that was ready for SIP; `flow.open` is already false. */
  onFlowClosed(flow: Flow, reason: string): void;
}
