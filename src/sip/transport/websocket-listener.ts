import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { Acceptor } from './acceptor.ts';
import { peerCertificateOf } from './peer-certificate.ts';
import { ProxyFront } from './proxy-front.ts';
import { type ConnectionListenerOptions, type Listening, openServer } from './server-socket.ts';
import { WebSocketConnection } from './websocket-connection.ts';

/** RFC 7118 §4.1. */
const subprotocol = 'sip';

/** Accepts WebSocket connections, over TLS or plain. */
export class WebSocketListener {
  readonly #options: ConnectionListenerOptions;
  readonly #transport: 'ws' | 'wss';
  readonly #acceptor: Acceptor;
  readonly #front: ProxyFront;
  readonly #webSockets: WebSocketServer;
  readonly #origins: ReadonlySet<string> | undefined;
  #listening: Listening | undefined;
  #httpsServer: HttpsServer | undefined;

  constructor(transport: 'ws' | 'wss', options: ConnectionListenerOptions) {
    const { address, host, admission, balancers, tally, origins } = options;
    const { limits, clock } = host;
    this.#options = options;
    this.#transport = transport;
    this.#acceptor = new Acceptor({ address, admission, limits, clock, tally });
    this.#front = new ProxyFront({ balancers, limits, clock, tally });
    this.#origins =
      origins === undefined ? undefined : new Set(origins.map((origin) => origin.toLowerCase()));
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // Compression costs memory per connection and gains little on messages of 500 bytes.
      perMessageDeflate: false,
      maxPayload: host.limits.message.maxMessageBytes,
      handleProtocols: () => subprotocol,
    });
  }

  /** Resolves with the port once connections are accepted. */
  async start(): Promise<number> {
    const inner = this.#transport === 'wss' ? this.#createHttpsServer() : this.#createHttpServer();
    // HTTP and TLS come second: a balancer's PROXY header stands before them.
    const accept = (socket: Socket): void =>
      this.#front.receive(socket, (raw, ends) => {
        const ticket = this.#acceptor.accept(raw, ends);
        if (ticket === undefined) return;
        this.#acceptor.await(ticket);
        inner.emit('connection', raw);
      });
    this.#listening = await openServer(accept, this.#transport, this.#options);
    return this.#listening.port;
  }

  #createHttpServer(): HttpServer {
    const server = createHttpServer(this.#httpOptions(), refusePage);
    this.#serveUpgrades(server);
    return server;
  }

  #createHttpsServer(): HttpsServer {
    const { host, tls, tally } = this.#options;
    const handshakeTimeout = host.limits.firstByteTimeoutMs;
    const options = { ...this.#httpOptions(), ...tls?.serverOptions, handshakeTimeout };
    const server = createHttpsServer(options, refusePage);
    tls?.serve(server);
    this.#httpsServer = server;
    server.on('tlsClientError', (_error: Error, socket: Socket) => {
      tally.socketErrors++;
      socket.destroy();
    });
    this.#serveUpgrades(server);
    return server;
  }

  #httpOptions(): { maxHeaderSize: number; headersTimeout: 0; requestTimeout: 0 } {
    const { host } = this.#options;
    return {
      maxHeaderSize: host.limits.maxUpgradeHeaderBytes,
      // The sweep keeps the deadline of the whole handshake.
      headersTimeout: 0,
      requestTimeout: 0,
    };
  }

  #serveUpgrades(server: HttpServer | HttpsServer): void {
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** Accepts no more; resolves when the last connection has ended. */
  async close(): Promise<void> {
    const listening = this.#listening;
    this.#listening = undefined;
    this.#front.close();
    if (this.#httpsServer !== undefined) this.#options.tls?.forget(this.#httpsServer);
    await listening?.close();
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.on('error', destroyFailed);
    const ticket = this.#acceptor.ticketOf(request.socket);
    if (ticket === undefined || this.#listening === undefined) {
      stream.destroy();
      return;
    }
    const origin = request.headers.origin;
    // Only browsers send Origin, and only they need this protection: another client could write what it likes.
    if (this.#origins !== undefined && origin !== undefined && !this.#origins.has(origin.toLowerCase())) {
      this.#refuse(stream, '403 Forbidden', 'origin');
      return;
    }
    if (!offersSip(request.headers['sec-websocket-protocol'])) {
      this.#refuse(stream, '400 Bad Request', 'subprotocol');
      return;
    }
    this.#webSockets.handleUpgrade(request, stream, head, (webSocket) => {
      this.#establish(webSocket, request.socket);
    });
  }

  #establish(webSocket: WebSocket, socket: Socket): void {
    const { host, tally } = this.#options;
    const transport = this.#transport;
    const ticket = this.#acceptor.ticketOf(socket);
    if (ticket === undefined) {
      webSocket.terminate();
      return;
    }
    const id = this.#options.nextFlowId(transport);
    const peerCertificate = peerCertificateOf(socket);
    new WebSocketConnection({
      id,
      transport,
      webSocket,
      socket,
      peerCertificate,
      ticket,
      host,
      tally,
    }).start();
  }

  #refuse(stream: Duplex, status: string, reason: string): void {
    this.#acceptor.refuse(reason);
    stream.once('finish', () => stream.destroy());
    stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  }
}

function destroyFailed(this: Duplex): void {
  this.destroy();
}

/** The header is a list of tokens (RFC 6455 §11.3.4). */
function offersSip(header: string | undefined): boolean {
  return header?.split(',').some((offered) => offered.trim() === subprotocol) ?? false;
}

/** Plain HTTP has nothing to fetch here. */
function refusePage(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(426, { connection: 'close', upgrade: 'websocket', 'content-type': 'text/plain' });
  response.end('This port speaks SIP over WebSocket (subprotocol "sip").\n');
}
