import { isIP } from 'node:net';

export type TransportName = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

export const transportNames: readonly TransportName[] = ['udp', 'tcp', 'tls', 'ws', 'wss'];

/** Where to listen, or whom to reach. An IPv6 host is written without brackets; port 0 means any free port. */
export interface ListenAddress {
  readonly transport: TransportName;
  readonly host: string;
  readonly port: number;
}

/** Where a peer is found; DNS fills in what is left open (RFC 3263). */
export interface PeerTarget {
  /** Undefined: as the peer's NAPTR and SRV records say. */
  readonly transport: 'udp' | 'tcp' | 'tls' | undefined;
  /** Only TLS will do. */
  readonly secure: boolean;
  /** A name or an IP address; IPv6 without brackets. */
  readonly host: string;
  /** Undefined: as its SRV records say, else the transport's own. */
  readonly port: number | undefined;
}

export interface WebAddress {
  readonly host: string;
  readonly port: number;
}

/** RFC 3261 §19.1.2 for SIP, RFC 7118 §8 (the web's own ports) for WebSocket. */
const defaultPorts: Readonly<Record<TransportName, number>> = {
  udp: 5060,
  tcp: 5060,
  tls: 5061,
  ws: 80,
  wss: 443,
};

/** The address in `scheme://host[:port]`, or a sentence that says what is wrong with it. */
export function parseListenAddress(text: string): ListenAddress | string {
  const [scheme, rest] = splitScheme(text);
  const transport = transportNames.find((name) => name === scheme);
  if (!transport)
    return `write it as udp://, tcp://, tls://, ws:// or wss:// and a host, like udp://127.0.0.1:5060`;
  const authority = parseAuthority(rest, defaultPorts[transport]);
  return typeof authority === 'string' ? authority : { transport, ...authority };
}

const peerSchemes: Readonly<Record<string, Pick<PeerTarget, 'transport' | 'secure'>>> = {
  udp: { transport: 'udp', secure: false },
  tcp: { transport: 'tcp', secure: false },
  tls: { transport: 'tls', secure: true },
  sip: { transport: undefined, secure: false },
  sips: { transport: undefined, secure: true },
};

/** The target in `scheme://host[:port]`, or a sentence that says what is wrong with it. */
export function parsePeerTarget(text: string): PeerTarget | string {
  const [scheme, rest] = splitScheme(text);
  const known = peerSchemes[scheme];
  if (known === undefined)
    return 'write it as udp://, tcp:// or tls:// (or sip://, sips:// to let DNS choose) and a host, like udp://10.0.0.5';
  // No transport has port 0, so it stands for a port that is not written.
  const authority = parseAuthority(rest, 0);
  if (typeof authority === 'string') return authority;
  const { host, port } = authority;
  if (port === 0 && rest.endsWith(':0')) return 'a target needs a real port';
  return { ...known, host, port: port === 0 ? undefined : port };
}

/** The address in `http://host[:port]`, or a sentence that says what is wrong with it. */
export function parseWebAddress(text: string): WebAddress | string {
  const [scheme, rest] = splitScheme(text);
  if (scheme !== 'http') return 'write it as http://host:port, like http://127.0.0.1:8060, or "off"';
  return parseAuthority(rest.endsWith('/') ? rest.slice(0, -1) : rest, 80);
}

/** `udp://127.0.0.1:5060`, with brackets around an IPv6 host. */
export function formatListenAddress(address: ListenAddress): string {
  return `${address.transport}://${formatAuthority(address)}`;
}

export function formatWebAddress(address: WebAddress): string {
  return `http://${formatAuthority(address)}`;
}

/** Whether a socket can be bound to this host: binding takes an address, not a name. */
export function isBindable(host: string): boolean {
  return isIP(host) !== 0 || host === 'localhost';
}

/** Whether `text` is an IP address or a network in CIDR notation. */
export function isAddressOrNetwork(text: string): boolean {
  const slash = text.indexOf('/');
  const family = isIP(slash < 0 ? text : text.slice(0, slash));
  if (family === 0) return false;
  if (slash < 0) return true;
  const prefix = text.slice(slash + 1);
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}

/** Whether `text` is an IP address, or one with a port. */
export function isNameServer(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const authority = parseAuthority(text, 53);
  return typeof authority !== 'string' && isIP(authority.host) !== 0 && authority.port > 0;
}

/** Letters, digits, hyphens and dots, as in a DNS name; IP addresses pass as well. */
export function isHostName(text: string): boolean {
  if (isIP(text) !== 0) return true;
  if (text.length === 0 || text.length > 253) return false;
  return text.split('.').every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
}

function splitScheme(text: string): readonly [scheme: string, rest: string] {
  const at = text.indexOf('://');
  return at < 0 ? ['', text] : [text.slice(0, at).toLowerCase(), text.slice(at + 3)];
}

export function parseAuthority(text: string, defaultPort: number): WebAddress | string {
  const bracket = text.startsWith('[') ? text.indexOf(']') : -1;
  if (text.startsWith('[') && bracket < 0) return 'the bracket around the IPv6 address is not closed';
  const colon = text.indexOf(':', bracket + 1);
  const host = bracket < 0 ? text.slice(0, colon < 0 ? text.length : colon) : text.slice(1, bracket);
  if (bracket < 0 && colon >= 0 && text.indexOf(':', colon + 1) >= 0)
    return 'write an IPv6 address in brackets, like udp://[::1]:5060';
  if (bracket >= 0 ? isIP(host) !== 6 : !isHostName(host))
    return `"${host}" is not a host name or IP address`;
  if (bracket >= 0 && bracket + 1 < text.length && colon !== bracket + 1)
    return 'only a port may follow the address, like udp://[::1]:5060';
  if (colon < 0) return { host, port: defaultPort };
  const port = text.slice(colon + 1);
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) return `"${port}" is not a port (0 to 65535)`;
  return { host, port: Number(port) };
}

function formatAuthority(address: WebAddress): string {
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}
