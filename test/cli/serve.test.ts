import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { runCli } from './recorded-terminal.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');
let directory = '';
let started: ChildProcessByStdio<null, Readable, Readable> | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tibet-sip-serve-'));
});
afterEach(() => {
  started?.kill('SIGKILL');
  started = undefined;
  rmSync(directory, { recursive: true });
});

/** A gateway on free ports in a process of its own. */
function serve(...args: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
  const free = [
    'listen=udp://127.0.0.1:0,tcp://127.0.0.1:0,ws://127.0.0.1:0',
    'admin.listen=http://127.0.0.1:0',
    'log.level=error',
  ];
  const sets = free.flatMap((set) => ['--set', set]);
  const child = spawn(
    process.execPath,
    [main, 'serve', '--data-dir', join(directory, 'data'), ...sets, ...args],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] },
    },
  );
  started = child;
  return child;
}

/** Collects standard output up to the first line that begins so. */
async function linesUntil(
  child: { readonly stdout: Readable },
  beginning: string,
): Promise<readonly string[]> {
  let output = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    const lines = output.split('\n');
    if (lines.some((line, at) => at < lines.length - 1 && line.startsWith(beginning)))
      return lines.slice(0, -1);
  }
  throw new Error(`the gateway ended without "${beginning}": ${output}`);
}

describe('serve', () => {
  it('prints one ready line with its addresses and three lines to try, and drains on SIGTERM with exit code 0', async () => {
    const child = serve();
    const errors = text(child.stderr);
    const lines = await linesUntil(child, '  the record:');
    expect(lines.filter((line) => line.startsWith('ready '))).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^ready udp:\/\/127\.0\.0\.1:\d+ tcp:\S+:\d+ ws:\S+:\d+ http:\/\/127\.0\.0\.1:\d+$/,
    );
    expect(lines[0]).not.toContain(':0 ');
    expect(lines).toHaveLength(4);

    const admin = lines[0]?.split(' ').at(-1) ?? '';
    const status = await runCli(['status', '--admin', admin, '--json']);
    expect(status.code, status.err).toBe(exitCodes.ok);
    expect(JSON.parse(status.out)).toMatchObject({ domain: 'localhost', callsUp: 0 });

    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([exitCodes.ok, null]);
    expect(await errors).toBe('');
  });

  it('ends with one line and its own exit code when a port is in use', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const address = holder.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const child = serve('--set', `listen=tcp://127.0.0.1:${port}`);
    const [errors, exit] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    holder.close();
    expect(exit).toEqual([exitCodes.unavailable, null]);
    expect(errors.trim().split('\n')).toHaveLength(1);
    expect(errors).toContain(`127.0.0.1:${port} is already in use`);
  });

  it('names every configuration problem before anything else happens', async () => {
    const { code, out, err } = await runCli(['serve', '--set', 'domain=""', '--set', 'colour=red']);
    expect({ code, out }).toEqual({ code: exitCodes.config, out: '' });
    expect(err.split('\n')).toHaveLength(2);
  });

  it('says in one line that the data directory cannot be written', async () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const { code, err } = await runCli(['serve', '--data-dir', join(file, 'data')]);
    expect(code).toBe(exitCodes.storage);
    expect(err.split('\n')).toHaveLength(1);
    expect(err).toContain(join(file, 'data'));
  });

  it('says so, too, where the system lets nobody make a directory', async () => {
    for (const command of [['serve'], ['device', 'add', 'jis:desk']]) {
      const { code, err } = await runCli([...command, '--data-dir', '/proc/tibet-sip/data']);
      expect(code).toBe(exitCodes.storage);
      expect(err).toContain('/proc/tibet-sip');
    }
  });

  it.each(['tls.ca', 'federation.ca', 'overlay.tls.ca'])(
    'names the file of %s that is missing or holds no certificate',
    async (key) => {
      const pair = ['--set', `tls.cert=${import.meta.filename}`, '--set', `tls.key=${import.meta.filename}`];
      const start = (file: string): ReturnType<typeof runCli> =>
        runCli(['serve', '--data-dir', directory, ...pair, '--set', `${key}=${file}`]);
      const missing = await start(join(directory, 'none.pem'));
      expect([missing.code, missing.err]).toEqual([
        exitCodes.storage,
        `tibet-sip: ${key}: ${join(directory, 'none.pem')} cannot be read (ENOENT)`,
      ]);
      const garbled = await start(import.meta.filename);
      expect(garbled.code).toBe(exitCodes.config);
      expect(garbled.err).toContain(`${key}: there is no certificate in ${import.meta.filename}`);
    },
  );

  it('says in one line that a certificate cannot be read', async () => {
    const args = [
      '--data-dir',
      directory,
      '--set',
      'listen=tls://127.0.0.1:0',
      '--set',
      'tls={cert: /nowhere/c.pem, key: /nowhere/k.pem}',
    ];
    const { code, err } = await runCli(['serve', ...args]);
    expect(code).toBe(exitCodes.storage);
    expect(err).toBe('tibet-sip: tls.cert: /nowhere/c.pem cannot be read (ENOENT)');
  });
});

describe('status', () => {
  it('says that no gateway answers, and what to do', async () => {
    const { code, err } = await runCli(['status', '--admin', 'http://127.0.0.1:9']);
    expect(code).toBe(exitCodes.unavailable);
    expect(err).toContain('tibet-sip serve');
  });
});
