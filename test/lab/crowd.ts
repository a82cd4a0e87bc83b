import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { until } from '../support/until.ts';
import { labDomain } from './lab.ts';
import { gatewayAddress, type HomeName, type LabNetwork } from './network.ts';
import type { CrowdMember, CrowdOrder } from './programs/crowd.ts';

const program = new URL('programs/crowd.ts', import.meta.url).pathname;
const patienceMs = 30_000;

export interface CrowdOptions {
  /** Its namespace. */
  readonly name: string;
  readonly home: HomeName;
  readonly members: readonly CrowdMember[];
}

/** Small phones of our own in one home: many, or with flows that stock phones don't have. */
export class Crowd {
  readonly said: string[] = [];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on('line', (line) => this.said.push(line));
  }

  static async open(network: LabNetwork, { name, home, members }: CrowdOptions): Promise<Crowd> {
    await network.addPhone(name, { home, address: '10.0.0.99' });
    await network.addAddresses(
      name,
      members.map(({ address }) => address),
    );
    const order: CrowdOrder = { gateway: gatewayAddress, port: 5_060, domain: labDomain, members };
    const child = network.sandbox.spawn(name, [process.execPath, program, JSON.stringify(order)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const crowd = new Crowd(child);
    await crowd.says('registered', members.length);
    return crowd;
  }

  call(from: string, to: string): void {
    this.#child.stdin?.write(`${from} ${to}\n`);
  }

  /** Its lines that begin so, once there are that many. */
  async says(start: string, count: number): Promise<readonly string[]> {
    const found = (): readonly string[] => this.said.filter((line) => line.startsWith(`${start} `));
    await until(
      `${count} lines "${start} …" of ${this.said.length}`,
      () => found().length >= count || this.#child.exitCode !== null,
      patienceMs,
    );
    if (found().length < count) throw new Error(`the crowd ended:\n${this.said.slice(-5).join('\n')}`);
    return found();
  }

  close(): void {
    this.#child.kill();
  }
}
