import type { Socket } from 'node:net';
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { PeerCertificate } from './flow.ts';

/** The certificate that a peer showed in its handshake, if any. */
export function peerCertificateOf(socket: Socket): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const certificate: Partial<DetailedPeerCertificate> | null = socket.getPeerCertificate(true);
  if (certificate?.fingerprint256 === undefined) return undefined;
  const commonName = certificate.subject?.CN;
  const names = parseSubjectAltName(certificate.subjectaltname ?? '');
  const namesOf = (kind: string): readonly string[] =>
    names.filter(([name]) => name === kind).map(([, value]) => value);
  return {
    authorized: socket.authorized,
    fingerprint256: certificate.fingerprint256,
    commonName: Array.isArray(commonName) ? commonName[0] : commonName,
    subjectAltName: certificate.subjectaltname,
    uris: namesOf('URI'),
    dnsNames: namesOf('DNS'),
    addresses: namesOf('IP Address'),
  };
}

/**
 * Whether a certificate that an authority vouches for names this host (RFC 5922 §7.1, §7.2): a SIP URI without user, a
 * DNS name or an address; wildcards don't count between SIP servers.
 */
export function vouchesFor(certificate: PeerCertificate | undefined, host: string): boolean {
  if (certificate?.authorized !== true) return false;
  const wanted = host.toLowerCase();
  const { uris, dnsNames, addresses } = certificate;
  return (
    uris.some((uri) => uri.toLowerCase() === `sip:${wanted}`) ||
    dnsNames.some((name) => name.toLowerCase() === wanted) ||
    addresses.some((address) => address.toLowerCase() === wanted)
  );
}

/**
 * Node's text of the names, `URI:sip:a@b, DNS:c`. A value that could be mistaken for more than one entry is written as
 * a JSON string, so that no certificate can smuggle a name in.
 */
export function parseSubjectAltName(text: string): readonly (readonly [kind: string, value: string])[] {
  const names: (readonly [string, string])[] = [];
  let at = 0;
  while (at < text.length) {
    const colonAt = text.indexOf(':', at);
    if (colonAt < 0) break;
    const kind = text.slice(at, colonAt);
    const valueAt = colonAt + 1;
    const quoted = text[valueAt] === '"';
    const end = quoted ? quotedEnd(text, valueAt) : unquotedEnd(text, valueAt);
    const value = quoted ? unquote(text.slice(valueAt, end)) : text.slice(valueAt, end);
    if (value !== undefined) names.push([kind, value]);
    at = end + ', '.length;
  }
  return names;
}

function unquotedEnd(text: string, from: number): number {
  const end = text.indexOf(', ', from);
  return end < 0 ? text.length : end;
}

function quotedEnd(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}

function unquote(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
