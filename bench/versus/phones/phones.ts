import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { endWithTest } from '../../../test/support/processes.ts';
import type { Busy, CommandName, Commands } from './commands.ts';

/** A load generator in a process of its own: phones on raw sockets that register, call and answer. */
export class Phones {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(new URL('process.ts', import.meta.url), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    endWithTest(this.#child);
  }

  /** Asks for one thing; the next one after its answer. */
  async ask<Name extends CommandName>(
    name: Name,
    options: Commands[Name]['asked'],
  ): Promise<Commands[Name]['answer'] & Busy> {
    this.#child.send({ name, options });
    const [{ answer, error }] = (await once(this.#child, 'message')) as [
      { readonly answer?: Commands[Name]['answer'] & Busy; readonly error?: string },
    ];
    if (answer === undefined) throw new Error(`load generator: ${error}`);
    return answer;
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
