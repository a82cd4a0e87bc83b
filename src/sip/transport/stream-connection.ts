import type { Socket } from 'node:net';
import { type SipMessage, SipParseError, StreamFramer, serializeMessage } from '../message/index.ts';
import { endsOf } from './acceptor.ts';
import type { Ticket } from './admission.ts';
import { type CloseReason, type Connection, type ConnectionHost, ConnectionLife } from './connection-life.ts';
import type { Endpoint, PeerCertificate } from './flow.ts';
import { toleratedSilenceMs } from './keepalive-watch.ts';
import type { Tally } from './statistics.ts';
import { WriteProgress } from './write-progress.ts';

/** RFC 5626 §4.4.1: the answer to a CRLFCRLF. */
const pong = Buffer.from('\r\n');
const never = -1;

export interface StreamConnectionOptions {
  readonly id: string;
  readonly transport: 'tcp' | 'tls';
  readonly socket: Socket;
  readonly peerCertificate: PeerCertificate | undefined;
  /** Undefined for a connection that we opened. */
  readonly ticket: Ticket | undefined;
  readonly host: ConnectionHost;
  readonly tally: Tally;
}

/** A TCP or TLS connection: a stream cut into messages by Content-Length (RFC 3261 §18.3). */
export class StreamConnection implements Connection {
  readonly id: string;
  readonly transport: 'tcp' | 'tls';
  readonly reliable = true;
  readonly dialled: boolean;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly peerCertificate: PeerCertificate | undefined;
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #tally: Tally;
  readonly #life: ConnectionLife;
  readonly #framer: StreamFramer;
  readonly #openedAtMs: number;
  readonly #writes = new WriteProgress();
  /** Longest silence that was agreed upon (RFC 6223). */
  #agreedSilenceMs = Number.POSITIVE_INFINITY;
  /** When the last byte came; `never` before the first. */
  #heardAtMs = never;
  /** When the message that is still incomplete began; `never` between messages. */
  #partialSinceMs = never;

  constructor(options: StreamConnectionOptions) {
    const { id, transport, socket, host } = options;
    this.id = id;
    this.transport = transport;
    this.dialled = options.ticket === undefined;
    const { local, remote } = options.ticket?.ends ?? endsOf(socket);
    this.local = local;
    this.remote = remote;
    this.peerCertificate = options.peerCertificate;
    this.#socket = socket;
    this.#host = host;
    this.#tally = options.tally;
    this.#life = new ConnectionLife(this, host, options.tally, options.ticket);
    this.#framer = new StreamFramer(
      host.limits.message,
      options.ticket === undefined ? 'opened' : 'accepted',
    );
    this.#openedAtMs = host.clock.monotonicMs();
  }

  get secure(): boolean {
    return this.transport === 'tls';
  }

  get open(): boolean {
    return this.#life.open;
  }

  /** Takes the socket into service. */
  start(): void {
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    // Node would tear the socket down within the reading of its end.
    socket.allowHalfOpen = true;
    socket.on('end', () => this.#life.endByPeer(() => socket.end()));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#tally.socketErrors++;
      // The kernel's word that keepalive probes or retransmissions found nobody.
      this.#life.end(error.code === 'ETIMEDOUT' ? 'peer-unreachable' : 'socket-error');
    });
    socket.on('close', () => this.#life.finish('peer-closed'));
    this.#life.begin();
  }

  send(message: SipMessage | Uint8Array): boolean {
    const bytes = message instanceof Uint8Array ? message : serializeMessage(message);
    if (!this.#life.open || !this.#socket.writable) {
      this.#tally.sendFailures++;
      return false;
    }
    // A stream with a message left out is of no use to anybody: a peer that doesn't read is let go.
    if (this.#socket.writableLength + bytes.length > this.#host.limits.maxSendBufferBytes) {
      this.#tally.sendFailures++;
      this.abort('send-buffer-full');
      return false;
    }
    this.#socket.write(bytes);
    this.#tally.messagesOut++;
    this.#tally.bytesOut += bytes.length;
    return true;
  }

  close(reason: string): void {
    // Input is still read and dropped: unread bytes would turn our FIN into a reset that overtakes the last answer.
    if (this.#life.end(reason)) this.#socket.end();
  }

  abort(reason: CloseReason): void {
    this.#life.end(reason);
    this.#socket.destroy();
  }

  expectKeepalives(seconds: number): void {
    this.#agreedSilenceMs = seconds === 0 ? Number.POSITIVE_INFINITY : toleratedSilenceMs(seconds);
  }

  reportUnanswered(waitedMs: number): void {
    const heardAtMs = Math.max(this.#heardAtMs, this.#openedAtMs);
    if (this.#host.clock.monotonicMs() - heardAtMs >= waitedMs) this.abort('no-answer');
  }

  sweep(nowMs: number): void {
    if (!this.#life.open) {
      if (this.#life.overdue(nowMs)) this.#socket.destroy();
      return;
    }
    const { firstByteTimeoutMs, messageTimeoutMs, idleTimeoutMs, sendStallTimeoutMs } = this.#host.limits;
    if (this.#writes.stalledMs(this.#socket, nowMs) >= sendStallTimeoutMs) {
      // No farewell: it would wait behind the bytes that the peer doesn't take.
      this.abort('send-stalled');
    } else if (this.#partialSinceMs !== never) {
      if (nowMs - this.#partialSinceMs >= messageTimeoutMs) this.close('message-timeout');
    } else if (this.#silentSoFar && nowMs - this.#openedAtMs >= firstByteTimeoutMs) {
      this.close('first-byte-timeout');
    } else if (this.#heardAtMs !== never && nowMs - this.#heardAtMs >= idleTimeoutMs) {
      this.close('idle');
    } else if (this.#heardAtMs !== never && nowMs - this.#heardAtMs >= this.#agreedSilenceMs) {
      this.abort('keepalive-missed');
    }
  }

  /** Keepalives say nothing of who came: a connection that holds nothing else costs as much as one without a byte. */
  get #silentSoFar(): boolean {
    return this.dialled ? this.#heardAtMs === never : !this.#life.proven;
  }

  #receive(chunk: Buffer): void {
    if (!this.#life.open) return;
    this.#tally.bytesIn += chunk.length;
    this.#heardAtMs = this.#host.clock.monotonicMs();
    try {
      this.#framer.push(chunk);
      this.#drain();
    } catch (error) {
      if (error instanceof SipParseError) this.#host.reception.refuse(error, this, this.#tally);
      else this.#host.reception.fail(error, this, this.#tally);
      this.close('malformed');
    }
  }

  /** Hands on what is complete, and notes since when the rest has been waiting. */
  #drain(): void {
    while (this.#life.open) {
      const frame = this.#framer.next();
      if (frame === undefined) {
        if (!this.#framer.midFrame) this.#partialSinceMs = never;
        else if (this.#partialSinceMs === never) this.#partialSinceMs = this.#heardAtMs;
        return;
      }
      this.#partialSinceMs = never;
      if (frame === 'keepalive-ping') {
        this.#tally.keepalives++;
        this.#answerPing();
      } else if (frame === 'keepalive-pong') {
        this.#tally.keepalives++;
      } else if (this.#host.reception.receive(frame, this, this.#tally) === 'delivered') {
        this.#life.prove();
      } else {
        this.close('malformed');
      }
    }
  }

  /** A peer that pings without reading must not fill our memory either. */
  #answerPing(): void {
    if (this.#socket.writableLength + pong.length > this.#host.limits.maxSendBufferBytes) {
      this.abort('send-buffer-full');
    } else if (this.#socket.writable) {
      this.#socket.write(pong);
    }
  }
}
