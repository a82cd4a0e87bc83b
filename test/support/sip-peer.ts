import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import {
  createResponse,
  defaultMessageLimits,
  type HeaderField,
  headerField,
  parseMessage,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  StreamFramer,
  serializeMessage,
} from '../../src/sip/index.ts';
import { SipInbox } from './sip-inbox.ts';

export interface SipPeerOptions {
  /** An address of 127.0.0.0/8 by which the gateway knows it. */
  readonly host: string;
  readonly port?: number;
  readonly transports: readonly ('udp' | 'tcp')[];
}

type Send = (bytes: Uint8Array) => void;

/** A PBX or trunk: listens like a server, and does only what a test tells it to. */
export class SipPeer {
  readonly inbox: SipInbox;
  readonly host: string;
  readonly port: number;
  readonly #udp: UdpSocket | undefined;
  readonly #tcp: Server | undefined;
  readonly #connections = new Set<Socket>();
  /** How to answer each request: where it came from. */
  readonly #origins = new WeakMap<SipMessage, Send>();

  private constructor(host: string, port: number, udp: UdpSocket | undefined, tcp: Server | undefined) {
    this.host = host;
    this.port = port;
    this.inbox = new SipInbox(`the peer at ${host}:${port}`);
    this.#udp = udp;
    this.#tcp = tcp;
    udp?.on('message', (bytes, { address, port: from }) => {
      this.#arrive(bytes, (answer) => udp.send(answer, from, address));
    });
    tcp?.on('connection', (socket) => this.#serve(socket));
  }

  static async open({ host, port = 0, transports }: SipPeerOptions): Promise<SipPeer> {
    let bound = port;
    let tcp: Server | undefined;
    if (transports.includes('tcp')) {
      tcp = createServer().listen(port, host);
      await once(tcp, 'listening');
      const address = tcp.address();
      if (typeof address === 'object' && address !== null) bound = address.port;
    }
    let udp: UdpSocket | undefined;
    if (transports.includes('udp')) {
      udp = createSocket('udp4').bind(bound, host);
      await once(udp, 'listening');
      bound = udp.address().port;
    }
    return new SipPeer(host, bound, udp, tcp);
  }

  /** Open TCP connections, either way. */
  get connections(): number {
    return this.#connections.size;
  }

  get contact(): string {
    return `<sip:pbx@${this.host}:${this.port}>`;
  }

  incoming(method: string): Promise<SipRequest> {
    return this.inbox.take(method, (message): message is SipRequest => {
      return message.kind === 'request' && message.method === method;
    });
  }

  response(status: number): Promise<SipResponse> {
    return this.inbox.take(String(status), (message): message is SipResponse => {
      return message.kind === 'response' && message.status === status;
    });
  }

  reply(request: SipRequest, status: number, headers: readonly HeaderField[] = []): SipResponse {
    const routes = request.headers.filter(({ name }) => name === 'record-route');
    const response = createResponse(request, status, undefined, {
      toTag: 'pbx',
      headers: [...routes, headerField('Contact', this.contact), ...headers],
    });
    this.#origins.get(request)?.(serializeMessage(response));
    return response;
  }

  sendUdp(message: SipMessage, port: number, host = '127.0.0.1'): void {
    this.#udp?.send(serializeMessage(message), port, host);
  }

  /** Over a new connection from the peer's address. */
  async sendTcp(message: SipMessage, port: number): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: this.host });
    await once(socket, 'connect');
    this.#serve(socket);
    socket.write(serializeMessage(message));
    return socket;
  }

  /** As a restart of the peer does it. */
  cutConnections(): void {
    for (const socket of this.#connections) socket.destroy();
  }

  async close(): Promise<void> {
    this.cutConnections();
    this.#udp?.close();
    if (this.#tcp === undefined) return;
    this.#tcp.close();
    await once(this.#tcp, 'close');
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#connections.delete(socket));
    const framer = new StreamFramer(defaultMessageLimits, 'opened');
    socket.on('data', (chunk: Buffer) => {
      framer.push(chunk);
      for (let frame = framer.next(); frame !== undefined; frame = framer.next())
        if (typeof frame !== 'string') this.#arrive(frame, (answer) => void socket.write(answer));
    });
  }

  #arrive(bytes: Uint8Array, answer: Send): void {
    const message = parseMessage(bytes, defaultMessageLimits);
    this.#origins.set(message, answer);
    this.inbox.arrive(message);
  }
}
