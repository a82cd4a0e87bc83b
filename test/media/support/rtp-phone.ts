import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

export interface Heard {
  readonly packet: Buffer;
  readonly from: RemoteInfo;
}

/** What a telephone does with media: sends RTP from one port, and keeps what arrives there. */
export class RtpPhone {
  readonly heard: Heard[] = [];
  readonly #socket: Socket;
  #sequence = Math.floor(Math.random() * 30_000);
  #timestamp = 0;
  readonly ssrc: number = Math.floor(Math.random() * 0xffff_ffff);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (packet, from) => this.heard.push({ packet, from }));
    socket.on('error', () => {});
  }

  static async open(address = '127.0.0.1', port = 0): Promise<RtpPhone> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.bind(port, address);
    await once(socket, 'listening');
    return new RtpPhone(socket);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get address(): string {
    return this.#socket.address().address;
  }

  /** The text of what was heard, without RTP headers. */
  get texts(): string[] {
    return this.heard.map(({ packet }) => packet.subarray(12).toString());
  }

  send(packet: Uint8Array, port: number, address: string = this.address): void {
    this.#socket.send(packet, port, address);
  }

  /** One RTP packet with `text` in it. */
  say(text: string, port: number, address: string = this.address, skip = 0): void {
    this.#sequence = (this.#sequence + 1 + skip) & 0xffff;
    this.#timestamp += 160 * (1 + skip);
    this.send(rtpPacket(text, this.#sequence, this.#timestamp, this.ssrc), port, address);
  }

  /** Waits until something with `text` in it arrives, which is said by `speak` again and again. */
  async hears(text: string, speak: () => void = () => {}): Promise<void> {
    const deadline = Date.now() + 5_000;
    while (!this.texts.some((heard) => heard.includes(text))) {
      if (Date.now() > deadline) throw new Error(`never heard: ${text}`);
      speak();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  close(): void {
    this.#socket.close();
  }
}

export function rtpPacket(text: string, sequence: number, timestamp: number, ssrc: number): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(0x80, 0);
  header.writeUInt16BE(sequence, 2);
  header.writeUInt32BE(timestamp >>> 0, 4);
  header.writeUInt32BE(ssrc >>> 0, 8);
  return Buffer.concat([header, Buffer.from(text)]);
}

export function rtcpPacket(ssrc: number): Buffer {
  const packet = Buffer.from([0x80, 201, 0, 1, 0, 0, 0, 0]);
  packet.writeUInt32BE(ssrc >>> 0, 4);
  return packet;
}
