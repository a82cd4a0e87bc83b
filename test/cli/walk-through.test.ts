import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { endWithTest, tibetSipCommand } from '../support/processes.ts';
import { until } from '../support/until.ts';

/** The ports that the page names, and the free ones that stand in for them here. */
const ports = new Map<string, string>();
const background: ChildProcess[] = [];
let directory = '';

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tibet-walk-'));
  for (const port of ['5061', '5062', '5080', '5081', '8060', '8061', '8070', '8443', '8444'])
    ports.set(port, String(await freePort()));
  // What a user has on the path.
  const [node, main] = tibetSipCommand;
  writeFileSync(join(directory, 'tibet-sip'), `#!/bin/sh\nexec '${node}' '${main}' "$@"\n`);
  chmodSync(join(directory, 'tibet-sip'), 0o755);
});
afterAll(async () => {
  await Promise.all(background.map(stopped));
  rmSync(directory, { recursive: true, force: true });
});

interface Step {
  readonly command: string;
  readonly inBackground: boolean;
  /** What stands behind `#`: what the command says, at once where it goes on running, or `refused: ` and why. */
  readonly expected: string | undefined;
}

/** The commands in the page's shell blocks, a here-document with its lines. */
function stepsOf(page: string): readonly Step[] {
  const steps: Step[] = [];
  for (const [, block = ''] of page.matchAll(/```sh\n([\s\S]*?)```/g))
    for (const [text] of block.matchAll(/^.*<<'YAML'\n[\s\S]*?^YAML$|^.+$/gm)) {
      const [command = '', expected] = text.split(/ {2}# /);
      const inBackground = command.endsWith(' &');
      steps.push({ command: inBackground ? command.slice(0, -2) : command, inBackground, expected });
    }
  return steps;
}

function start(command: string): { child: ChildProcess; said: () => string } {
  const local = command.replaceAll(/(127\.0\.0\.1:)(\d+)/g, (whole, host: string, port: string) => {
    const free = ports.get(port);
    return free === undefined ? whole : host + free;
  });
  const child = spawn('bash', ['-c', local.startsWith('cat') ? local : `exec ${local}`], {
    cwd: directory,
    env: { ...process.env, PATH: `${directory}:${process.env['PATH'] ?? ''}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  endWithTest(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  return { child, said: () => text };
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  await exited;
}

test('docs/identities.md: what a new user types, from an identity to a pseudonym with a claim that calls another operator', async () => {
  const page = readFileSync(new URL('../../docs/identities.md', import.meta.url), 'utf8');
  const steps = stepsOf(page);
  expect(steps.length).toBeGreaterThan(20);
  for (const { command, inBackground, expected } of steps) {
    const { child, said } = start(command);
    if (inBackground) {
      background.push(child);
      await until(`"${command}" says ${expected}`, () => said().includes(expected ?? ''), 30_000).catch(
        (cause: unknown) => {
          throw new Error(`it said: ${said()}`, { cause });
        },
      );
      continue;
    }
    const code = await new Promise((resolve) => child.once('close', resolve));
    const refused = expected?.startsWith('refused: ') ? expected.slice('refused: '.length) : undefined;
    if (refused === undefined) {
      expect(code, `${command}\n${said()}`).toBe(0);
      expect(said(), command).toContain(expected ?? '');
    } else {
      expect(code, command).not.toBe(0);
      expect(said(), command).toContain(refused);
    }
  }
}, 180_000);
