import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Clock } from '../../base/index.ts';
import type { CertificateStore } from './certificate-store.ts';
import type { ConnectTarget } from './flow.ts';
import { hostPort } from './ip-address.ts';
import type { TransportLimits } from './limits.ts';
import { connectError, TransportError } from './transport-error.ts';

export interface OutboundOptions {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  /** Our own certificate and the authorities; without it the system's authorities judge the peer. */
  readonly tls: CertificateStore | undefined;
  readonly signal: AbortSignal;
}

export function targetText(target: ConnectTarget): string {
  return `${target.transport}://${hostPort(target.address, target.port)}`;
}

/** A connected socket, TLS handshake and the check of the peer's certificate included; throws TransportError. */
export async function openSocket(target: ConnectTarget, options: OutboundOptions): Promise<Socket> {
  const address = targetText(target);
  if (isIP(target.address) === 0) {
    throw new TransportError('unreachable', address, `${address} is not an IP address`);
  }
  if (options.signal.aborted) throw closedError(address);
  const { limits, clock, signal } = options;
  return await new Promise<Socket>((resolve, reject) => {
    const socket = target.transport === 'tls' ? dialTls(target, options.tls) : connectTcp(tcpTarget(target));
    const timer = clock.setTimer(limits.connectTimeoutMs, () => {
      socket.destroy();
      settle(new TransportError('timeout', address, `${address} did not answer in time`));
    });
    const onAbort = (): void => {
      socket.destroy();
      settle(closedError(address));
    };
    const onError = (cause: Error): void => settle(connectError(address, cause));
    const settle = (error: TransportError | undefined): void => {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      if (error === undefined) resolve(socket);
      else {
        socket.on('error', () => {});
        reject(error);
      }
    };
    signal.addEventListener('abort', onAbort);
    socket.on('error', onError);
    socket.once(target.transport === 'tls' ? 'secureConnect' : 'connect', () => {
      const { tcpKeepAliveDelayMs, tcpKeepAliveIntervalMs, tcpKeepAliveCount } = limits;
      socket.setNoDelay(true);
      socket.setKeepAlive(true, tcpKeepAliveDelayMs, tcpKeepAliveIntervalMs, tcpKeepAliveCount);
      settle(undefined);
    });
  });
}

function dialTls(target: ConnectTarget, tls: CertificateStore | undefined): TLSSocket {
  return connectTls({
    ...tls?.clientOptions,
    ...tcpTarget(target),
    minVersion: 'TLSv1.2',
    // An outbound peer is one that we chose: it has to prove its name.
    rejectUnauthorized: true,
    ...(target.serverName === undefined ? {} : { servername: target.serverName }),
  });
}

function tcpTarget(target: ConnectTarget): { readonly host: string; readonly port: number } {
  return { host: target.address, port: target.port };
}

function closedError(address: string): TransportError {
  return new TransportError('closed', address, `${address}: the transport layer is closed`);
}
