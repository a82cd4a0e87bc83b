import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

export interface SrvData {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

export interface NaptrData {
  readonly order: number;
  readonly preference: number;
  readonly flags: string;
  readonly service: string;
  readonly replacement: string;
}

const typeNumbers = { A: 1, AAAA: 28, SRV: 33, NAPTR: 35 } as const;
type RecordType = keyof typeof typeNumbers;

interface ZoneRecord {
  readonly type: RecordType;
  readonly ttl: number;
  readonly data: Buffer;
}

const classInternet = 1;
const responseFlags = 0x8580; // response, authoritative, recursion desired and available
const truncated = 0x0200;
const serverFailure = 2;
const nameError = 3;
const headerBytes = 12;

/** A name server of its own on the loopback address: real packets over UDP and TCP (RFC 1035 §4). */
export class DnsServer {
  /** What was asked, as `SRV _sip._udp.example`, in order. */
  readonly questions: string[] = [];
  /** Names that get no answer at all. */
  readonly silent: Set<string> = new Set();
  /** Names at which the server fails (SERVFAIL). */
  readonly broken: Set<string> = new Set();
  /** Names whose answers over UDP are cut, so that the resolver has to ask again over TCP. */
  readonly overlong: Set<string> = new Set();
  readonly #zone = new Map<string, ZoneRecord[]>();
  readonly #udp: UdpSocket = createSocket('udp4');
  readonly #tcp: Server = createServer((socket) => this.#serve(socket));
  readonly #connections = new Set<Socket>();
  #port = 0;

  static async open(): Promise<DnsServer> {
    const server = new DnsServer();
    server.#tcp.listen(0, '127.0.0.1');
    await once(server.#tcp, 'listening');
    const address = server.#tcp.address();
    server.#port = typeof address === 'object' && address !== null ? address.port : 0;
    server.#udp.on('message', (packet, { address: host, port }) => {
      const answer = server.#answer(packet, 'udp');
      if (answer !== undefined) server.#udp.send(answer, port, host);
    });
    server.#udp.bind(server.#port, '127.0.0.1');
    await once(server.#udp, 'listening');
    return server;
  }

  /** As the `dns.servers` of a configuration. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  a(name: string, address: string, ttl = 60): void {
    this.#add(name, { type: 'A', ttl, data: Buffer.from(address.split('.').map(Number)) });
  }

  /** All eight groups written out. */
  aaaa(name: string, address: string, ttl = 60): void {
    const data = Buffer.from(
      address
        .split(':')
        .map((group) => group.padStart(4, '0'))
        .join(''),
      'hex',
    );
    this.#add(name, { type: 'AAAA', ttl, data });
  }

  srv(name: string, { priority, weight, port, target }: SrvData, ttl = 60): void {
    const data = Buffer.concat([numbers(priority, weight, port), encodeName(target)]);
    this.#add(name, { type: 'SRV', ttl, data });
  }

  naptr(name: string, record: NaptrData, ttl = 60): void {
    const { order, preference, flags, service, replacement } = record;
    const texts = [flags, service, ''].map((text) =>
      Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]),
    );
    const data = Buffer.concat([numbers(order, preference), ...texts, encodeName(replacement)]);
    this.#add(name, { type: 'NAPTR', ttl, data });
  }

  async close(): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    this.#udp.close();
    this.#tcp.close();
    await once(this.#tcp, 'close');
  }

  #add(name: string, record: ZoneRecord): void {
    const key = name.toLowerCase();
    this.#zone.set(key, [...(this.#zone.get(key) ?? []), record]);
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#connections.delete(socket));
    let pending: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      // RFC 1035 §4.2.2: each message after its length.
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        const answer = this.#answer(pending.subarray(2, end), 'tcp');
        if (answer !== undefined) socket.write(Buffer.concat([numbers(answer.length), answer]));
        pending = pending.subarray(end);
      }
    });
  }

  #answer(packet: Buffer, transport: 'udp' | 'tcp'): Buffer | undefined {
    const { name, end } = decodeName(packet, headerBytes);
    const typeNumber = packet.readUInt16BE(end);
    const type = Object.entries(typeNumbers).find(([, number]) => number === typeNumber)?.[0];
    this.questions.push(`${type ?? typeNumber} ${name}${transport === 'tcp' ? ' over TCP' : ''}`);
    if (this.silent.has(name)) return undefined;
    const question = packet.subarray(headerBytes, end + 4);
    const records = this.#zone.get(name);
    const found = (records ?? []).filter((record) => record.type === type);
    const header = (flags: number, count: number): Buffer =>
      Buffer.concat([packet.subarray(0, 2), numbers(flags, 1, count, 0, 0), question]);
    if (this.broken.has(name)) return header(responseFlags | serverFailure, 0);
    if (records === undefined) return header(responseFlags | nameError, 0);
    if (transport === 'udp' && this.overlong.has(name)) return header(responseFlags | truncated, 0);
    return Buffer.concat([
      header(responseFlags, found.length),
      ...found.flatMap(({ ttl, data }) => [
        // A pointer to the name in the question (RFC 1035 §4.1.4).
        numbers(0xc000 | headerBytes, typeNumber, classInternet, ttl >>> 16, ttl & 0xffff, data.length),
        data,
      ]),
    ]);
  }
}

/** 16-bit numbers in network order. */
function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [at, value] of values.entries()) bytes.writeUInt16BE(value, at * 2);
  return bytes;
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  const parts = labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...parts, Buffer.from([0])]);
}

function decodeName(packet: Buffer, from: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = from;
  for (let length = packet[at] ?? 0; length > 0; length = packet[at] ?? 0) {
    labels.push(packet.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}
