import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LogVerdict, verifyLog } from '../../src/provenance/index.ts';
import { diceOf } from '../fuzz/mutation.ts';
import { TestAuthority } from '../support/certificates.ts';
import { type GatewayProcess, startGateway } from '../support/processes.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import type { TlsTrust } from '../support/sip-wire.ts';
import { addStockPhones, domain, type StockPhone } from '../support/stock-phones.ts';
import { type Scene, type Stage, scenes } from './scenes.ts';
import {
  type Allowance,
  collecting,
  leaks,
  signsAfterCollection,
  signsLine,
  type VitalSigns,
  vitalSignsOf,
} from './vital-signs.ts';

export interface SoakOptions {
  readonly dataDir: string;
  readonly loadMs: number;
  /** Load before the start values are taken, so that caches and compiled code are there. */
  readonly warmUpMs: number;
  /** Pairs of phones that play at a time. */
  readonly workers: number;
  readonly seed: number;
  readonly allowance: Pick<Allowance, 'heapBytes' | 'descriptors'>;
  /** Whether garbage is collected before memory is looked at: takes seconds, and finds leaks of a few megabytes. */
  readonly collects: boolean;
  /** Scenes to leave out. */
  readonly without?: readonly string[];
  readonly report: (line: string) => void;
}

export interface SoakVerdict {
  /** What is wrong, one line each; empty when all is well. */
  readonly faults: readonly string[];
  readonly played: number;
}

const maxUdpFlows = 256;
/**
 * The longest that anything may last without a phone: 64 * T1 after the last retransmission of a CANCEL that follows
 * timer C, or the limit on a call and the minute between two looks at it.
 */
const settleMs = 100_000;
const lookEveryMs = 1_000;
const reportEveryMs = 10_000;

const listen = ['udp', 'tcp', 'tls', 'ws', 'wss'].map((name) => `${name}://127.0.0.1:0`).join(', ');

/** Short where the defaults would make whoever looks at a soak wait. */
const set = [
  'log.level=warn',
  'calls.ringTimeoutMs=5000',
  'calls.maxDurationMs=5000',
  `limits.transport.maxUdpFlows=${maxUdpFlows}`,
  'limits.transport.idleTimeoutMs=8000',
  'limits.transport.messageTimeoutMs=3000',
  'limits.transport.pingIntervalMs=2000',
  'limits.transport.pongTimeoutMs=2000',
];

/** Plays mixed scenes against a gateway in a process of its own, and says what it did not give back. */
export async function soak(options: SoakOptions): Promise<SoakVerdict> {
  const users = Array.from({ length: options.workers * 2 }, (_, index) => `soak${index}`);
  const phones = await addStockPhones(options.dataDir, users);
  const authority = new TestAuthority();
  const { cert, key } = authority.issue({ commonName: domain, altNames: [`DNS:${domain}`] });
  const trust = { servername: domain, ca: readFileSync(authority.ca, 'utf8') };
  const gateway = await startGateway({
    dataDir: options.dataDir,
    set: [...set, `listen=${listen}`, `tls={cert: ${cert}, key: ${key}}`],
    nodeOptions: options.collects ? collecting(options.dataDir) : [],
  });
  let run: SoakRun;
  try {
    run = new SoakRun(gateway, phones, trust, options);
    await run.play();
  } finally {
    await gateway.stop();
    authority.remove();
  }
  const verdict: LogVerdict = await verifyLog({ directory: join(options.dataDir, 'log') });
  const faults = verdict.valid ? run.faults : [...run.faults, 'the log does not verify'];
  return { faults, played: run.played };
}

class SoakRun {
  readonly faults: string[] = [];
  played = 0;
  readonly #gateway: GatewayProcess;
  readonly #phones: readonly StockPhone[];
  readonly #trust: TlsTrust;
  readonly #options: SoakOptions;
  readonly #left: (() => void)[] = [];

  constructor(gateway: GatewayProcess, phones: readonly StockPhone[], trust: TlsTrust, options: SoakOptions) {
    this.#gateway = gateway;
    this.#phones = phones;
    this.#trust = trust;
    this.#options = options;
  }

  async play(): Promise<void> {
    const { warmUpMs, loadMs, allowance, report } = this.#options;
    const bounds = { ...allowance, udpFlows: maxUdpFlows };
    const nothing = await vitalSignsOf(this.#gateway);
    report(`fresh: ${signsLine(nothing)}`);
    await this.#load(warmUpMs);
    // Of memory the value that counts is the one after the warm-up, all else is held against the fresh process.
    const warm = await this.#settled(nothing, { ...bounds, heapBytes: Number.POSITIVE_INFINITY });
    report(`start: ${signsLine(warm)}`);
    const start = { ...nothing, heapBytes: warm.heapBytes };
    await this.#load(loadMs);
    const end = await this.#settled(start, bounds);
    report(`end:   ${signsLine(end)}`);
    this.faults.push(...leaks(start, end, bounds));
    for (const close of this.#left.splice(0)) close();
  }

  async #load(durationMs: number): Promise<void> {
    const deadline = performance.now() + durationMs;
    const reporter = setInterval(() => {
      void vitalSignsOf(this.#gateway).then(
        (signs) => this.#options.report(`${this.played} scenes; ${signsLine(signs)}`),
        (error: unknown) => this.#options.report(`the gateway gives no status: ${String(error)}`),
      );
    }, reportEveryMs);
    const workers = Array.from({ length: this.#options.workers }, (_, index) => this.#work(index, deadline));
    await Promise.all(workers).finally(() => clearInterval(reporter));
  }

  async #work(index: number, deadline: number): Promise<void> {
    const [caller, callee] = this.#phones.slice(2 * index, 2 * index + 2);
    if (caller === undefined || callee === undefined) throw new Error('too few phones');
    const dice = diceOf(this.#options.seed + index);
    const leave = (close: () => void): void => void this.#left.push(close);
    const phones = new Set<SipAgent>();
    const stage: Stage = { gateway: this.#gateway, trust: this.#trust, dice, caller, callee, phones, leave };
    const { without = [] } = this.#options;
    const deck = Object.entries(scenes)
      .filter(([name]) => !without.includes(name))
      .flatMap(([name, { play, weight }]) => Array<[string, Scene]>(weight).fill([name, play]));
    while (performance.now() < deadline) {
      const [name, play] = deck[dice(deck.length)] ?? ['nothing', async () => {}];
      await play(stage).catch((error: unknown) => {
        const fault = `${name}: ${error instanceof Error ? error.message : String(error)}`;
        this.faults.push(fault);
        this.#options.report(fault);
      });
      await Promise.allSettled([...phones].map((phone) => phone.close()));
      phones.clear();
      this.played++;
    }
  }

  /** The signs once nothing is more than at the start any longer, or when that has taken too long. */
  async #settled(start: VitalSigns, allowance: Allowance): Promise<VitalSigns> {
    const { collects, dataDir } = this.#options;
    const bounds = collects ? { ...allowance, heapBytes: Number.POSITIVE_INFINITY } : allowance;
    const deadline = performance.now() + settleMs;
    for (;;) {
      const signs = await vitalSignsOf(this.#gateway);
      if (leaks(start, signs, bounds).length === 0 || performance.now() > deadline)
        return collects ? await signsAfterCollection(this.#gateway, dataDir) : signs;
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
    }
  }
}
