import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { until } from '../support/until.ts';
import type { HomeName, LabNetwork } from './network.ts';
import type { CrowdOrder } from './programs/crowd.ts';

const program = new URL('programs/crowd.ts', import.meta.url).pathname;
const patienceMs = 30_000;

export interface CrowdOptions extends Omit<CrowdOrder, 'members'> {
  readonly home: HomeName;
  readonly members: readonly { readonly name: string; readonly password: string }[];
}

/** Many small phones of our own in one home, at the same inside addresses as the crowd of any other home. */
export class Crowd {
  readonly said: string[] = [];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on('line', (line) => this.said.push(line));
  }

  static async open(network: LabNetwork, { home, members, ...order }: CrowdOptions): Promise<Crowd> {
    const namespace = `crowd-${home}`;
    const placed = members.map((member, at) => ({
      ...member,
      address: `10.0.${1 + (at >> 7)}.${1 + (at & 127)}`,
    }));
    await network.addPhone(namespace, { home, address: '10.0.0.99' });
    await network.addAddresses(
      namespace,
      placed.map(({ address }) => address),
    );
    const full: CrowdOrder = { ...order, members: placed };
    const child = network.sandbox.spawn(namespace, [process.execPath, program, JSON.stringify(full)], {
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
