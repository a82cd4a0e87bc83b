import type { ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Sandbox } from './sandbox.ts';

const program = new URL('programs/datagrams.ts', import.meta.url).pathname;

/** A UDP socket inside a namespace. */
export class DatagramSocket {
  readonly port: number;
  readonly received: string[] = [];
  readonly #child: ChildProcess;
  #heard: () => void = () => {};

  private constructor(child: ChildProcess, lines: Interface, port: number) {
    this.#child = child;
    this.port = port;
    lines.on('line', (line) => {
      this.received.push(line);
      this.#heard();
    });
  }

  static async open(
    sandbox: Sandbox,
    namespace: string,
    options: { readonly address?: string; readonly port?: number; readonly echo?: boolean } = {},
  ): Promise<DatagramSocket> {
    const { address = '0.0.0.0', port = 0, echo = false } = options;
    const words = [process.execPath, program, address, String(port), ...(echo ? ['--echo'] : [])];
    const child = sandbox.spawn(namespace, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (child.stdout === null) throw new Error('no output');
    const lines = createInterface({ input: child.stdout });
    const opened = await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      child.once('exit', (code) => reject(new Error(`datagrams ended with ${code}`)));
    });
    return new DatagramSocket(child, lines, Number(opened.split(' ')[1]));
  }

  send(address: string, port: number, text = 'hello'): void {
    this.#child.stdin?.write(`${address} ${port} ${text}\n`);
  }

  /** What arrives next from there, without its source; undefined when nothing does. */
  async next(from: string, timeoutMs = 2_000): Promise<string | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const at = this.received.findIndex((line) => line.startsWith(`${from} `));
      if (at >= 0) return this.received.splice(at, 1)[0]?.slice(from.length + 1);
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#heard = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** The outside address that an echoing socket sees. */
  async seenBy(address: string, port: number): Promise<string | undefined> {
    this.send(address, port);
    return this.next(`${address} ${port}`);
  }

  close(): void {
    this.#child.kill();
  }
}
