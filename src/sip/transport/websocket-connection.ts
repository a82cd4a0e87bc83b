import { isUtf8 } from 'node:buffer';
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import { asBuffer } from '../../base/index.ts';
import { type SipMessage, serializeMessage } from '../message/index.ts';
import type { Ticket } from './admission.ts';
import { type CloseReason, type Connection, type ConnectionHost, ConnectionLife } from './connection-life.ts';
import type { Endpoint, PeerCertificate } from './flow.ts';
import { toleratedSilenceMs } from './keepalive-watch.ts';
import { countReason, type Tally } from './statistics.ts';
import { WriteProgress } from './write-progress.ts';

const textFrame = { binary: false, compress: false } as const;
const binaryFrame = { binary: true, compress: false } as const;
const crlf = '\r\n';
const never = -1;
/** RFC 6455 §7.4.1. */
const closeCodes: ReadonlyMap<string, number> = new Map([
  ['shutdown', 1001],
  ['malformed', 1002],
  ['message-timeout', 1008],
]);
const normalClosure = 1000;
/** RFC 6455 §5.5: a control frame holds 125 bytes, two of them the code. */
const maxReasonLength = 100;

export interface WebSocketConnectionOptions {
  readonly id: string;
  readonly transport: 'ws' | 'wss';
  readonly webSocket: WebSocket;
  /** What the WebSocket runs on. */
  readonly socket: Socket;
  readonly peerCertificate: PeerCertificate | undefined;
  readonly ticket: Ticket;
  readonly host: ConnectionHost;
  readonly tally: Tally;
}

/** A WebSocket connection: one SIP message in each WebSocket message (RFC 7118 §5). */
export class WebSocketConnection implements Connection {
  readonly id: string;
  readonly transport: 'ws' | 'wss';
  readonly reliable = true;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly peerCertificate: PeerCertificate | undefined;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #tally: Tally;
  readonly #life: ConnectionLife;
  readonly #writes = new WriteProgress();
  #agreedSilenceMs = Number.POSITIVE_INFINITY;
  /** When the last whole message, ping or pong came, and how many bytes had arrived by then. */
  #heardAtMs: number;
  #heardBytes: number;
  /** When our unanswered ping went out. */
  #pingedAtMs = never;
  /** Since when bytes have come without completing a frame. */
  #partialSinceMs = never;

  constructor(options: WebSocketConnectionOptions) {
    const { id, transport, webSocket, socket, host } = options;
    this.id = id;
    this.transport = transport;
    this.local = options.ticket.ends.local;
    this.remote = options.ticket.ends.remote;
    this.peerCertificate = options.peerCertificate;
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#host = host;
    this.#tally = options.tally;
    this.#life = new ConnectionLife(this, host, options.tally, options.ticket);
    this.#heardAtMs = host.clock.monotonicMs();
    this.#heardBytes = socket.bytesRead;
  }

  get secure(): boolean {
    return this.transport === 'wss';
  }

  get open(): boolean {
    return this.#life.open;
  }

  /** Takes the WebSocket into service. */
  start(): void {
    const webSocket = this.#webSocket;
    webSocket.on('message', (data: RawData) => this.#receive(data));
    const heard = (): void => this.#heard();
    webSocket.on('pong', heard);
    webSocket.on('ping', heard);
    webSocket.on('error', (error: NodeJS.ErrnoException) => this.#fail(error));
    webSocket.on('close', () => this.#life.finish('peer-closed'));
    this.#closeInTurn();
    this.#life.begin();
  }

  /** The library, and Node, would tear the socket down within the reading of its end: 50 us, in which no call goes on. */
  #closeInTurn(): void {
    const socket = this.#socket;
    const listeners = socket.listeners('end');
    const close = (): void => {
      // The library does not expect to hear of an end after the socket is gone.
      if (!socket.destroyed) for (const listener of listeners) listener.call(socket);
    };
    socket.removeAllListeners('end');
    forgetFormerListeners(socket);
    socket.allowHalfOpen = true;
    socket.on('end', () => this.#life.endByPeer(close));
  }

  send(message: SipMessage | Uint8Array): boolean {
    const bytes = message instanceof Uint8Array ? message : serializeMessage(message);
    if (!this.#life.open || this.#webSocket.readyState !== this.#webSocket.OPEN) {
      this.#tally.sendFailures++;
      return false;
    }
    if (this.#webSocket.bufferedAmount + bytes.length > this.#host.limits.maxSendBufferBytes) {
      this.#tally.sendFailures++;
      this.abort('send-buffer-full');
      return false;
    }
    // RFC 7118 §4.2: text frames must be UTF-8; a body that isn't goes into a binary one.
    this.#webSocket.send(bytes, isUtf8(bytes) ? textFrame : binaryFrame);
    this.#tally.messagesOut++;
    this.#tally.bytesOut += bytes.length;
    return true;
  }

  close(reason: string): void {
    if (!this.#life.end(reason)) return;
    this.#webSocket.close(closeCodes.get(reason) ?? normalClosure, reason.slice(0, maxReasonLength));
  }

  abort(reason: CloseReason): void {
    this.#life.end(reason);
    this.#webSocket.terminate();
  }

  expectKeepalives(seconds: number): void {
    this.#agreedSilenceMs = seconds === 0 ? Number.POSITIVE_INFINITY : toleratedSilenceMs(seconds);
  }

  reportUnanswered(waitedMs: number): void {
    if (this.#host.clock.monotonicMs() - this.#heardAtMs >= waitedMs) this.abort('no-answer');
  }

  /**
   * Deadlines are drawn one sweep early, so that a dead peer is found within `pingIntervalMs` + `pongTimeoutMs` and
   * not some sweeps later.
   */
  sweep(nowMs: number): void {
    if (!this.#life.open) {
      if (this.#life.overdue(nowMs)) this.#webSocket.terminate();
      return;
    }
    const { pingIntervalMs, pongTimeoutMs, messageTimeoutMs, sendStallTimeoutMs, sweepIntervalMs } =
      this.#host.limits;
    if (this.#socket.bytesRead === this.#heardBytes) this.#partialSinceMs = never;
    else if (this.#partialSinceMs === never) this.#partialSinceMs = nowMs;

    if (this.#writes.stalledMs(this.#socket, nowMs) >= sendStallTimeoutMs) {
      this.abort('send-stalled');
    } else if (nowMs - this.#heardAtMs >= this.#agreedSilenceMs) {
      this.abort('keepalive-missed');
    } else if (this.#pingedAtMs !== never && nowMs - this.#pingedAtMs > pongTimeoutMs - sweepIntervalMs) {
      this.abort('pong-timeout');
    } else if (this.#partialSinceMs !== never && nowMs - this.#partialSinceMs >= messageTimeoutMs) {
      this.close('message-timeout');
    } else if (this.#pingedAtMs === never && nowMs - this.#heardAtMs > pingIntervalMs - sweepIntervalMs) {
      this.#pingedAtMs = nowMs;
      this.#webSocket.ping();
    }
  }

  #heard(): void {
    this.#heardAtMs = this.#host.clock.monotonicMs();
    this.#heardBytes = this.#socket.bytesRead;
    this.#pingedAtMs = never;
    this.#partialSinceMs = never;
  }

  #receive(data: RawData): void {
    if (!this.#life.open) return;
    this.#heard();
    const bytes = wholeMessage(data);
    this.#tally.bytesIn += bytes.length;
    if (isKeepalive(bytes)) {
      this.#answerKeepalive();
    } else if (this.#host.reception.receive(bytes, this, this.#tally, 'refuse') === 'delivered') {
      this.#life.prove();
    } else {
      this.close('malformed');
    }
  }

  /** RFC 7118 §6: one CRLF for one keepalive, and never unasked: JsSIP once stumbled over that. */
  #answerKeepalive(): void {
    this.#tally.keepalives++;
    if (this.#webSocket.bufferedAmount > this.#host.limits.maxSendBufferBytes) this.abort('send-buffer-full');
    else this.#webSocket.send(crlf, textFrame);
  }

  /** The library has sent its close frame already: 1007 for bad UTF-8, 1009 for a message above the limit. */
  #fail(error: NodeJS.ErrnoException): void {
    const code = error.code ?? '';
    if (code.startsWith('WS_ERR')) {
      const fault = code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' ? 'message-too-large' : 'websocket-frame';
      countReason(this.#tally.parseErrors, fault);
      this.#life.end('malformed');
    } else {
      this.#tally.socketErrors++;
      this.#life.end(code === 'ETIMEDOUT' ? 'peer-unreachable' : 'socket-error');
    }
  }
}

/** Those of HTTP are gone, but their places would stay for as long as the connection: 0.6 kB. */
function forgetFormerListeners(socket: Socket): void {
  const present = socket.eventNames().map((name) => [name, socket.rawListeners(name)] as const);
  socket.removeAllListeners();
  for (const [name, listeners] of present)
    for (const listener of listeners) socket.on(String(name), listener as () => void);
}

function wholeMessage(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? Buffer.from(data) : asBuffer(data);
}

/** CRLF or CRLFCRLF, and an empty message, which asks for nothing else. */
function isKeepalive(bytes: Uint8Array): boolean {
  if (bytes.length > 4 || bytes.length % 2 !== 0) return false;
  for (let i = 0; i < bytes.length; i += 2) if (bytes[i] !== 13 || bytes[i + 1] !== 10) return false;
  return true;
}
