import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { startGateway, tibetSip } from '../support/processes.ts';
import { runCli } from './recorded-terminal.ts';

const data = dataDirectory();
afterAll(() => data.remove());
beforeAll(async () => {
  await tibetSip(['device', 'add', 'jis:alice', '--data-dir', data.path]);
}, 60_000);

const audit = (...args: readonly string[]): ReturnType<typeof tibetSip> =>
  tibetSip(['audit', ...args, '--data-dir', data.path]);

interface Keys {
  readonly successions: readonly { readonly from: string; readonly to: string; readonly reason: string }[];
  readonly nodes: readonly { readonly node: string; readonly software: string; readonly revoked: boolean }[];
}

async function keys(): Promise<Keys> {
  const { out } = await audit('keys', 'list', '--json');
  return JSON.parse(out) as Keys;
}

test('what an auditor keeps goes on being good after a rotation, by file, directory and comparison', async () => {
  const directory = dataDirectory();
  const run = (...args: readonly string[]): ReturnType<typeof runCli> =>
    runCli(['audit', ...args, '--data-dir', directory.path]);
  const at = (name: string): string => join(directory.path, name);
  await tibetSip(['device', 'add', 'jis:alice', '--data-dir', directory.path]);
  await (await startGateway({ dataDir: directory.path })).stop();
  const vkey = readFileSync(at('log/public/vkey'), 'utf8').trim();
  writeFileSync(at('kept.txt'), `${(await run('checkpoint')).out}\n`);
  expect((await run('verify', at('kept.txt'), '--vkey', vkey)).code).toBe(exitCodes.unwitnessed);
  expect((await run('prove', '--identity', 'jis:alice', '--out', at('before.tlog-proof'))).code).toBe(0);
  expect((await run('keys', 'rotate')).code).toBe(0);
  await (await startGateway({ dataDir: directory.path })).stop();
  expect((await run('prove', '--identity', 'jis:alice', '--out', at('after.tlog-proof'))).code).toBe(0);

  const note = at('log/public/keys/1');
  const verdict = async (...args: readonly string[]): Promise<number> =>
    (await run('verify', ...args, '--vkey', vkey)).code;
  expect(await verdict(at('before.tlog-proof'))).toBe(exitCodes.unwitnessed);
  expect(await verdict(at('before.tlog-proof'), '--hand-over', note)).toBe(exitCodes.unwitnessed);
  expect(await verdict(at('after.tlog-proof'))).toBe(exitCodes.refused);
  expect(await verdict(at('after.tlog-proof'), '--hand-over', note)).toBe(exitCodes.unwitnessed);
  expect(await verdict(at('log/public'))).toBe(exitCodes.unwitnessed);
  const compared = await run('compare', at('kept.txt'), at('log/public'), '--vkey', vkey);
  expect(compared.code, compared.err).toBe(0);
  directory.remove();
}, 90_000);

test('audit keys: rotate and revoke, and the log verifies with the key from before', async () => {
  const first = await startGateway({ dataDir: data.path });
  expect((await audit('keys', 'rotate')).code).toBe(exitCodes.unavailable);
  await first.stop();
  expect((await audit('keys', 'rotate', '--compromised')).code).toBe(0);
  const { successions, nodes } = await keys();
  expect(successions).toMatchObject([{ reason: 'compromised' }]);
  expect(nodes[0]?.software).toMatch(/^[0-9a-f]{64}$/);

  const second = await startGateway({ dataDir: data.path });
  expect((await audit('keys', 'revoke', nodes[0]?.node ?? '')).code).toBe(0);
  await second.stop();
  expect((await keys()).nodes[0]).toMatchObject({ node: nodes[0]?.node, revoked: true });
  for (const vkey of [successions[0]?.from, successions[0]?.to]) {
    const verified = await audit('verify', '--vkey', vkey ?? '', '--json');
    expect(JSON.parse(verified.out), verified.err).toMatchObject({ valid: true, vkey: successions[0]?.to });
  }
}, 90_000);
