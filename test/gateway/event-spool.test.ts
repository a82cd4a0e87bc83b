import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startGateway, tibetSip } from '../support/processes.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'tibet-sip-spool-'));
const spool = join(dataDir, 'spool');

afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

test('what the command line does beside a gateway, or before its start, is in the log; a foreign file stays', async () => {
  const add = (name: string): ReturnType<typeof tibetSip> =>
    tibetSip(['device', 'add', name, '--data-dir', dataDir]);
  expect((await add('jis:before')).code).toBe(0);
  const gateway = await startGateway({ dataDir });
  try {
    expect((await add('jis:beside')).code).toBe(0);
    writeFileSync(join(spool, '0-foreign.json'), '{"erin":{}}');
    await expect.poll(() => readdirSync(spool), { timeout: 5_000 }).toEqual(['0-foreign.json']);
    await expect.poll(() => gateway.log(), { timeout: 5_000 }).toContain('not an event');
  } finally {
    expect(await gateway.stop()).toBe(0);
  }
  const listed = await tibetSip([
    'audit',
    'list',
    '--json',
    '--event',
    'overlay.device',
    '--data-dir',
    dataDir,
  ]);
  const devices = listed.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { erin: { identity: string } });
  expect(devices.map(({ erin }) => erin.identity)).toEqual(['jis:before', 'jis:beside']);
});
