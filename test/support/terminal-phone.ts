import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { endWithTest, tibetSip, tibetSipCommand } from './processes.ts';
import { domain } from './stock-phones.ts';
import { until } from './until.ts';

/** A running `tibet-sip phone --json`. */
export interface TerminalPhone {
  /** The events that it has printed, by name. */
  readonly events: readonly string[];
  /** Resolves once the event has been printed for the `times`-th time. */
  seen(event: string, times?: number, timeoutMs?: number): Promise<void>;
  /** Its exit code, once it has ended by itself or otherwise. */
  readonly exited: Promise<number | null>;
  /** Ends it as Ctrl-C does. */
  stop(): Promise<number | null>;
}

/** Makes an identity and starts a phone that registers with it over WebSocket. */
export async function startTerminalPhone(options: {
  readonly name: string;
  /** For the identity's file. */
  readonly directory: string;
  readonly webSocketPort: number;
  readonly args?: readonly string[];
}): Promise<TerminalPhone> {
  const { name, directory, webSocketPort, args = [] } = options;
  const file = join(directory, `${name}.json`);
  const made = await tibetSip(['identity', 'new', '--name', `jis:${name}`, '--out', file]);
  if (made.code !== 0) throw new Error(made.err);
  const gateway = `ws://127.0.0.1:${webSocketPort}`;
  const [command, ...before] = tibetSipCommand;
  const child = spawn(
    command,
    [...before, 'phone', '--json', '--identity', file, '--gateway', gateway, '--domain', domain, ...args],
    { stdio: ['pipe', 'pipe', 'ignore'] },
  );
  endWithTest(child);
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const events: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => events.push(eventOf(line)));
  return {
    events,
    exited,
    seen: (event, times = 1, timeoutMs = 10_000) =>
      until(
        `phone ${name} says "${event}" ${times} times`,
        () => events.filter((seen) => seen === event).length >= times,
        timeoutMs,
      ),
    stop: () => {
      child.kill('SIGINT');
      return exited;
    },
  };
}

function eventOf(line: string): string {
  const said: unknown = JSON.parse(line);
  return typeof said === 'object' && said !== null && 'event' in said ? String(said.event) : line;
}
