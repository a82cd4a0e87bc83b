import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Acceptor } from './acceptor.ts';
import type { Ticket } from './admission.ts';
import type { PeerCertificate } from './flow.ts';
import { type ConnectionListenerOptions, closeServer, openServer } from './server-socket.ts';
import { StreamConnection } from './stream-connection.ts';
import { peerCertificateOf } from './tls-material.ts';

/** Accepts TCP or TLS connections. */
export class StreamListener {
  readonly #options: ConnectionListenerOptions;
  readonly #transport: 'tcp' | 'tls';
  readonly #acceptor: Acceptor;
  #server: Server | undefined;

  constructor(transport: 'tcp' | 'tls', options: ConnectionListenerOptions) {
    this.#options = options;
    this.#transport = transport;
    this.#acceptor = new Acceptor({
      admission: options.admission,
      limits: options.host.limits,
      clock: options.host.clock,
      tally: options.tally,
    });
  }

  /** Resolves with the port once connections are accepted. */
  async start(): Promise<number> {
    const server = this.#transport === 'tls' ? this.#tlsServer() : this.#tcpServer();
    const port = await openServer(server, this.#transport, this.#options);
    this.#server = server;
    return port;
  }

  /** Accepts no more; resolves when the last connection has ended. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) await closeServer(server);
  }

  #tcpServer(): Server {
    return createTcpServer((socket) => {
      const ticket = this.#acceptor.accept(socket);
      if (ticket !== undefined) this.#establish(socket, ticket, undefined);
    });
  }

  #tlsServer(): Server {
    const { tls, host, tally } = this.#options;
    const server = createTlsServer({ ...tls, handshakeTimeout: host.limits.firstByteTimeoutMs });
    server.on('connection', (socket: Socket) => void this.#acceptor.accept(socket));
    server.on('secureConnection', (socket) => {
      const ticket = this.#acceptor.ticketOf(socket);
      if (ticket === undefined) socket.destroy();
      else this.#establish(socket, ticket, peerCertificateOf(socket));
    });
    server.on('tlsClientError', (_error, socket) => {
      tally.socketErrors++;
      socket.destroy();
    });
    return server;
  }

  #establish(socket: Socket, ticket: Ticket, peerCertificate: PeerCertificate | undefined): void {
    const { host, tally } = this.#options;
    const transport = this.#transport;
    const id = this.#options.nextFlowId(transport);
    new StreamConnection({ id, transport, socket, peerCertificate, ticket, host, tally }).start();
  }
}
