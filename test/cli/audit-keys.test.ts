import { afterAll, beforeAll, expect, test } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { startGateway, tibetSip } from '../support/processes.ts';

const data = dataDirectory();
afterAll(() => data.remove());
beforeAll(async () => {
  await tibetSip(['device', 'add', 'jis:alice', '--data-dir', data.path]);
});

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
