import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { parsePhones } from '../../src/cli/phones-csv.ts';
import { EmbeddedStore } from '../../src/overlay/index.ts';
import { digestHa1 } from '../../src/sip/index.ts';
import { type CommandResult, jsonLines, runCli } from './recorded-terminal.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tibet-sip-cli-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A command on this test's data directory. */
function cli(...args: readonly string[]): Promise<CommandResult> {
  return runCli([...args, '--data-dir', join(directory, 'data')]);
}

async function json(...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const { code, out, err } = await cli(...args, '--json');
  expect(code, err).toBe(exitCodes.ok);
  return JSON.parse(out) as Readonly<Record<string, unknown>>;
}

describe('device', () => {
  it('mints credentials, prints them once, and keeps only their hashes (RFC 7616 §3.4.2)', async () => {
    const added = await json('device', 'add', 'jis:desk-7', '--extension', '1007');
    expect(added).toMatchObject({
      name: 'jis:desk-7',
      username: '1007',
      domain: 'localhost',
      realm: 'localhost',
    });
    const password = String(added['password']);
    expect(password.length).toBeGreaterThanOrEqual(20);

    const { out } = await cli('device', 'list', '--json');
    expect(jsonLines(out)).toMatchObject([{ name: 'jis:desk-7', extensions: ['1007'], username: '1007' }]);
    expect(out).not.toContain(password);

    const store = EmbeddedStore.open({ directory: join(directory, 'data/overlay') });
    const kept = store.get('credential', '1007');
    await store.close();
    expect(kept?.ha1Sha256).toBe(digestHa1('SHA-256', '1007', 'localhost', password));
    expect(JSON.stringify(kept)).not.toContain(password);
  });

  it('takes a bare name and an own user name', async () => {
    expect(
      await json('device', 'add', 'porch', '--username', 'door', '--password', 'knock knock'),
    ).toMatchObject({
      name: 'jis:porch',
      username: 'door',
      password: 'knock knock',
      replaced: false,
    });
  });

  it('says that a password is replaced', async () => {
    const { out, err } = await cli('device', 'add', 'porch', '--username', 'door');
    expect(out + err).toContain('The password that door had before is no longer good.');
  });

  it('imports a list, minting what is empty', async () => {
    const file = join(directory, 'phones.csv');
    writeFileSync(file, '\ufeffname;extension;password\r\njis:a;2001;"semi;colon"\r\n\r\njis:b;2002;\r\n');
    const { code, out, err } = await cli('device', 'import', file, '--json');
    expect(code, err).toBe(exitCodes.ok);
    const [a, b] = jsonLines(out);
    expect(a).toMatchObject({ name: 'jis:a', extension: '2001', password: 'semi;colon' });
    expect(String(b?.['password']).length).toBeGreaterThanOrEqual(20);
  });

  it("refuses another identity's extension and user name", async () => {
    expect((await cli('device', 'add', 'jis:thief', '--extension', '1007')).code).toBe(exitCodes.conflict);
  });

  it('removes by user name or name', async () => {
    expect(await json('device', 'remove', 'jis:b')).toEqual({ removed: ['2002'] });
    expect(await json('device', 'remove', '2001')).toEqual({ removed: ['2001'] });
    expect((await cli('device', 'remove', 'jis:nobody')).code).toBe(exitCodes.notFound);
  });
});

describe('phone lists', () => {
  it.each([
    ['extension\n1\n', 'no column "name"'],
    ['name,colour\na,red\n', 'unknown column "colour"'],
    [
      'name,extension\na\nb,2,3\n,4\n',
      'line 2 has not 2 columns; line 3 has not 2 columns; line 4 has no name',
    ],
    ['name,extension\na,7\nb,7\n', 'extension 7 is given twice'],
    ['name\n"a\n', 'line 2 has not 1 columns'],
  ])('%j is refused as a whole: %s', (text, message) => {
    expect(() => parsePhones(text)).toThrow(message);
  });

  it('takes columns in any order and quotes inside quotes', () => {
    expect(parsePhones('password, name\n"a ""b"", c",jis:x\n')).toEqual([
      { line: 2, name: 'jis:x', password: 'a "b", c' },
    ]);
  });
});

describe('overlay', () => {
  it('registers, finds, resolves, moves and verifies a device whose key the gateway holds', async () => {
    const place = ['--ip', '203.0.113.1', '--port', '44321', '--behind-nat', '--capability', 'mqtt'];
    const { fingerprint } = await json('overlay', 'register', 'jis:sensor-01', ...place);
    expect(await json('overlay', 'resolve', 'sensor-01')).toMatchObject({
      resolved: true,
      fingerprint,
      endpoint: '203.0.113.1:44321',
      behindNat: true,
    });
    const { out } = await cli('overlay', 'find', 'mqtt', '--json');
    expect(jsonLines(out)).toEqual([{ name: 'jis:sensor-01', fingerprint, endpoint: '203.0.113.1:44321' }]);
    expect(await json('overlay', 'verify', 'jis:sensor-01')).toMatchObject({
      verified: true,
      trustScore: 0.5,
    });
    await json('overlay', 'update', 'jis:sensor-01', '--ip', '198.51.100.7', '--port', '61000');
    expect(await json('overlay', 'resolve', 'jis:sensor-01')).toMatchObject({
      endpoint: '198.51.100.7:61000',
      fingerprint,
    });
  });

  it('lets a device that holds its own key sign and prove for itself', async () => {
    const file = join(directory, 'carol.json');
    expect((await runCli(['identity', 'new', '--name', 'jis:carol', '--out', file])).code).toBe(0);
    const place = ['--ip', '192.0.2.9', '--port', '5060'];
    await json('overlay', 'register', 'jis:carol', ...place, '--identity', file);
    expect((await cli('overlay', 'verify', 'jis:carol')).code).toBe(exitCodes.refused);
    expect(await json('overlay', 'verify', 'jis:carol', '--identity', file)).toMatchObject({
      verified: true,
    });
    expect((await cli('overlay', 'update', 'jis:carol', ...place)).code).toBe(exitCodes.refused);
    await json('overlay', 'update', 'jis:carol', ...place, '--identity', file);
  });

  it('enrols by public token, and gives a name to one key only', async () => {
    const [first, second] = [join(directory, 'dora-1.json'), join(directory, 'dora-2.json')];
    for (const file of [first, second])
      await runCli(['identity', 'new', '--name', 'jis:dora', '--out', file]);
    expect(await json('overlay', 'enrol', first)).toMatchObject({
      name: 'jis:dora',
      status: 'active',
      trust: 0.5,
    });
    expect((await cli('overlay', 'enrol', second)).code).toBe(exitCodes.conflict);
  });

  it('gives and takes numbers, and revokes', async () => {
    expect(await json('overlay', 'alias', 'jis:dora', '4242')).toMatchObject({ aliases: ['4242'] });
    expect(await json('overlay', 'info', '4242')).toMatchObject({ name: 'jis:dora' });
    expect(await json('overlay', 'unalias', 'jis:dora', '4242')).toMatchObject({ aliases: [] });
    expect(await json('overlay', 'revoke', 'jis:dora')).toMatchObject({ status: 'revoked' });
    expect((await cli('overlay', 'info', 'jis:nobody')).code).toBe(exitCodes.notFound);
  });

  it('seed 9: info tells of the overlay, list of everybody, as a table and as JSON lines', async () => {
    const { out } = await cli('overlay', 'list', '--json');
    expect(jsonLines(out).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['jis:carol', 'jis:desk-7', 'jis:sensor-01']),
    );
    expect((await cli('overlay', 'list')).out).toMatch(/^NAME +STATUS/);
    expect(await json('overlay', 'info')).toMatchObject({ store: 'embedded', enrolment: 'open' });
  });

  it('seed 9: demo tells a story that needs no data of its own', async () => {
    const { code, out } = await runCli(['overlay', 'demo', '--json']);
    expect(code).toBe(exitCodes.ok);
    const results = jsonLines(out).map(({ result }) => result);
    expect(results).toEqual(
      expect.arrayContaining([
        'verified',
        'refused: signature',
        '203.0.113.1:44321',
        '198.51.100.7:61000',
        'refused',
      ]),
    );
  });
});
