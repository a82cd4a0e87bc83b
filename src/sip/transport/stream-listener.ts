import type { Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { Acceptor } from './acceptor.ts';
import type { Ticket } from './admission.ts';
import type { PeerCertificate } from './flow.ts';
import { peerCertificateOf } from './peer-certificate.ts';
import { ProxyFront } from './proxy-front.ts';
import { type ConnectionListenerOptions, type Listening, openServer } from './server-socket.ts';
import { StreamConnection } from './stream-connection.ts';

/** Accepts TCP or TLS connections. */
export class StreamListener {
  readonly #options: ConnectionListenerOptions;
  readonly #transport: 'tcp' | 'tls';
  readonly #acceptor: Acceptor;
  readonly #front: ProxyFront;
  #listening: Listening | undefined;
  #tlsServer: TlsServer | undefined;

  constructor(transport: 'tcp' | 'tls', options: ConnectionListenerOptions) {
    this.#options = options;
    this.#transport = transport;
    const { address, admission, balancers, tally } = options;
    const { limits, clock } = options.host;
    this.#acceptor = new Acceptor({ address, admission, limits, clock, tally });
    this.#front = new ProxyFront({ balancers, limits, clock, tally });
  }

  /** Resolves with the port once connections are accepted. */
  async start(): Promise<number> {
    if (this.#transport === 'tls') this.#tlsServer = this.#createTlsServer();
    // TLS comes second: a balancer's PROXY header stands before the handshake.
    const accept = (socket: Socket): void =>
      this.#front.receive(socket, (raw, ends) => {
        const ticket = this.#acceptor.accept(raw, ends);
        if (ticket === undefined) return;
        if (this.#tlsServer === undefined) this.#establish(raw, ticket, undefined);
        else {
          this.#acceptor.await(ticket);
          this.#tlsServer.emit('connection', raw);
        }
      });
    this.#listening = await openServer(accept, this.#transport, this.#options);
    return this.#listening.port;
  }

  /** Accepts no more; resolves when the last connection has ended. */
  async close(): Promise<void> {
    const listening = this.#listening;
    this.#listening = undefined;
    this.#front.close();
    if (this.#tlsServer !== undefined) this.#options.tls?.forget(this.#tlsServer);
    await listening?.close();
  }

  #createTlsServer(): TlsServer {
    const { tls, host, tally } = this.#options;
    const server = createTlsServer({
      ...tls?.serverOptions,
      handshakeTimeout: host.limits.firstByteTimeoutMs,
    });
    tls?.serve(server);
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
