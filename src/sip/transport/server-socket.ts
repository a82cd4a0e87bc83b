import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from '../../base/index.ts';
import type { AddressSet } from './address-set.ts';
import type { Admission } from './admission.ts';
import type { CertificateStore } from './certificate-store.ts';
import type { ConnectionHost } from './connection-life.ts';
import type { TransportName } from './flow.ts';
import { hostPort } from './ip-address.ts';
import type { Tally } from './statistics.ts';
import { bindError } from './transport-error.ts';

/** What every listener for connections is given. */
export interface ConnectionListenerOptions {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
  readonly host: ConnectionHost;
  readonly admission: Admission;
  readonly tally: Tally;
  readonly logger: Logger;
  readonly tls: CertificateStore | undefined;
  /** Whose connections start with a PROXY header. */
  readonly balancers: AddressSet;
  /** `Origin` values that browsers may come from; undefined admits all. */
  readonly origins: readonly string[] | undefined;
  /** A flow id that is never used again. */
  readonly nextFlowId: (transport: TransportName) => string;
}

/** A listening address. */
export interface Listening {
  readonly port: number;
  /** Accepts no more; resolves when the last connection has ended. */
  close(): Promise<void>;
}

/**
 * In each turn of the event loop a socket gives one newcomer, and the kernel keeps no more waiting than
 * `net.core.somaxconn` for each: when all phones come back at once, one socket turns most of them away.
 */
const socketsPerAddress = 4;

/**
 * Binds. Throws TransportError, also where another process of the same user listens already, with which the kernel would
 * share out the newcomers.
 */
export async function openServer(
  accept: (socket: Socket) => void,
  transport: TransportName,
  options: ConnectionListenerOptions,
): Promise<Listening> {
  const bind = (port: number, reusePort: boolean): Promise<Server> =>
    listen(createServer(accept), transport, { ...options, port }, reusePort);
  if (options.port !== 0) await closeServer(await listen(createServer(), transport, options, false));
  const shared = await bind(options.port, true).catch(() => undefined);
  // Not every system knows how to share a port; what else is wrong comes out here.
  const first = shared ?? (await bind(options.port, false));
  const bound = first.address();
  const port = bound === null || typeof bound === 'string' ? options.port : bound.port;
  const others = Array.from({ length: shared === undefined ? 0 : socketsPerAddress - 1 }, () =>
    bind(port, true),
  );
  const servers = [first, ...(await Promise.all(others))];
  return {
    port,
    close: async () => {
      await Promise.all(servers.map(closeServer));
    },
  };
}

/** An IPv6 listener takes IPv6 alone, so `0.0.0.0` and `::` can stand side by side. */
async function listen(
  server: Server,
  transport: TransportName,
  { address, port, host, tally, logger }: ConnectionListenerOptions,
  reusePort: boolean,
): Promise<Server> {
  const { acceptBacklog: backlog } = host.limits;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(bindError(`${transport}://${hostPort(address, port)}`, cause)));
    server.listen({ host: address, port, backlog, reusePort, ipv6Only: true, exclusive: true }, resolve);
  });
  server.removeAllListeners('error');
  // Such as EMFILE on accept: the listener lives on and takes the next connection when it can.
  server.on('error', (error) => {
    tally.socketErrors++;
    logger.warn({ transport, address, port, error: error.message }, 'listener error');
  });
  return server;
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
