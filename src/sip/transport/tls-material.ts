import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import {
  createSecureContext,
  type DetailedPeerCertificate,
  type SecureContextOptions,
  TLSSocket,
} from 'node:tls';
import type { PeerCertificate } from './flow.ts';
import { TransportError } from './transport-error.ts';

export interface TlsOptions {
  /** PEM text, or the path of a PEM file; the certificate chain with the server's own first. */
  readonly cert: string;
  /** PEM text, or the path of a PEM file. */
  readonly key: string;
  /** Authorities (PEM text or path) that vouch for peers; the system's when absent. */
  readonly ca?: string;
  /** Asks clients for a certificate; one without is still served, `Flow.peerCertificate` tells who showed what. */
  readonly requestClientCertificate?: boolean;
}

/** What Node needs for both directions. */
export type TlsMaterial = SecureContextOptions & {
  readonly requestCert: boolean;
  readonly rejectUnauthorized: false;
};

const pemStart = '-----BEGIN ';

/** Reads and tries key and certificate, so that a wrong file fails at the start and not at the first handshake. */
export async function loadTlsMaterial(options: TlsOptions): Promise<TlsMaterial> {
  try {
    const material: SecureContextOptions = {
      cert: await pem(options.cert),
      key: await pem(options.key),
      ...(options.ca === undefined ? {} : { ca: await pem(options.ca) }),
      minVersion: 'TLSv1.2',
    };
    createSecureContext(material);
    return {
      ...material,
      requestCert: options.requestClientCertificate === true,
      // An unverified client certificate is told from a verified one by `authorized`, not by a failed handshake.
      rejectUnauthorized: false,
    };
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new TransportError(
      'tls-material',
      'tls',
      `TLS certificate or key cannot be used: ${detail}`,
      cause,
    );
  }
}

async function pem(textOrPath: string): Promise<string> {
  return textOrPath.trimStart().startsWith(pemStart) ? textOrPath : await readFile(textOrPath, 'utf8');
}

/** The certificate that a peer showed in its handshake, if any. */
export function peerCertificateOf(socket: Socket): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const certificate: Partial<DetailedPeerCertificate> | null = socket.getPeerCertificate(true);
  if (certificate?.fingerprint256 === undefined) return undefined;
  const commonName = certificate.subject?.CN;
  return {
    authorized: socket.authorized,
    fingerprint256: certificate.fingerprint256,
    commonName: Array.isArray(commonName) ? commonName[0] : commonName,
    subjectAltName: certificate.subjectaltname,
  };
}
