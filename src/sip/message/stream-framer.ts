import { asBuffer } from '../../base/index.ts';
import { cr, lf, tokenChars } from './grammar.ts';
import { findContentLength } from './header-scan.ts';
import { headersTooLarge, type MessageLimits, messageTooLarge } from './limits.ts';
import { SipParseError, withPartial } from './parse-error.ts';
import { readPartialRequest } from './partial-request.ts';

export type StreamFrame = Uint8Array | 'keepalive-ping' | 'keepalive-pong';

/**
 * Which end opened the connection. Who accepted it receives pings (CRLFCRLF), who opened it receives pongs (CRLF):
 * RFC 5626 §3.5.1. Without that a lone CRLF could not be told from half a ping.
 */
export type StreamSide = 'accepted' | 'opened';

const nothing = Buffer.alloc(0);

/**
 * Cuts a TCP or TLS byte stream into messages by Content-Length (RFC 3261 §18.3). After a thrown SipParseError the
 * stream has no known boundary any more and must be closed.
 */
export class StreamFramer {
  readonly #limits: MessageLimits;
  readonly #side: StreamSide;
  /** Bytes that arrived and belong to no frame yet: `#buffer[#start, #end)`. */
  #buffer: Buffer = nothing;
  /** A buffer that only the framer writes to: holds what came in pieces. */
  #own: Buffer = nothing;
  #start = 0;
  #end = 0;
  /** Everything before it was searched for the end of the headers. */
  #searched = 0;
  /** Length of the frame at `#start`, once its headers are known; else 0. */
  #frameBytes = 0;

  constructor(limits: MessageLimits, side: StreamSide = 'accepted') {
    this.#limits = limits;
    this.#side = side;
  }

  /** Bytes wait for the rest of their frame. A lone CRLF does not: it is what some phones keep connections open with. */
  get midFrame(): boolean {
    const pending = this.#end - this.#start;
    return pending > 0 && !(pending === 2 && this.#buffer[this.#start + 1] === lf);
  }

  /** Adds received bytes. The framer may keep a view of `chunk`: do not write into it afterwards. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const pending = this.#end - this.#start;
    if (pending === 0) {
      this.#buffer = asBuffer(chunk);
      this.#searched = 0;
    } else {
      this.#append(asBuffer(chunk), pending);
    }
    this.#start = 0;
    this.#end = pending + chunk.length;
  }

  /** Moves what is pending into a buffer of our own with room to grow, so that single bytes do not copy it each time. */
  #append(chunk: Buffer, pending: number): void {
    const needed = pending + chunk.length;
    this.#searched -= this.#start;
    let target = this.#own;
    if (target.length < needed) {
      target = Buffer.allocUnsafeSlow(Math.max(2 * needed, 1024));
      this.#own = target;
      this.#buffer.copy(target, 0, this.#start, this.#end);
    } else if (this.#buffer !== target || this.#start > 0) {
      this.#buffer.copy(target, 0, this.#start, this.#end);
    }
    chunk.copy(target, pending);
    this.#buffer = target;
  }

  /** The next frame, or undefined until more bytes arrive. */
  next(): StreamFrame | undefined {
    if (this.#frameBytes === 0) {
      const keepalive = this.#takeKeepalive();
      if (keepalive !== undefined) return keepalive;
      if (this.#start >= this.#end || this.#buffer[this.#start] === cr) return undefined;
      if (!this.#findFrame()) return undefined;
    }
    if (this.#end - this.#start < this.#frameBytes) return undefined;
    const frame = this.#buffer.subarray(this.#start, this.#start + this.#frameBytes);
    // The frame is given away: what follows must not be written over it.
    if (this.#buffer === this.#own) this.#own = nothing;
    this.#advance(this.#frameBytes);
    this.#frameBytes = 0;
    return frame;
  }

  /** An idle connection holds no bytes. */
  #advance(bytes: number): void {
    this.#start += bytes;
    this.#searched = this.#start;
    if (this.#start < this.#end) return;
    this.#buffer = nothing;
    this.#own = nothing;
    this.#start = 0;
    this.#end = 0;
    this.#searched = 0;
  }

  #takeKeepalive(): StreamFrame | undefined {
    const available = this.#end - this.#start;
    if (available < 2 || this.#buffer[this.#start] !== cr) {
      return undefined;
    }
    if (this.#buffer[this.#start + 1] !== lf) throw new SipParseError('line-break', 'bare CR');
    if (this.#side === 'opened') return this.#skip(2, 'keepalive-pong');
    if (available < 3) return undefined;
    if (this.#buffer[this.#start + 2] !== cr) return this.#skip(2, 'keepalive-pong');
    if (available < 4) return undefined;
    if (this.#buffer[this.#start + 3] !== lf) throw new SipParseError('line-break', 'bare CR');
    return this.#skip(4, 'keepalive-ping');
  }

  #skip(bytes: number, frame: StreamFrame): StreamFrame {
    this.#advance(bytes);
    return frame;
  }

  /** True once the frame's length is known. */
  #findFrame(): boolean {
    try {
      return this.#findHeadersEnd();
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error;
      const readable = Math.min(this.#end, this.#start + this.#limits.maxHeaderBytes);
      const text = this.#buffer.toString('latin1', this.#start, readable);
      throw withPartial(error, readPartialRequest(text, this.#limits));
    }
  }

  /** Walks line ends until the blank line. */
  #findHeadersEnd(): boolean {
    const { maxHeaderBytes } = this.#limits;
    if (tokenChars[this.#buffer[this.#start] ?? 0] !== 1) {
      throw new SipParseError('start-line', 'a message cannot start with this byte');
    }
    const buffer = this.#buffer;
    for (let i = this.#searched; i < this.#end; i++) {
      if (buffer[i] !== lf) continue;
      if (buffer[i - 1] !== cr) throw new SipParseError('line-break', 'bare LF');
      if (buffer[i - 2] !== lf) continue;
      if (i + 1 - this.#start > maxHeaderBytes) throw headersTooLarge(this.#limits);
      this.#frameBytes = this.#measure(i + 1);
      return true;
    }
    this.#searched = this.#end;
    if (this.#end - this.#start > maxHeaderBytes) throw headersTooLarge(this.#limits);
    return false;
  }

  /** Headers and body together. A stream without Content-Length has no frames (RFC 3261 §20.14). */
  #measure(headersEnd: number): number {
    const text = this.#buffer.toString('latin1', this.#start, headersEnd);
    const contentLength = findContentLength(text, text.indexOf('\r\n') + 2);
    if (contentLength < 0) throw new SipParseError('content-length-missing', 'no Content-Length on a stream');
    const total = text.length + contentLength;
    if (total > this.#limits.maxMessageBytes) throw messageTooLarge(this.#limits);
    return total;
  }
}
