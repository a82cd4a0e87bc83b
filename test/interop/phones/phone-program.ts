import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { endWithTest } from '../../support/processes.ts';

/** How long a phone may take to unregister before it is killed. */
const goodbyeMs = 5_000;

/** Why a program cannot be tried here, and what to do about it; undefined when it can. */
export function whyMissing(program: string, debianPackage: string): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(':');
  if (directories.some((directory) => existsSync(join(directory, program)))) return undefined;
  return `${program} is not installed: apt-get install --no-install-recommends ${debianPackage}`;
}

/** A phone that is a process of its own. */
export class PhoneProgram {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #output: string[] = [];

  constructor(command: string, args: readonly string[], home: string) {
    const child = spawn(command, args, {
      env: { ...process.env, HOME: home },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    endWithTest(child);
    this.#child = child;
    this.#exited = once(child, 'exit');
    this.stdin = child.stdin.on('error', () => {});
    this.stdout = child.stdout;
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (part: string) => this.#output.push(part));
  }

  /** What it has printed so far. */
  get output(): string {
    return this.#output.join('');
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Once it has been asked to end: waits until it has, and kills it when it does not. */
  async exited(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), goodbyeMs);
    await this.#exited;
    clearTimeout(timer);
  }
}
