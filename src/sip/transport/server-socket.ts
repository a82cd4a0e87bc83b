import type { Server } from 'node:net';
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

/** Binds; resolves with the port. An IPv6 listener takes IPv6 alone, so `0.0.0.0` and `::` can stand side by side. */
export async function openServer(
  server: Server,
  transport: TransportName,
  options: ConnectionListenerOptions,
): Promise<number> {
  const { address, port, tally, logger } = options;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(bindError(`${transport}://${hostPort(address, port)}`, cause)));
    server.listen({ host: address, port, ipv6Only: true, exclusive: true }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
  // Such as EMFILE on accept: the listener lives on and takes the next connection when it can.
  server.on('error', (error) => {
    tally.socketErrors++;
    logger.warn({ transport, address, port, error: error.message }, 'listener error');
  });
  const bound = server.address();
  return bound === null || typeof bound === 'string' ? port : bound.port;
}

export async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
