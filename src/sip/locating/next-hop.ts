import { isIP } from 'node:net';
import { hasParam, paramValue, type SipUri, type Via } from '../message/index.ts';
import type { ConnectTarget } from '../transport/index.ts';

/** What this gateway opens flows over; browsers come to it, it never goes to a WebSocket. */
export type HopTransport = ConnectTarget['transport'];

/** Where a request is to go, before anybody has asked DNS (RFC 3263 §4). */
export interface NextHop {
  /** TLS is required: a `sips:` URI. */
  readonly secure: boolean;
  /** Undefined: chosen by NAPTR and SRV. */
  readonly transport: HopTransport | undefined;
  /** A name, or an IP address without brackets. */
  readonly host: string;
  /** Undefined: given by SRV, else the transport's own. */
  readonly port: number | undefined;
}

/** One address to try. */
export interface LocatedTarget extends ConnectTarget {
  /** TLS only: the name that was asked for, never the one that DNS gave back (RFC 5922 §4). */
  readonly serverName?: string;
}

/** RFC 3261 §19.1.2. */
export function defaultPort(transport: HopTransport): number {
  return transport === 'tls' ? 5061 : 5060;
}

/** The next hop of a URI; undefined when its transport is none that a gateway can open (RFC 3263 §4.1). */
export function nextHopOf(uri: SipUri): NextHop | undefined {
  const secure = uri.scheme === 'sips';
  const named = hasParam(uri.params, 'transport') ? paramValue(uri.params, 'transport') : undefined;
  const transport = named === undefined ? undefined : hopTransport(named, secure);
  if (named !== undefined && transport === undefined) return undefined;
  // RFC 3263 §4: the TARGET is maddr where there is one.
  const host = withoutBrackets(paramValue(uri.params, 'maddr') ?? uri.host);
  return { secure, transport, host, port: uri.port };
}

/** What a Via says of where its responses belong. */
export type SentBy = Pick<Via, 'transport' | 'host' | 'port'>;

/** Where RFC 3263 §5 looks for the sender of a request whose connection is gone: what its Via says of it. */
export function nextHopOfVia(via: SentBy): NextHop | undefined {
  const transport = hopTransport(via.transport, false);
  if (transport === undefined) return undefined;
  return { secure: transport === 'tls', transport, host: withoutBrackets(via.host), port: via.port };
}

export function isAddress(host: string): boolean {
  return isIP(host) !== 0;
}

export function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

function hopTransport(name: string, secure: boolean): HopTransport | undefined {
  switch (name.toLowerCase()) {
    case 'udp':
      return secure ? undefined : 'udp';
    case 'tcp':
      // RFC 3261 §26.2.2: sips over `transport=tcp` means TLS.
      return secure ? 'tls' : 'tcp';
    case 'tls':
      return 'tls';
    default:
      return undefined;
  }
}
