import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeHex } from '../../src/base/index.ts';
import {
  type Attribute,
  loadIdentity,
  renewIdentityToken,
  replaceIdentity,
  saveIdentity,
} from '../../src/tokens/index.ts';
import { identityNumber, start, yearLater } from './identities.ts';
import { readVectors, rejectionCode } from './vectors.ts';

const alice = identityNumber(1, 'jis:alice');
const content = { token: alice.token, seed: alice.key.seed };

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'identity-'));
  path = join(directory, 'alice.json');
});

afterEach(() => rm(directory, { recursive: true }));

describe('identity file', () => {
  test('seed 24: a saved identity is loaded with the same fingerprint and a key that signs', async () => {
    await saveIdentity(path, content);
    const loaded = await loadIdentity(path);
    expect(loaded.token).toEqual(alice.token);
    expect(loaded.key.sign(new Uint8Array(3))).toEqual(alice.key.sign(new Uint8Array(3)));
    expect(loaded).toMatchObject({ encrypted: false, exposed: false });
  });

  test('only its owner may read the file, and nothing else is left behind', async () => {
    await saveIdentity(path, content);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(['alice.json']);
  });

  test('an existing file is never overwritten', async () => {
    await saveIdentity(path, content);
    const before = await readFile(path, 'utf8');
    const bob = identityNumber(2, 'jis:bob');
    expect(await rejectionCode(saveIdentity(path, { token: bob.token, seed: bob.key.seed }))).toBe(
      'file-exists',
    );
    expect(await readFile(path, 'utf8')).toBe(before);
    expect(await readdir(directory)).toEqual(['alice.json']);
  });

  test('a passphrase opens the secret; none or a wrong one does not', async () => {
    await saveIdentity(path, content, 'correct horse');
    expect(await readFile(path, 'utf8')).not.toContain('"seed"');
    expect(await rejectionCode(loadIdentity(path))).toBe('passphrase');
    expect(await rejectionCode(loadIdentity(path, 'wrong horse'))).toBe('passphrase');
    const loaded = await loadIdentity(path, 'correct horse');
    expect(encodeHex(loaded.key.seed)).toBe(encodeHex(alice.key.seed));
    expect(loaded.encrypted).toBe(true);
  });

  test('a secret that others can read is reported, an encrypted one is not', async () => {
    await saveIdentity(path, content);
    await chmod(path, 0o644);
    expect((await loadIdentity(path)).exposed).toBe(true);
  });

  test('attributes of every level are kept', async () => {
    const attributes: Attribute[] = [
      { name: 'role', value: 'agent', level: 'identity' },
      { name: 'ticket', value: 4711, level: 'message' },
    ];
    await saveIdentity(path, { ...content, attributes });
    expect((await loadIdentity(path)).attributes).toEqual(attributes);
  });

  test('a renewal replaces the file of the same key, and of no other', async () => {
    await saveIdentity(path, content);
    const times = { notBefore: start, expires: yearLater + 1, now: start };
    const token = renewIdentityToken(alice.token, { key: alice.key, ...times });
    await replaceIdentity(path, { token, seed: alice.key.seed });
    expect((await loadIdentity(path)).token.expires).toBe(yearLater + 1);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const bob = identityNumber(2, 'jis:bob');
    expect(await rejectionCode(replaceIdentity(path, { token: bob.token, seed: bob.key.seed }))).toBe('file');
  });

  test.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['another format', '{"format":"x"}'],
    ['another version', '{"format":"tibet-identity","version":2}'],
    ['no token', '{"format":"tibet-identity","version":1}'],
    ['an array', '[]'],
  ])('a file with %s is refused', async (_name, text) => {
    await writeFile(path, text);
    expect(await rejectionCode(loadIdentity(path))).toBe('file');
  });

  test('a missing file and a missing directory are told', async () => {
    expect(await rejectionCode(loadIdentity(path))).toBe('file');
    expect(await rejectionCode(saveIdentity(join(directory, 'no', 'alice.json'), content))).toBe('file');
  });

  test('a secret of another key is refused', async () => {
    await saveIdentity(path, content);
    const file: Record<string, unknown> = JSON.parse(await readFile(path, 'utf8'));
    file['secret'] = { seed: Buffer.alloc(32, 9).toString('base64url') };
    await writeFile(path, JSON.stringify(file));
    expect(await rejectionCode(loadIdentity(path))).toBe('file');
  });

  test('scrypt parameters that would exhaust the machine are refused', async () => {
    await saveIdentity(path, content, 'correct horse');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('"n": 131072', '"n": 1073741824'));
    expect(await rejectionCode(loadIdentity(path, 'correct horse'))).toBe('file');
  });

  test('vectors: a plain and an encrypted file open', async () => {
    const vectors = readVectors<{
      readonly seed: string;
      readonly fingerprint: string;
      readonly plain: { readonly text: string };
      readonly encrypted: { readonly text: string; readonly passphrase: string };
    }>('identity-file.json');
    const { plain, encrypted } = vectors;
    for (const [text, passphrase] of [[plain.text], [encrypted.text, encrypted.passphrase]] as const) {
      await writeFile(path, text);
      const loaded = await loadIdentity(path, passphrase);
      expect(loaded.token.fingerprint).toBe(vectors.fingerprint);
      expect(encodeHex(loaded.key.seed)).toBe(vectors.seed);
      expect(loaded.attributes).toHaveLength(3);
    }
  });
});
