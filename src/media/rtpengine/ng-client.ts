import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { type Clock, type Logger, type Random, randomId, type Timer } from '../../base/index.ts';
import type { BencodedDictionary } from './bencode.ts';
import type { RtpengineLimits } from './limits.ts';
import { encodeRequest, type NgCommand, type NgParameters, parseReply } from './ng-message.ts';
import { RtpengineError } from './rtpengine-error.ts';

/** Where an rtpengine takes commands (`--listen-ng`). */
export interface NgAddress {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

export interface NgClientOptions {
  readonly address: NgAddress;
  readonly limits: RtpengineLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface Pending {
  readonly datagram: Buffer;
  readonly resolve: (reply: BencodedDictionary | undefined) => void;
  readonly deadline: Timer;
  again: Timer;
}

/** Sends commands to one rtpengine and finds the reply to each; what gets none is sent again with the same cookie. */
export class NgClient {
  readonly #options: NgClientOptions;
  readonly #pending = new Map<string, Pending>();
  #socket: Socket | undefined;

  constructor(options: NgClientOptions) {
    this.#options = options;
  }

  /** Connected: the kernel drops what comes from anywhere else. */
  async start(): Promise<void> {
    const { host, port } = this.#options.address;
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    socket.connect(port, host);
    await once(socket, 'connect');
    // ICMP says that nobody listens there: the request's deadline says so too, and waits for a restart.
    socket.on('error', () => {});
    socket.on('message', (datagram) => this.#onMessage(datagram));
    this.#socket = socket;
  }

  close(): void {
    for (const cookie of this.#pending.keys()) this.#settle(cookie, undefined);
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** Undefined when no reply came within the limit. */
  ask(command: NgCommand, parameters: NgParameters = {}): Promise<BencodedDictionary | undefined> {
    const { clock, random, limits } = this.#options;
    if (this.#socket === undefined) return Promise.resolve(undefined);
    const cookie = randomId(random, 80);
    const datagram = encodeRequest(cookie, command, parameters);
    return new Promise((resolve) => {
      const deadline = clock.setTimer(limits.answerTimeoutMs, () => this.#settle(cookie, undefined));
      const again = this.#repeat(cookie, limits.retransmitMs);
      this.#pending.set(cookie, { datagram, resolve, deadline, again });
      this.#send(datagram);
    });
  }

  #repeat(cookie: string, afterMs: number): Timer {
    return this.#options.clock.setTimer(afterMs, () => {
      const pending = this.#pending.get(cookie);
      if (pending === undefined) return;
      this.#send(pending.datagram);
      pending.again = this.#repeat(cookie, afterMs * 2);
    });
  }

  #send(datagram: Buffer): void {
    // What the kernel refuses is as good as lost: it is sent again.
    this.#socket?.send(datagram, () => {});
  }

  #onMessage(datagram: Buffer): void {
    try {
      const { cookie, body } = parseReply(datagram);
      this.#settle(cookie, body);
    } catch (error) {
      if (!(error instanceof RtpengineError)) throw error;
      this.#options.logger.warn({ code: error.code }, 'what came from rtpengine is no reply');
    }
  }

  /** A reply that comes twice, or too late, is nobody's. */
  #settle(cookie: string, reply: BencodedDictionary | undefined): void {
    const pending = this.#pending.get(cookie);
    if (pending === undefined) return;
    this.#pending.delete(cookie);
    pending.deadline.cancel();
    pending.again.cancel();
    pending.resolve(reply);
  }
}
