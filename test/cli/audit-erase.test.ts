import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { type GatewayProcess, startGateway, tibetSip } from '../support/processes.ts';

const data = dataDirectory();
let gateway: GatewayProcess;
beforeAll(async () => {
  for (const name of ['jis:alice', 'jis:bob', 'jis:carol'])
    expect((await tibetSip(['device', 'add', name, '--data-dir', data.path])).code).toBe(0);
  gateway = await startGateway({ dataDir: data.path });
});
afterAll(async () => {
  await gateway.kill();
  data.remove();
});

const audit = (...args: readonly string[]): ReturnType<typeof tibetSip> =>
  tibetSip(['audit', ...args, '--data-dir', data.path]);

/** How many records name somebody. */
async function mentions(name: string): Promise<number> {
  const { out } = await audit('export');
  return out.split('\n').filter((line) => line.includes(name)).length;
}

test('audit erase: beside a running gateway and without one; the log stays whole, and says that it was done', async () => {
  expect(await mentions('jis:alice')).toBeGreaterThan(0);
  const erased = await audit('erase', '--identity', 'jis:alice', '--reason', 'request 17');
  expect(erased, erased.err).toMatchObject({ code: 0 });
  expect(await mentions('jis:alice')).toBe(0);
  expect(await mentions('jis:bob')).toBeGreaterThan(0);
  const redactions = await audit('list', '--event', 'audit.redaction', '--json');
  expect(redactions.out).toContain('request 17');
  expect((await audit('erase', '--identity', 'jis:alice')).code).toBe(exitCodes.notFound);

  // A number that is nobody's identity has a key of its own.
  const number = '+49301234567';
  expect((await tibetSip(['overlay', 'resolve', number, '--data-dir', data.path])).code).not.toBe(0);
  await expect.poll(() => mentions(number), { timeout: 20_000 }).toBeGreaterThan(0);
  expect((await audit('list', '--identity', '49-30-1234567')).out).toContain(number);
  expect((await audit('erase', '--identity', number)).code).toBe(0);
  expect(await mentions(number)).toBe(0);
  expect((await audit('erase', '--identity', number)).code).toBe(exitCodes.notFound);

  await gateway.stop();
  expect((await audit('erase', '--identity', 'jis:bob')).code).toBe(0);
  expect(await mentions('jis:bob')).toBe(0);
  expect(await mentions('jis:carol')).toBeGreaterThan(0);
  expect(readdirSync(join(data.path, 'spool'))).toEqual([]);
  const verified = await audit('verify', '--json');
  expect(JSON.parse(verified.out)).toMatchObject({ valid: true, redacted: expect.any(Number), problems: [] });
}, 90_000);
