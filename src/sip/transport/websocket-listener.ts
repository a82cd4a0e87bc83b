import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { Acceptor } from './acceptor.ts';
import { type ConnectionListenerOptions, closeServer, openServer } from './server-socket.ts';
import { peerCertificateOf } from './tls-material.ts';
import { WebSocketConnection } from './websocket-connection.ts';

/** RFC 7118 §4.1. */
const subprotocol = 'sip';

/** Accepts WebSocket connections, over TLS or plain. */
export class WebSocketListener {
  readonly #options: ConnectionListenerOptions;
  readonly #transport: 'ws' | 'wss';
  readonly #acceptor: Acceptor;
  readonly #webSockets: WebSocketServer;
  readonly #origins: ReadonlySet<string> | undefined;
  #server: Server | undefined;

  constructor(transport: 'ws' | 'wss', options: ConnectionListenerOptions) {
    const { host, admission, tally, origins } = options;
    this.#options = options;
    this.#transport = transport;
    this.#acceptor = new Acceptor({ admission, limits: host.limits, clock: host.clock, tally });
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
    const { host, tls, tally } = this.#options;
    const http = {
      maxHeaderSize: host.limits.maxUpgradeHeaderBytes,
      // The sweep keeps the deadline of the whole handshake.
      headersTimeout: 0,
      requestTimeout: 0,
    };
    const server =
      this.#transport === 'wss'
        ? createHttpsServer({ ...http, ...tls, handshakeTimeout: host.limits.firstByteTimeoutMs }, refusePage)
        : createHttpServer(http, refusePage);
    server.on('connection', (socket: Socket) => void this.#acceptor.accept(socket));
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    server.on('clientError', (_error, socket) => socket.destroy());
    server.on('tlsClientError', (_error: Error, socket: Socket) => {
      tally.socketErrors++;
      socket.destroy();
    });
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

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.on('error', () => stream.destroy());
    const ticket = this.#acceptor.ticketOf(request.socket);
    if (ticket === undefined || this.#server === undefined) {
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

/** The header is a list of tokens (RFC 6455 §11.3.4). */
function offersSip(header: string | undefined): boolean {
  return header?.split(',').some((offered) => offered.trim() === subprotocol) ?? false;
}

/** Plain HTTP has nothing to fetch here. */
function refusePage(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(426, { connection: 'close', upgrade: 'websocket', 'content-type': 'text/plain' });
  response.end('This port speaks SIP over WebSocket (subprotocol "sip").\n');
}
