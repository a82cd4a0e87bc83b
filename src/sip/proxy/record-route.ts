import type { Flow, TransportName } from '../transport/index.ts';

/** How this proxy is written in Via and Record-Route towards one flow. */
export interface ProxyAddress {
  /** As it stands in a URI: an IPv6 address has its brackets. */
  readonly host: string;
  readonly port: number | undefined;
}

/** The address at which a flow's peer reaches this proxy, as far as the flow itself knows. */
export function localProxyAddress(flow: Flow): ProxyAddress {
  const { address, port } = flow.local;
  return { host: address.includes(':') ? `[${address.split('%', 1)[0]}]` : address, port };
}

/** Marks the companion of the value that carries the token: both belong to one passage through this proxy. */
export const companionParam = 'r2';

/** RFC 7118 §5.2.1 registers only `ws` for URIs, for secured WebSocket too. */
function transportParam(transport: TransportName): string {
  switch (transport) {
    case 'udp':
      return '';
    case 'wss':
      return ';transport=ws';
    case 'tcp':
    case 'tls':
    case 'ws':
      return `;transport=${transport}`;
  }
}

function value(user: string, address: ProxyAddress, transport: TransportName, suffix: string): string {
  const hostPort = address.port === undefined ? address.host : `${address.host}:${address.port}`;
  return `<sip:${user}${hostPort}${transportParam(transport)};lr${suffix}>`;
}

export interface RecordRouteSide {
  readonly transport: TransportName;
  readonly address: ProxyAddress;
}

/**
 * The Record-Route values for one passage, topmost first (RFC 3261 §16.6 step 4). When the two sides reach this
 * proxy at different addresses or over different transports there are two (RFC 5658 §3.1), so that each side's
 * nearest route is one that it can reach; the token stands in the callee's only, since both always travel together.
 */
export function recordRoutes(
  token: string,
  caller: RecordRouteSide,
  callee: RecordRouteSide,
): readonly string[] {
  const own = value(`${token}@`, callee.address, callee.transport, '');
  const sameSide =
    caller.transport === callee.transport &&
    caller.address.host === callee.address.host &&
    caller.address.port === callee.address.port;
  return sameSide ? [own] : [own, value('', caller.address, caller.transport, `;${companionParam}`)];
}
