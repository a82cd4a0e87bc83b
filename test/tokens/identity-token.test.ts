import { describe, expect, test } from 'vitest';
import { decodeHex, encodeHex } from '../../src/base/index.ts';
import {
  type Attribute,
  checkValidity,
  createIdentityToken,
  decodeIdentityToken,
  encodeCore,
  renewIdentityToken,
  rootIssuer,
  signingKeyFromSeed,
  TokenError,
} from '../../src/tokens/index.ts';
import { identityNumber, keyNumber, nodeNumber, start, yearLater } from './identities.ts';
import { codeOf, fromHex, readVectors } from './vectors.ts';

interface Vector {
  readonly name: string;
  readonly kind: string;
  readonly seed: string;
  readonly publicKey: string;
  readonly subject: string;
  readonly issuer: string;
  readonly realm: string | null;
  readonly notBefore: number;
  readonly expires: number;
  readonly issuedAt: number;
  readonly attributes: readonly Attribute[];
  readonly core: string;
  readonly coreSignature: string;
  readonly fingerprint: string;
  readonly extendedFingerprint: string;
  readonly bytes: string;
}

const vectors = readVectors<{
  readonly valid: readonly Vector[];
  readonly invalid: readonly { readonly name: string; readonly code: string; readonly bytes: string }[];
}>('identity-token.json');

describe('identity token', () => {
  test.each(vectors.valid)('vector: $name', (vector) => {
    const token = decodeIdentityToken(fromHex(vector.bytes));
    const { kind, subject, issuer, notBefore, expires, issuedAt, attributes, fingerprint } = vector;
    expect(token).toMatchObject({
      kind,
      subject,
      issuer,
      notBefore,
      expires,
      issuedAt,
      attributes,
      fingerprint,
      extendedFingerprint: vector.extendedFingerprint,
    });
    expect(token.realm ?? null).toBe(vector.realm);
    expect(encodeHex(token.publicKey)).toBe(vector.publicKey);
    expect(encodeHex(encodeCore(token))).toBe(vector.core);
    expect(encodeHex(token.coreSignature)).toBe(vector.coreSignature);
    const key = signingKeyFromSeed(fromHex(vector.seed));
    expect(encodeHex(key.sign(fromHex(vector.core)))).toBe(vector.coreSignature);
  });

  test.each(vectors.invalid)('is refused: $name', ({ bytes, code }) => {
    expect(codeOf(() => decodeIdentityToken(fromHex(bytes)))).toBe(code);
  });

  test('creating the first vector gives its bytes', () => {
    const vector = vectors.valid[0];
    if (!vector) throw new Error('no vector');
    const token = createIdentityToken({
      key: signingKeyFromSeed(fromHex(vector.seed)),
      subject: vector.subject,
      notBefore: vector.notBefore,
      expires: vector.expires,
      now: vector.issuedAt,
    });
    expect(encodeHex(token.bytes)).toBe(vector.bytes);
  });

  test('seed 24: an identity is the same wherever and whenever its key makes it; a node is new at every start', () => {
    expect(identityNumber(1, 'jis:alice').token.fingerprint).toBe(
      identityNumber(1, 'jis:alice').token.fingerprint,
    );
    expect(nodeNumber(2).token.fingerprint).not.toBe(nodeNumber(3).token.fingerprint);
    expect(nodeNumber(2).token.kind).toBe('node');
  });

  test('seed 27: an attribute alters only the extended fingerprint', () => {
    const plain = identityNumber(1, 'jis:alice').token;
    const attributes: Attribute[] = [{ name: 'role', value: 'agent', level: 'identity' }];
    const adorned = identityNumber(1, 'jis:alice', { attributes }).token;
    expect(adorned.fingerprint).toBe(plain.fingerprint);
    expect(adorned.extendedFingerprint).not.toBe(plain.extendedFingerprint);
  });

  test('seed 27: realm, issuer, subject and key each alter both fingerprints', () => {
    const parent = identityNumber(9, 'jis:parent');
    const tokens = [
      identityNumber(1, 'jis:alice').token,
      identityNumber(1, 'jis:alice', { realm: parent.token.fingerprint }).token,
      identityNumber(1, 'jis:alice', { issuer: parent }).token,
      identityNumber(1, 'jis:alicia').token,
      identityNumber(2, 'jis:alice').token,
    ];
    expect(new Set(tokens.map(({ fingerprint }) => fingerprint)).size).toBe(tokens.length);
    expect(new Set(tokens.map(({ extendedFingerprint }) => extendedFingerprint)).size).toBe(tokens.length);
  });

  test('a renewal keeps the fingerprint and takes new times and attributes', () => {
    const { key, token } = identityNumber(1, 'jis:alice');
    const renewed = renewIdentityToken(token, {
      key,
      notBefore: start,
      expires: yearLater + 1,
      now: start + 5,
      attributes: [{ name: 'role', value: 'agent', level: 'identity' }],
    });
    expect(renewed).toMatchObject({ fingerprint: token.fingerprint, expires: yearLater + 1 });
    expect(renewed.extendedFingerprint).not.toBe(token.extendedFingerprint);
  });

  test('only the own key renews', () => {
    const { token } = identityNumber(1, 'jis:alice');
    const times = { notBefore: start, expires: yearLater, now: start };
    expect(codeOf(() => renewIdentityToken(token, { key: keyNumber(2), ...times }))).toBe('key-invalid');
  });

  test.each(['mail:hey-its-me@example.com', 'did:example:123456abcdef', 'jis:laptop:jasper'])(
    'seed 31: %s is a subject, and the root issuer is its BLAKE2b-256',
    (subject) => {
      const { token } = identityNumber(1, subject);
      expect(token).toMatchObject({ subject, issuer: rootIssuer(subject) });
    },
  );

  test('seed 34: notBefore and expires are both enforced', () => {
    const { token } = identityNumber(1, 'jis:alice');
    expect(checkValidity(token, start - 1)).toBe('not-yet-valid');
    expect(checkValidity(token, start)).toBe('valid');
    expect(checkValidity(token, yearLater - 1)).toBe('valid');
    expect(checkValidity(token, yearLater)).toBe('expired');
  });

  test('seed 36: the binary form round-trips byte for byte', () => {
    for (const { bytes } of vectors.valid)
      expect(encodeHex(decodeIdentityToken(fromHex(bytes)).bytes)).toBe(bytes);
  });

  test('a decoded token does not change with the buffer that it came in', () => {
    const datagram = Buffer.from(decodeHex(vectors.valid[0]?.bytes ?? '') ?? []);
    const token = decodeIdentityToken(datagram);
    const before = encodeHex(token.publicKey);
    datagram.fill(0);
    expect(encodeHex(token.publicKey)).toBe(before);
  });

  test('each changed byte is refused', () => {
    const { bytes } = identityNumber(1, 'jis:alice').token;
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      expect(() => decodeIdentityToken(changed), `byte ${at}`).toThrow(TokenError);
    }
  });

  test.each([
    ['an empty subject', { subject: '' }, 'subject'],
    ['a subject of 257 characters', { subject: 'x'.repeat(257) }, 'subject'],
    ['a realm that is no fingerprint', { realm: 'company' }, 'subject'],
    ['no lifetime', { expires: start }, 'lifetime'],
  ])('creating refuses %s', (_name, options, code) => {
    const valid = { key: keyNumber(1), subject: 'jis:a', notBefore: start, expires: yearLater, now: start };
    expect(codeOf(() => createIdentityToken({ ...valid, ...options }))).toBe(code);
  });

  test('a token over the size limit is refused before it is parsed', () => {
    expect(codeOf(() => decodeIdentityToken(new Uint8Array(20_000)))).toBe('too-large');
  });
});
