import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { connect, type Server, type Socket } from 'node:net';
import type { Clock } from '../../../src/base/index.ts';
import { silentLogger, systemClock } from '../../../src/base/index.ts';
import { createResponse, type SipRequest, type SipResponse } from '../../../src/sip/message/index.ts';
import {
  defaultTransportLimits,
  type Flow,
  type ListenAddress,
  type TlsOptions,
  TransportLayer,
  type TransportLimits,
  type TransportName,
  type TransportUser,
} from '../../../src/sip/transport/index.ts';

/** Values that arrive, in order, for tests that wait for the next one. */
export class Queue<T> {
  readonly #values: T[] = [];
  readonly #waiting: ((value: T) => void)[] = [];

  push(value: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#values.push(value);
    else waiting(value);
  }

  next(): Promise<T> {
    const value = this.#values.shift();
    if (value !== undefined) return Promise.resolve(value);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  get size(): number {
    return this.#values.length;
  }
}

export interface Received<M> {
  readonly message: M;
  readonly flow: Flow;
}

/** Answers every request but ACK with 200 and keeps what it saw. */
export class AnsweringUser implements TransportUser {
  readonly requests: Queue<Received<SipRequest>> = new Queue();
  readonly responses: Queue<Received<SipResponse>> = new Queue();
  readonly opened: Queue<Flow> = new Queue();
  readonly closed: Queue<{ readonly flow: Flow; readonly reason: string }> = new Queue();

  onRequest(request: SipRequest, flow: Flow): void {
    this.requests.push({ message: request, flow });
    if (request.method !== 'ACK') flow.send(createResponse(request, 200, 'OK', { toTag: 'test' }));
  }

  onResponse(response: SipResponse, flow: Flow): void {
    this.responses.push({ message: response, flow });
  }

  onFlowOpen(flow: Flow): void {
    this.opened.push(flow);
  }

  onFlowClosed(flow: Flow, reason: string): void {
    this.closed.push({ flow, reason });
  }
}

export interface TestLayerOptions {
  readonly listen: readonly (TransportName | ListenAddress)[];
  readonly limits?: Partial<TransportLimits>;
  readonly clock?: Clock;
  readonly tls?: TlsOptions;
  readonly wsOrigins?: readonly string[];
  readonly proxyProtocolFrom?: readonly string[];
  readonly user?: AnsweringUser;
}

export interface TestLayer {
  readonly layer: TransportLayer;
  readonly user: AnsweringUser;
  readonly bound: readonly ListenAddress[];
  /** The port of the first listener of that transport. */
  port(transport: TransportName): number;
}

/** A started layer on 127.0.0.1; a transport's name alone means any free port. */
export async function startLayer(options: TestLayerOptions): Promise<TestLayer> {
  const user = options.user ?? new AnsweringUser();
  const layer = new TransportLayer({
    listen: options.listen.map((listen) =>
      typeof listen === 'string' ? { transport: listen, host: '127.0.0.1', port: 0 } : listen,
    ),
    limits: { ...defaultTransportLimits, ...options.limits },
    clock: options.clock ?? systemClock,
    logger: silentLogger,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    ...(options.wsOrigins === undefined ? {} : { wsOrigins: options.wsOrigins }),
    ...(options.proxyProtocolFrom === undefined ? {} : { proxyProtocolFrom: options.proxyProtocolFrom }),
  });
  const bound = await layer.start(user);
  const port = (transport: TransportName): number =>
    bound.find((address) => address.transport === transport)?.port ?? 0;
  return { layer, user, bound, port };
}

let serial = 0;

export interface TextOptions {
  readonly method?: string;
  readonly via?: string;
  readonly extra?: readonly string[];
  readonly body?: string;
  readonly cseq?: string;
  readonly contentLength?: string;
}

/** The text of a request with its own Call-ID and branch. */
export function requestText(options: TextOptions = {}): string {
  serial++;
  const method = options.method ?? 'OPTIONS';
  const body = options.body ?? '';
  return [
    `${method} sip:gateway.example SIP/2.0`,
    `Via: ${options.via ?? 'SIP/2.0/TCP phone.example:5060'};branch=z9hG4bKt${serial}`,
    'Max-Forwards: 70',
    'From: <sip:alice@example.org>;tag=a1',
    'To: <sip:gateway.example>',
    `Call-ID: call-${serial}@test`,
    `CSeq: ${options.cseq ?? `1 ${method}`}`,
    ...(options.extra ?? []),
    `Content-Length: ${options.contentLength ?? body.length}`,
    '',
    body,
  ].join('\r\n');
}

export class UdpClient {
  readonly socket: UdpSocket;
  readonly datagrams: Queue<{ readonly data: Buffer; readonly from: RemoteInfo }> = new Queue();

  constructor(type: 'udp4' | 'udp6' = 'udp4') {
    this.socket = createSocket(type);
    this.socket.on('message', (data, from) => this.datagrams.push({ data, from }));
  }

  async bind(address: string): Promise<number> {
    await new Promise<void>((resolve) => this.socket.bind(0, address, () => resolve()));
    return this.socket.address().port;
  }

  async nextText(): Promise<string> {
    return (await this.datagrams.next()).data.toString('latin1');
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }
}

/** The reading side of a TCP or TLS connection. */
export class StreamClient {
  readonly socket: Socket;
  /** Resolves with all that was received once the connection is gone. */
  readonly closed: Promise<string>;
  #text = '';
  #onData: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      this.#onData?.();
    });
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.once('close', () => resolve(this.#text)));
  }

  /** Takes what was received up to and including `end`. */
  async readUntil(end: string): Promise<string> {
    for (;;) {
      const at = this.#text.indexOf(end);
      if (at >= 0) {
        const taken = this.#text.slice(0, at + end.length);
        this.#text = this.#text.slice(at + end.length);
        return taken;
      }
      await new Promise<void>((resolve) => {
        this.#onData = resolve;
      });
    }
  }
}

export async function connectTcp(port: number, host = '127.0.0.1'): Promise<StreamClient> {
  const socket = connect(port, host);
  const client = new StreamClient(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve());
    socket.once('error', reject);
  });
  return client;
}

/** Lets a server of somebody else listen on a free port of 127.0.0.1, and returns the port. */
export async function listenAnywhere(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}
