import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { until } from '../../support/until.ts';
import { Ear } from '../ear.ts';

export interface PhoneOptions {
  /** Its user, namespace and directory. */
  readonly name: string;
  readonly password: string;
  readonly domain: string;
  /** Address and port. */
  readonly gateway: string;
  /** What it plays into every call. */
  readonly toneHertz: number;
  readonly registerSeconds?: number;
  /** Whether it sends keepalives and notices when its mapping changes (RFC 5626); by default it does. */
  readonly keepsAlive?: boolean;
}

/** What a phone program is told, and what it says when something has happened. */
export interface PhoneWords {
  readonly toneHertz: number;
  readonly program: string;
  readonly recordings: () => readonly string[];
  readonly dial: (callee: string) => string;
  readonly hangUp: string;
  readonly quit: string;
  readonly established: string;
  readonly ended: string;
}

const patienceMs = 15_000;
/** How long it may take to unregister before it is killed. */
const goodbyeMs = 3_000;

/** A phone program of somebody else, behind a NAT of the lab. */
export class LabPhone {
  readonly name: string;
  readonly program: string;
  readonly toneHertz: number;
  readonly #child: ChildProcess;
  readonly #words: PhoneWords;
  #output = '';
  /** What it said before this is of no interest any more. */
  #from = 0;

  constructor(name: string, child: ChildProcess, words: PhoneWords) {
    this.name = name;
    this.program = words.program;
    this.toneHertz = words.toneHertz;
    this.#child = child;
    this.#words = words;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (part: string) => {
        this.#output += part;
      });
  }

  type(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  dial(callee: string): void {
    this.#from = this.#output.length;
    this.type(this.#words.dial(callee));
  }

  expectCall(): void {
    this.#from = this.#output.length;
  }

  async established(): Promise<void> {
    await this.#says(this.#words.established);
  }

  async ended(): Promise<void> {
    await this.#says(this.#words.ended);
  }

  hangUp(): void {
    this.type(this.#words.hangUp);
  }

  /** Its last words. */
  story(): string {
    return `${this.name} (${this.program}) said:\n${this.#output.slice(-3_000)}`;
  }

  /** Listens to a tone from now on. */
  listenFor(hertz: number): Ear {
    return new Ear(this.#words.recordings, hertz);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.type(this.#words.quit);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), goodbyeMs);
    await ended;
    clearTimeout(timer);
  }

  async #says(text: string): Promise<void> {
    const said = (): boolean => {
      const at = this.#output.indexOf(text, this.#from);
      if (at >= 0) this.#from = at + text.length;
      return at >= 0;
    };
    await until(`${this.name} says "${text}"`, said, patienceMs).catch((error: unknown) => {
      throw new Error(this.story(), { cause: error });
    });
  }
}
