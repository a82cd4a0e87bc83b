import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerDemo } from '../../src/cli/demo.ts';
import { explain } from '../../src/cli/failure.ts';
import { runCommandLine } from '../../src/cli/program.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { run, tibetSipCommand } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { jsonLines, runCli } from './recorded-terminal.ts';

let temporary: string;
const before = process.env['TMPDIR'];

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'tibet-sip-test-'));
  // Where the demo makes its own directory, in this process and in others.
  process.env['TMPDIR'] = temporary;
});
afterAll(async () => {
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  await rm(temporary, { recursive: true, force: true });
});

describe('tibet-sip demo', () => {
  it('tells all ten steps, exits 0 and leaves nothing behind', async () => {
    const { code, out, err } = await run(...split('demo'), { timeoutMs: 60_000 });
    expect(code, out + err).toBe(0);
    const steps = out.match(/^ ?\d+(?= {2}\S)/gm)?.map(Number);
    expect(steps).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(out).toContain('"callback, ticket 4711" (assurance 3, checked with her public key)');
    expect(out).toContain('the desk phone has answered');
    expect(out).toContain('"the printer is back" (assurance 1, signed by the gateway)');
    expect(out).toContain('refused: 403 Name Held By Another Key');
    expect(out).toMatch(/call\.answer +jis:desk-7 -> jis:alice +the printer is back/);
    expect(out).toContain('NOT intact');
    expect(err).toBe('');
    expect(left()).toEqual([]);
  });

  it('tells programs the same as JSON lines', async () => {
    const { code, out, err } = await runCli(['demo', '--json']);
    expect(code, err).toBe(0);
    expect(jsonLines(out).flatMap(({ step }) => (step === '' ? [] : [step]))).toEqual(
      Array.from({ length: 10 }, (_, at) => String(at + 1)),
    );
  });

  it('leaves nothing behind when it is interrupted', async () => {
    const [node, args] = split('demo');
    const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const exited = once(child, 'exit');
    await until('the demo has begun', () => left().length > 0);
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    expect(await exited).toEqual([130, null]);
    expect(left()).toEqual([]);
  });

  it('leaves nothing behind when nobody reads on: demo | head -1', async () => {
    const [node, args] = split('demo');
    const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    child.stdout.destroy();
    await exited;
    expect(left()).toEqual([]);
  });

  it.each([
    ['audit verify', 'a log that verifies only when it should not', 0],
    ['identity new', 'an identity that cannot be made', 8],
    ['audit list', 'a list that fails', 1],
  ])('fails when the step "%s" fails: %s', async (command, _, outcome) => {
    const told: string[] = [];
    const terminal: Terminal = {
      env: {},
      out: (text) => void told.push(text),
      err: (text) => void told.push(text),
      onSignal: () => () => {},
      onHangup: () => () => {},
    };
    const program = new Command('tibet-sip').exitOverride();
    registerDemo(program, terminal, async (args, inner) =>
      args.slice(0, 2).join(' ') === command ? outcome : runCommandLine(args, inner),
    );
    const failure: unknown = await program.parseAsync(['demo'], { from: 'user' }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure, told.join('\n')).toBeDefined();
    expect(explain(failure)).toMatchObject({ reason: 'failure' });
    expect(explain(failure).lines[0]).toContain(`"${command}`);
    expect(left()).toEqual([]);
  });
});

/** The demo's own directories that are still there. */
function left(): readonly string[] {
  return readdirSync(temporary).filter((name) => name.startsWith('tibet-sip-demo-'));
}

function split(...args: string[]): [string, string[]] {
  const [node, main] = tibetSipCommand;
  return [node, [main, ...args]];
}
