import type { Socket } from 'node:net';
import type { Clock } from '../../base/index.ts';
import type { AddressSet } from './address-set.ts';
import type { TransportLimits } from './limits.ts';
import { type ConnectionEnds, parseProxyHeader } from './proxy-header.ts';
import { countReason, type Tally } from './statistics.ts';
import { TransportError } from './transport-error.ts';

export interface ProxyFrontOptions {
  /** The addresses of the balancers; their connections must start with a PROXY header, all others must not. */
  readonly balancers: AddressSet;
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly tally: Tally;
}

type Admit = (socket: Socket, ends: ConnectionEnds | undefined) => void;

/**
 * Takes the PROXY header off a balancer's connection before anybody else reads from it. What follows the header is
 * put back, so that TLS, HTTP or SIP find their own first byte.
 */
export class ProxyFront {
  readonly #options: ProxyFrontOptions;
  readonly #waiting = new Set<Socket>();

  constructor(options: ProxyFrontOptions) {
    this.#options = options;
  }

  /** Calls `admit` once, with the real ends when a balancer has named them; never for a connection that fails. */
  receive(socket: Socket, admit: Admit): void {
    const { balancers, limits } = this.#options;
    if (socket.remoteAddress === undefined || !balancers.has(socket.remoteAddress)) {
      admit(socket, undefined);
    } else if (this.#waiting.size >= limits.maxConnections) {
      this.#refuse(socket, 'max-connections');
    } else {
      this.#readHeader(socket, admit);
    }
  }

  /** Ends the connections whose header is still to come. */
  close(): void {
    for (const socket of this.#waiting) socket.destroy();
  }

  #readHeader(socket: Socket, admit: Admit): void {
    const { limits, clock } = this.#options;
    let received: Buffer = Buffer.alloc(0);
    const timer = clock.setTimer(limits.firstByteTimeoutMs, () => this.#refuse(socket, 'proxy-header'));
    const settle = (): void => {
      timer.cancel();
      this.#waiting.delete(socket);
      socket.off('readable', onReadable);
      socket.off('close', settle);
    };
    const onReadable = (): void => {
      const chunk: unknown = socket.read();
      if (!(chunk instanceof Buffer)) return;
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      try {
        const header = parseProxyHeader(received, limits.maxProxyHeaderBytes);
        if (header === undefined) return;
        settle();
        if (received.length > header.length) socket.unshift(received.subarray(header.length));
        admit(socket, header.ends);
      } catch (error) {
        if (!(error instanceof TransportError)) throw error;
        settle();
        this.#refuse(socket, 'proxy-header');
      }
    };
    this.#waiting.add(socket);
    socket.on('error', () => {});
    socket.once('close', settle);
    socket.on('readable', onReadable);
  }

  #refuse(socket: Socket, reason: string): void {
    countReason(this.#options.tally.refused, reason);
    socket.destroy();
  }
}
