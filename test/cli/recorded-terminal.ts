import { runCommandLine } from '../../src/cli/program.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

export interface CommandResult {
  readonly code: number;
  /** Standard output, lines joined. */
  readonly out: string;
  readonly err: string;
}

/** Runs one command line in this process and keeps what it prints. */
export async function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    env,
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    onSignal: () => () => undefined,
    onHangup: () => () => undefined,
  };
  const code = await runCommandLine(args, terminal);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

/** The JSON lines of a command's output. */
export function jsonLines(text: string): readonly Readonly<Record<string, unknown>>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
}
