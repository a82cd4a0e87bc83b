import type { ProxyAddress, TransportName } from '../sip/index.ts';

/** RFC 7118 §5.2.1 registers only `ws` for URIs, for secured WebSocket too. */
const transportParams: Readonly<Record<TransportName, string>> = {
  udp: '',
  tcp: ';transport=tcp',
  tls: ';transport=tls',
  ws: ';transport=ws',
  wss: ';transport=ws',
};

/** The Service-Route of a phone (RFC 3608 §5): as configured, where `self` is this gateway as the phone reaches it. */
export function serviceRoutesFor(
  configured: readonly string[],
  transport: TransportName,
  { host, port }: ProxyAddress,
): readonly string[] {
  const hostPort = port === undefined ? host : `${host}:${port}`;
  return configured.map((route) =>
    route === 'self' ? `sip:${hostPort}${transportParams[transport]};lr` : route,
  );
}
