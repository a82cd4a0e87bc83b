import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Latch, Source } from './latch.ts';
import { packetKind, packetKinds } from './packet.ts';
import type { Reception } from './reception.ts';

export interface RelaySocketOptions {
  readonly socket: Socket;
  readonly latch: Latch;
  /** What comes in is counted here; undefined on a port for RTCP alone. */
  readonly reception: Reception | undefined;
  /** A source was learned that was not known before. */
  readonly onLearned: (source: Source) => void;
}

/** One port that a party sends to: lets in what is media and comes from that party, and gives it to the port opposite. */
export class RelaySocket {
  /** The same half of the stream on the other party's side; what comes here leaves there. */
  opposite: RelaySocket | undefined;
  /** Bits of `packetKinds`. */
  allowed = 0;
  /** When something was last let in; monotonic. */
  lastAtMs: number = Number.NEGATIVE_INFINITY;
  dropped = 0;
  readonly #options: RelaySocketOptions;
  #learned: Source | undefined;

  constructor(options: RelaySocketOptions) {
    this.#options = options;
    this.#learned = options.latch.source;
    options.socket.on('message', (packet, remote) => this.#receive(packet, remote));
    // The kernel reports here what became of earlier packets; the next one finds out by itself.
    options.socket.on('error', () => {});
  }

  send(packet: Uint8Array): void {
    const { socket, latch } = this.#options;
    const { target } = latch;
    if (target !== undefined) socket.send(packet, 0, packet.length, target.port, target.address);
  }

  close(): void {
    this.#options.socket.close();
  }

  #receive(packet: Uint8Array, { address, port }: RemoteInfo): void {
    const { latch, reception } = this.#options;
    const kind = packetKind(packet);
    const nowMs = performance.now();
    if ((kind & this.allowed) === 0 || !latch.accept(packet, kind, address, port, nowMs)) {
      this.dropped += 1;
      return;
    }
    this.lastAtMs = nowMs;
    if (kind === packetKinds.rtp) reception?.rtp(packet, nowMs);
    else if (kind === packetKinds.other) reception?.count(packet.length);
    if (latch.source !== this.#learned) this.#noteLearned(latch.source);
    this.opposite?.send(packet);
  }

  #noteLearned(source: Source | undefined): void {
    this.#learned = source;
    if (source !== undefined) this.#options.onLearned({ address: source.address, port: source.port });
  }
}

/** A bound socket; rejects when the port is taken. Addresses are numbers already, so nothing is looked up. */
export function openSocket(address: string, port: number): Promise<Socket> {
  const family = isIPv6(address) ? 6 : 4;
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    lookup: (host, _options, done) => done(null, host, family),
  });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}
