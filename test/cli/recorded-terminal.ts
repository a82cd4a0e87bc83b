import { runCommandLine } from '../../src/cli/program.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

export interface CommandResult {
  readonly code: number;
  /** Standard output, lines joined. */
  readonly out: string;
  readonly err: string;
}

/** Runs one command line in this process and keeps what it prints. */
export function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  return startCli(args, env).done;
}

/** A command that goes on until it is interrupted. */
export interface RunningCommand {
  readonly done: Promise<CommandResult>;
  /** What it has printed so far. */
  readonly out: readonly string[];
  /** As Ctrl-C does. */
  interrupt(): void;
}

export function startCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): RunningCommand {
  const out: string[] = [];
  const err: string[] = [];
  const listeners = new Set<() => void>();
  const terminal: Terminal = {
    env,
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    onSignal: (listener) => {
      const listening = (): void => listener('SIGINT');
      listeners.add(listening);
      return () => void listeners.delete(listening);
    },
    onHangup: () => () => undefined,
  };
  const done = runCommandLine(args, terminal).then((code) => ({
    code,
    out: out.join('\n'),
    err: err.join('\n'),
  }));
  return {
    done,
    out,
    interrupt: () => {
      for (const listener of listeners) listener();
    },
  };
}

/** The JSON lines of a command's output. */
export function jsonLines(text: string): readonly Readonly<Record<string, unknown>>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
}
