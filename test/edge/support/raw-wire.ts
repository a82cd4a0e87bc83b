import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** How long something is waited for before the test fails. */
const patienceMs = 3_000;

/** An attacker's UDP socket: sends what it is given, keeps what comes. */
export class RawUdp {
  readonly received: string[] = [];
  readonly #socket: UdpSocket;
  readonly #gatewayPort: number;
  readonly #arrivals = new EventEmitter();

  private constructor(socket: UdpSocket, gatewayPort: number) {
    this.#socket = socket;
    this.#gatewayPort = gatewayPort;
    socket.on('message', (bytes) => {
      this.received.push(bytes.toString('latin1'));
      this.#arrivals.emit('arrival');
    });
  }

  /** `host` is an address of 127.0.0.0/8: another one is another source. */
  static async open(gatewayPort: number, host = '127.0.0.1'): Promise<RawUdp> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 }).bind(0, host);
    await once(socket, 'listening');
    return new RawUdp(socket, gatewayPort);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  send(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
    this.#socket.send(bytes, this.#gatewayPort, '127.0.0.1');
  }

  /** Resolves with the first message, from the one of this index on, that `wants` accepts. */
  async message(from: number, wants: (text: string) => boolean, what: string): Promise<string> {
    const signal = AbortSignal.timeout(patienceMs);
    for (;;) {
      const found = this.received.slice(from).find(wants);
      if (found !== undefined) return found;
      await once(this.#arrivals, 'arrival', { signal }).catch(() => {
        throw new Error(`${what} did not come: ${JSON.stringify(this.received.slice(from))}`);
      });
    }
  }

  /** Sends, and resolves with the next message that comes. */
  ask(data: string | Uint8Array): Promise<string> {
    const before = this.received.length;
    this.send(data);
    return this.message(before, (_text: string) => true, 'an answer');
  }

  close(): void {
    this.#socket.close();
  }
}

/** An attacker's TCP connection. */
export class RawTcp {
  readonly #socket: Socket;
  readonly #said: Buffer[] = [];
  readonly #changes = new EventEmitter();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    // The gateway may reset it.
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#said.push(chunk);
      this.#changes.emit('change');
    });
    socket.on('close', () => this.#changes.emit('change'));
  }

  static async open(gatewayPort: number, host = '127.0.0.1'): Promise<RawTcp> {
    const socket = connect({ port: gatewayPort, host: '127.0.0.1', localAddress: host });
    const wire = new RawTcp(socket);
    await once(socket, 'connect');
    return wire;
  }

  /** All that has come so far. */
  get said(): string {
    return Buffer.concat(this.#said).toString('latin1');
  }

  get closed(): boolean {
    return this.#socket.closed;
  }

  send(data: string | Uint8Array): void {
    this.#socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  }

  /** Sends, and resolves with what has come when the headers of a message are there. */
  async ask(data: string | Uint8Array): Promise<string> {
    const before = this.said.length;
    this.send(data);
    await this.#until(() => this.said.includes('\r\n\r\n', before), 'an answer', patienceMs);
    return this.said.slice(before);
  }

  /** Resolves with all that was said once the gateway has ended the connection. */
  async untilClosed(timeoutMs: number = patienceMs): Promise<string> {
    await this.#until(() => this.#socket.closed, 'the end of the connection', timeoutMs);
    return this.said;
  }

  /** Resolves with all that was said once `pattern` is in it, or the gateway has ended the connection. */
  async untilSaidOrClosed(pattern: RegExp): Promise<string> {
    await this.#until(() => pattern.test(this.said) || this.#socket.closed, String(pattern), patienceMs);
    return this.said;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #until(isSo: () => boolean, what: string, timeoutMs: number): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMs);
    while (!isSo())
      await once(this.#changes, 'change', { signal }).catch(() => {
        throw new Error(`${what} did not come; said so far: ${JSON.stringify(this.said)}`);
      });
  }
}
