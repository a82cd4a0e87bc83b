import { describe, expect, test } from 'vitest';
import {
  fingerprintBytes,
  isFingerprint,
  nameOfSipUser,
  parseName,
  sipUserOf,
} from '../../src/tokens/index.ts';
import { identityNumber } from './identities.ts';
import { codeOf, readVectors } from './vectors.ts';

const vectors = readVectors<{
  readonly valid: readonly {
    readonly name: string;
    readonly segments: readonly string[];
    readonly sipUser: string;
  }[];
  readonly invalid: readonly string[];
}>('names.json');

describe('names', () => {
  test.each(vectors.valid)(
    '$name has its segments and its SIP user',
    ({ name: text, segments, sipUser: user }) => {
      const name = parseName(text);
      expect(name).toEqual({ text, segments });
      expect(sipUserOf(text)).toBe(user);
      expect(nameOfSipUser(user)?.text).toBe(text);
      expect(nameOfSipUser(user.toLowerCase())?.text).toBe(text);
    },
  );

  test('all segments count: jis:laptop:jasper is not jis:pixel:jasper', () => {
    expect(sipUserOf('jis:laptop:jasper')).not.toBe(sipUserOf('jis:pixel:jasper'));
  });

  test.each(vectors.invalid)('%j is no name', (text) => {
    expect(parseName(text)).toBeUndefined();
  });

  test('a name cannot shadow a fingerprint', () => {
    const { fingerprint } = identityNumber(1, 'jis:alice').token;
    expect(parseName(`jis:${fingerprint}`)).toBeUndefined();
    expect(nameOfSipUser(fingerprint)).toBeUndefined();
    expect(parseName(`jis:phone:${fingerprint}`)).toBeDefined();
  });
});

describe('fingerprints', () => {
  const { fingerprint } = identityNumber(1, 'jis:alice').token;

  test('fits a SIP user part and a DNS label: 52 characters of lower-case base32', () => {
    expect(fingerprint).toMatch(/^[a-z2-7]{52}$/);
    expect(isFingerprint(fingerprint)).toBe(true);
    expect(fingerprintBytes(fingerprint)).toHaveLength(32);
  });

  test.each([
    ['upper case', fingerprint.toUpperCase()],
    ['one short', fingerprint.slice(1)],
    ['one long', `${fingerprint}a`],
    ['a foreign character', `1${fingerprint.slice(1)}`],
    ['bits that mean nothing', `${fingerprint.slice(0, 51)}b`],
    ['nothing', ''],
  ])('%s is no fingerprint', (_name, text) => {
    expect(isFingerprint(text)).toBe(false);
    expect(codeOf(() => fingerprintBytes(text))).toBe('subject');
  });
});
