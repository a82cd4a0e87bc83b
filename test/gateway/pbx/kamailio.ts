import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../support/free-port.ts';
import { until } from '../../support/until.ts';

const configuration = new URL('kamailio.cfg', import.meta.url).pathname;

export interface KamailioOptions {
  /** An address of 127.0.0.0/8 by which the gateway knows it. */
  readonly host: string;
  /** Its SIP domain and realm. */
  readonly domain?: string;
  /** `DIGEST`: it challenges every REGISTER; `CHALLENGE_CALLS`: and every INVITE. */
  readonly define?: readonly ('DIGEST' | 'CHALLENGE_CALLS')[];
}

/** Debian's kamailio as a PBX; its registrations live in memory and die with it. */
export class Kamailio {
  readonly host: string;
  readonly port: number;
  readonly domain: string;
  readonly #define: readonly string[];
  readonly #directory = mkdtempSync(join(tmpdir(), 'tibet-sip-kamailio-'));
  #child: ChildProcess | undefined;
  #log = '';

  private constructor(options: KamailioOptions, port: number) {
    this.host = options.host;
    this.port = port;
    this.domain = options.domain ?? 'pbx.test';
    this.#define = options.define ?? [];
  }

  static async open(options: KamailioOptions): Promise<Kamailio> {
    const kamailio = new Kamailio(options, await freePort());
    await kamailio.start().catch(async (error: unknown) => {
      await kamailio.close();
      throw error;
    });
    return kamailio;
  }

  get log(): string {
    return this.#log;
  }

  /** Resolves once it answers OPTIONS. */
  async start(): Promise<void> {
    const listen = `${this.host}:${this.port}`;
    const args = [
      ...[
        '-f',
        configuration,
        '-DD',
        '-E',
        '-m',
        '32',
        '-M',
        '4',
        '-w',
        this.#directory,
        '-Y',
        this.#directory,
      ],
      ...['-A', `LISTEN_UDP=udp:${listen}`, '-A', `LISTEN_TCP=tcp:${listen}`],
      ...['-A', `DOMAIN="${this.domain}"`],
      ...this.#define.flatMap((name) => ['-A', name]),
    ];
    // A group of its own: its workers outlive a main process that is killed.
    const child = spawn('kamailio', args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    this.#child = child;
    const killGroup = (): void => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    process.once('exit', killGroup);
    child.once('exit', () => process.off('exit', killGroup));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
    });
    await until(
      `kamailio answers at ${listen}`,
      () => {
        if (child.exitCode !== null) throw new Error(`kamailio ended: ${this.#log.slice(-2_000)}`);
        return this.#answers();
      },
      15_000,
    );
  }

  /** As a crash does it: without a word, and with all that it knew, workers and all. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const { pid } = child;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    // Now and then it waits for one of its workers for good.
    const patience = setTimeout(() => process.kill(-pid, 'SIGKILL'), 2_000);
    await ended;
    clearTimeout(patience);
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    const socket = createSocket('udp4');
    try {
      socket.bind(0, this.host);
      await once(socket, 'listening');
      const { port } = socket.address();
      const heard = once(socket, 'message', { signal: AbortSignal.timeout(200) });
      socket.send(
        [
          'OPTIONS sip:pbx.test SIP/2.0',
          `Via: SIP/2.0/UDP ${this.host}:${port};branch=z9hG4bK${port}`,
          `From: <sip:probe@test>;tag=${port}`,
          'To: <sip:pbx.test>',
          `Call-ID: probe-${port}`,
          'CSeq: 1 OPTIONS',
          'Max-Forwards: 70',
          'Content-Length: 0',
          '',
          '',
        ].join('\r\n'),
        this.port,
        this.host,
      );
      await heard;
      return true;
    } catch {
      return false;
    } finally {
      socket.close();
    }
  }
}
