/** What a client of RFC 6455 needs to send and receive whole, short frames. */

const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const longLength = 126;
const maskBytes = 4;

/** A client masks (§5.3); a mask of zeros leaves the bytes as they are. The receiver unmasks all the same. */
export function webSocketFrame(kind: 'text' | 'pong', payload: Buffer): Buffer {
  const long = payload.length >= longLength;
  const head = (long ? 4 : 2) + maskBytes;
  const frame = Buffer.alloc(head + payload.length);
  frame[0] = 0x80 | opcodes[kind];
  frame[1] = 0x80 | (long ? longLength : payload.length);
  if (long) frame.writeUInt16BE(payload.length, 2);
  payload.copy(frame, head);
  return frame;
}

export interface ReceivedFrame {
  readonly kind: 'upgraded' | 'data' | 'ping' | 'other';
  readonly payload: Buffer;
}

const nothing = Buffer.alloc(0);

/** Bytes from a server: first the answer to the upgrade, then frames. */
export class WebSocketFrames {
  #waiting: Buffer = nothing;
  #upgraded = false;

  push(chunk: Buffer): readonly ReceivedFrame[] {
    this.#waiting = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk]);
    const frames: ReceivedFrame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): ReceivedFrame | undefined {
    const bytes = this.#waiting;
    if (!this.#upgraded) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0 || !bytes.toString('latin1', 0, end).startsWith('HTTP/1.1 101')) return undefined;
      this.#upgraded = true;
      return this.#taken('upgraded', end + 4, end + 4);
    }
    if (bytes.length < 2) return undefined;
    const length = (bytes[1] ?? 0) & 0x7f;
    const head = length === longLength ? 4 : 2;
    if (bytes.length < head) return undefined;
    const end = head + (length === longLength ? bytes.readUInt16BE(2) : length);
    if (bytes.length < end) return undefined;
    const opcode = (bytes[0] ?? 0) & 0x0f;
    const isData = opcode === opcodes.text || opcode === opcodes.binary;
    return this.#taken(isData ? 'data' : opcode === opcodes.ping ? 'ping' : 'other', head, end);
  }

  #taken(kind: ReceivedFrame['kind'], start: number, end: number): ReceivedFrame {
    const payload = this.#waiting.subarray(start, end);
    this.#waiting = end === this.#waiting.length ? nothing : this.#waiting.subarray(end);
    return { kind, payload };
  }
}
