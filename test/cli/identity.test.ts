import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { loadIdentity } from '../../src/tokens/index.ts';
import { runCli } from './recorded-terminal.ts';

let directory = '';
const path = (name: string): string => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tibet-sip-cli-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Makes an identity and tells its fingerprint. */
async function make(name: string, ...more: readonly string[]): Promise<string> {
  const file = path(`${name}.json`);
  const { code, out, err } = await runCli([
    'identity',
    'new',
    '--name',
    `jis:${name}`,
    '--out',
    file,
    '--json',
    ...more,
  ]);
  expect(code, err).toBe(0);
  return (JSON.parse(out) as { fingerprint: string }).fingerprint;
}

async function show(file: string): Promise<Readonly<Record<string, unknown>>> {
  const { code, out, err } = await runCli(['identity', 'show', path(file), '--json']);
  expect(code, err).toBe(0);
  return JSON.parse(out) as Readonly<Record<string, unknown>>;
}

describe('identity new and show', () => {
  it('makes a file of mode 0600 whose name, fingerprint and validity show prints', async () => {
    const fingerprint = await make('alice');
    expect(statSync(path('alice.json')).mode & 0o777).toBe(0o600);
    const { out } = await runCli(['identity', 'show', path('alice.json')]);
    expect(out).toContain('jis:alice');
    expect(out).toContain(fingerprint);
    expect(out).toMatch(/validity +valid, \d{4}-/);
    expect(await show('alice.json')).toMatchObject({ name: 'jis:alice', fingerprint, validity: 'valid' });
  });

  it.each([
    ['junk', 'holds no identity: '],
    ['{}', 'is not an identity'],
  ])('names the file that holds %s in place of an identity', async (text, said) => {
    writeFileSync(path('other.json'), text);
    expect((await runCli(['identity', 'show', path('other.json')])).err).toContain(
      `${path('other.json')} ${said}`,
    );
  });

  it('never overwrites', async () => {
    await make('bob');
    const before = readFileSync(path('bob.json'), 'utf8');
    const { code, err } = await runCli(['identity', 'new', '--name', 'jis:bob', '--out', path('bob.json')]);
    expect(code).toBe(exitCodes.conflict);
    expect(err.split('\n')).toHaveLength(1);
    expect(readFileSync(path('bob.json'), 'utf8')).toBe(before);
  });

  it.each(['alice', 'jis:Alice', 'jis:a b', 'jis:', 'jis:a::b'])(
    'refuses the name "%s" and says how to write one',
    async (name) => {
      const { code, err } = await runCli(['identity', 'new', '--name', name, '--out', path('x.json')]);
      expect(code).toBe(exitCodes.usage);
      expect(err).toContain('jis:alice');
    },
  );

  it('takes subjects of other schemes as they are', async () => {
    const { code } = await runCli([
      'identity',
      'new',
      '--name',
      'mail:carol@example.org',
      '--out',
      path('carol.json'),
    ]);
    expect(code).toBe(0);
    expect(await show('carol.json')).toMatchObject({ name: 'mail:carol@example.org' });
  });

  it.each([
    ['missing.json', undefined, exitCodes.notFound],
    ['text.json', 'hello', exitCodes.usage],
    ['other.json', '{"token":1}', exitCodes.usage],
    ['forged.json', '{"token":"AAAA"}', exitCodes.refused],
  ])('says in one line what is wrong with %s', async (name, text, expected) => {
    if (text !== undefined) writeFileSync(path(name), text);
    const { code, err } = await runCli(['identity', 'show', path(name)]);
    expect(code).toBe(expected);
    expect(err.split('\n')).toHaveLength(1);
  });
});

describe('identity renew', () => {
  it('extends the validity and keeps fingerprint and attributes', async () => {
    await make('dave', '--days', '1', '--attribute', 'desk=7@identity');
    const before = await show('dave.json');
    const { code } = await runCli(['identity', 'renew', path('dave.json'), '--days', '30']);
    expect(code).toBe(0);
    const after = await show('dave.json');
    expect(after['fingerprint']).toBe(before['fingerprint']);
    expect(after['attributes']).toEqual([{ name: 'desk', value: '7', level: 'identity' }]);
    expect(String(after['expires']) > String(before['expires'])).toBe(true);
  });

  it('needs the passphrase of an encrypted file, and keeps it encrypted', async () => {
    const file = path('erin.json');
    const env = { TIBET_SIP_PASSPHRASE: 'correct horse' };
    expect((await runCli(['identity', 'new', '--name', 'jis:erin', '--out', file], env)).code).toBe(0);
    expect((await runCli(['identity', 'show', file])).code).toBe(0);
    expect((await runCli(['identity', 'renew', file])).code).toBe(exitCodes.refused);
    expect((await runCli(['identity', 'renew', file], { TIBET_SIP_PASSPHRASE: 'wrong' })).code).toBe(
      exitCodes.refused,
    );
    writeFileSync(path('passphrase'), 'correct horse\n');
    expect((await runCli(['identity', 'renew', file, '--passphrase-file', path('passphrase')])).code).toBe(0);
    expect((await loadIdentity(file, 'correct horse')).encrypted).toBe(true);
  });

  it('warns when others can read the secret', async () => {
    await make('frank');
    chmodSync(path('frank.json'), 0o644);
    const { err } = await runCli(['identity', 'renew', '--identity', path('frank.json')]);
    expect(err).toContain('chmod 600');
  });
});

describe('identity pseudonym', () => {
  it('seed 29: does not tell its parent, who can prove the link to an auditor', async () => {
    const person = await make('trent');
    const [file, proof] = [path('hidden.json'), path('hidden.link')];
    const parent = ['--parent', path('trent.json')];
    const made = await runCli(['identity', 'pseudonym', ...parent, '--name', 'jis:hidden', '--out', file]);
    expect(made.code, made.err).toBe(0);
    expect(await show('hidden.json')).toMatchObject({ pseudonymOf: 'not told' });
    expect((await runCli(['identity', 'renew', file])).code).toBe(0);
    const link = ['--pseudonym', file, '--auditor', 'case 17', '--out', proof];
    expect((await runCli(['identity', 'prove-link', ...parent, ...link])).code).toBe(0);
    const checked = await runCli(['audit', 'check-link', proof, '--auditor', 'case 17', '--json']);
    expect(JSON.parse(checked.out)).toMatchObject({ name: 'jis:hidden', person, by: 'parent' });
    expect((await runCli(['audit', 'check-link', proof, '--auditor', 'gossip'])).code).toBe(
      exitCodes.refused,
    );
    await make('stranger');
    const stranger = ['--parent', path('stranger.json'), '--pseudonym', file, '--auditor', 'x'];
    expect((await runCli(['identity', 'prove-link', ...stranger])).code).toBe(exitCodes.refused);
  });

  it('is approved by a parent that it shows, also for a renewal', async () => {
    const parent = await make('grace');
    const file = path('night.json');
    const made = await runCli([
      'identity',
      'pseudonym',
      '--parent',
      path('grace.json'),
      '--show-parent',
      '--name',
      'jis:night',
      '--out',
      file,
    ]);
    expect(made.code, made.err).toBe(0);
    expect(await show('night.json')).toMatchObject({ pseudonymOf: parent });
    expect((await runCli(['identity', 'renew', file])).code).toBe(exitCodes.usage);
    expect((await runCli(['identity', 'renew', file, '--parent', path('grace.json')])).code).toBe(0);
  });
});

describe('identity attest', () => {
  it('signs a statement that its subject can carry', async () => {
    const subject = await make('heidi');
    const issuer = await make('notary');
    const claim = path('over18.claim');
    const args = [
      '--identity',
      path('notary.json'),
      '--subject',
      path('heidi.json'),
      '--name',
      'over18',
      '--value',
      'true',
    ];
    const { code, out } = await runCli(['identity', 'attest', ...args, '--out', claim, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ issuer, subject, name: 'over18', value: true });
    const renewed = await runCli(['identity', 'renew', path('heidi.json'), '--claim', claim]);
    expect(renewed.out).toContain(`over18=true (identity+message, stated by ${issuer})`);
  });
});

describe('identity rotate', () => {
  it('keeps name and attributes, leaves claims behind that are about the old fingerprint, and says so', async () => {
    await make('issuer');
    await make('rita', '--attribute', 'floor=3');
    const claim = path('rita.claim');
    const subject = ['--identity', path('issuer.json'), '--subject', path('rita.json')];
    await runCli(['identity', 'attest', ...subject, '--name', 'employee', '--value', 'true', '--out', claim]);
    await runCli(['identity', 'renew', path('rita.json'), '--claim', claim]);
    const next = path('rita-2.json');
    const { code, out, err } = await runCli(['identity', 'rotate', path('rita.json'), '--out', next]);
    expect(code, err).toBe(0);
    expect(out + err).toContain('have them made anew');
    const rotated = await loadIdentity(next);
    expect(rotated.attributes.map(({ name }) => name)).toEqual(['floor']);
    expect([rotated.token.subject, rotated.succession !== undefined]).toEqual(['jis:rita', true]);
  });

  it('what is wrong with it says what to do', async () => {
    const data = ['--data-dir', path('data')];
    const nobody = await runCli(['overlay', 'succeed', path('rita-2.json'), ...data]);
    expect([nobody.code, nobody.err]).toEqual([exitCodes.notFound, expect.stringContaining('overlay enrol')]);
    const none = await runCli(['overlay', 'tombstone', path('rita-2.json'), ...data]);
    expect(none.err).toContain('identity revoke FILE --out');
  });
});
