import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { TransportError } from './transport-error.ts';

export interface CertificateSource {
  /** PEM text, or the path of a PEM file; the certificate chain with the server's own first. */
  readonly cert: string;
  /** PEM text, or the path of a PEM file. */
  readonly key: string;
  /** Names that clients ask for (`*.example.org` covers one label); those in the certificate when absent. */
  readonly hosts?: readonly string[] | undefined;
}

export interface TlsOptions extends CertificateSource {
  /** More certificates, chosen by the name that a client asks for (SNI); the one above serves all other clients. */
  readonly certificates?: readonly CertificateSource[];
  /** Authorities (PEM text or path) that vouch for peers and clients; the system's when absent. */
  readonly ca?: string | undefined;
  /** Asks clients for a certificate; one without is still served, `Flow.peerCertificate` tells who showed what. */
  readonly requestClientCertificate?: boolean;
  /** How often the files are looked at, to load them again when they have changed; 0: never. */
  readonly watchIntervalMs?: number;
}

/** What was read at one time; a reload makes another one. */
export interface TlsMaterial {
  /** The first certificate, with what both directions need. */
  readonly base: SecureContextOptions;
  /** The context of the certificate for that name; undefined: the first one. */
  contextFor(serverName: string): SecureContext | undefined;
}

const pemStart = '-----BEGIN ';

/** Reads and tries all keys and certificates, so that a wrong file fails here and not at the first handshake. */
export async function loadTlsMaterial(options: TlsOptions): Promise<TlsMaterial> {
  try {
    const ca = options.ca === undefined ? {} : { ca: await authorities(options.ca) };
    const byHost = new Map<string, SecureContext | undefined>();
    const base = await contextOptions(options, ca);
    tryPair(options, base);
    for (const host of hostsOf(options, base)) byHost.set(host, undefined);
    for (const source of options.certificates ?? []) {
      const material = await contextOptions(source, ca);
      const context = tryPair(source, material);
      // A name that two certificates carry belongs to the one that stands first.
      for (const host of hostsOf(source, material)) if (!byHost.has(host)) byHost.set(host, context);
    }
    return { base, contextFor: (serverName) => contextOf(byHost, serverName.toLowerCase()) };
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new TransportError(
      'tls-material',
      'tls',
      `TLS certificate, key or authority cannot be used: ${detail}`,
      cause,
    );
  }
}

/** The files that these options name, PEM texts left out. */
export function filesOf(options: TlsOptions): readonly string[] {
  const sources = [options, ...(options.certificates ?? [])];
  const named = sources.flatMap(({ cert, key }) => [cert, key]);
  return [...named, ...(options.ca === undefined ? [] : [options.ca])].filter((text) => !isPem(text));
}

async function contextOptions(
  source: CertificateSource,
  ca: { readonly ca?: string },
): Promise<SecureContextOptions & { readonly cert: string }> {
  // RFC 8446 and RFC 5246; TLS 1.0 and 1.1 are deprecated by RFC 8996.
  return { cert: await pem(source.cert), key: await pem(source.key), ...ca, minVersion: 'TLSv1.2' };
}

function tryPair(source: CertificateSource, material: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(material);
  } catch (cause) {
    throw new Error(`${placeOf(source.cert)} with ${placeOf(source.key)}: ${reasonOf(cause)}`, { cause });
  }
}

/** OpenSSL passes over what is no certificate, and would then trust nobody. */
async function authorities(textOrPath: string): Promise<string> {
  const text = await pem(textOrPath);
  try {
    new X509Certificate(text);
  } catch (cause) {
    throw new Error(`no certificate in ${placeOf(textOrPath)}: ${reasonOf(cause)}`, { cause });
  }
  return text;
}

function placeOf(textOrPath: string): string {
  return isPem(textOrPath) ? 'the given PEM text' : textOrPath;
}

/** OpenSSL writes `error:05800074:x509 certificate routines::key values mismatch`. */
function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const reasonAt = message.lastIndexOf('::');
  return reasonAt < 0 ? message : message.slice(reasonAt + 2);
}

function hostsOf(source: CertificateSource, material: { readonly cert: string }): readonly string[] {
  const hosts = source.hosts ?? dnsNamesOf(material.cert);
  return hosts.map((host) => host.toLowerCase());
}

/** A DNS name is never quoted in this text: it holds no character that would need it. */
function dnsNamesOf(cert: string): readonly string[] {
  const names = new X509Certificate(cert).subjectAltName?.split(', ') ?? [];
  return names.filter((name) => name.startsWith('DNS:')).map((name) => name.slice('DNS:'.length));
}

/** RFC 6125 §6.4.3: a name itself before the wildcard for its first label. */
function contextOf(
  byHost: ReadonlyMap<string, SecureContext | undefined>,
  serverName: string,
): SecureContext | undefined {
  if (byHost.has(serverName)) return byHost.get(serverName);
  const dotAt = serverName.indexOf('.');
  return dotAt < 0 ? undefined : byHost.get(`*${serverName.slice(dotAt)}`);
}

async function pem(textOrPath: string): Promise<string> {
  return isPem(textOrPath) ? textOrPath : await readFile(textOrPath, 'utf8');
}

function isPem(textOrPath: string): boolean {
  return textOrPath.trimStart().startsWith(pemStart);
}
