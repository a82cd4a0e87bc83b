import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeHex } from '../../src/base/index.ts';
import {
  type CoseSign1,
  decodeCoseSign1,
  signCoseSign1,
  TokenError,
  verifySignature,
} from '../../src/tokens/index.ts';
import { keyNumber } from './identities.ts';
import { codeOf, fromHex, readVectors } from './vectors.ts';

interface Vector {
  readonly name: string;
  readonly publicKey: string;
  readonly kid: string;
  readonly typ: string;
  readonly payload?: string;
  readonly detachedPayload?: string;
  readonly externalAad?: string;
  readonly toBeSigned: string;
  readonly signature: string;
  readonly bytes: string;
}

const vectors = readVectors<{
  readonly valid: readonly Vector[];
  readonly invalid: readonly { readonly name: string; readonly code: string; readonly bytes: string }[];
}>('cose.json');

const kid = new Uint8Array(32).fill(0x11);
const key = keyNumber(0xa1);
const payload = fromHex('a1016568656c6c6f');

function verifies(sign1: CoseSign1, detached?: Uint8Array, aad?: Uint8Array): boolean {
  return verifySignature(key.publicKey, sign1.toBeSigned(detached, aad), sign1.signature);
}

describe('COSE_Sign1 (RFC 9052 §4.2)', () => {
  test.each(vectors.valid)('$name: exact bytes, Sig_structure and signature', (vector) => {
    const sign1 = decodeCoseSign1(fromHex(vector.bytes));
    const detached = vector.detachedPayload === undefined ? undefined : fromHex(vector.detachedPayload);
    const aad = vector.externalAad === undefined ? undefined : fromHex(vector.externalAad);
    expect(encodeHex(sign1.kid ?? new Uint8Array())).toBe(vector.kid);
    expect(sign1.typ).toBe(vector.typ);
    expect(sign1.payload && encodeHex(sign1.payload)).toBe(vector.payload ?? null);
    expect(encodeHex(sign1.toBeSigned(detached, aad))).toBe(vector.toBeSigned);
    expect(encodeHex(sign1.signature)).toBe(vector.signature);
    expect(verifies(sign1, detached, aad)).toBe(true);
  });

  test('signing gives the bytes of the vector', () => {
    expect(encodeHex(signCoseSign1({ key, kid, typ: 'example+cwt', payload }))).toBe(vectors.valid[0]?.bytes);
  });

  test.each(vectors.invalid)('is refused: $name', ({ bytes, code }) => {
    expect(codeOf(() => decodeCoseSign1(fromHex(bytes)))).toBe(code);
  });

  test('typ separates kinds: a signature under one typ fails under another (RFC 9596)', () => {
    const [one, other] = ['one+cwt', 'two+cwt'].map((typ) =>
      decodeCoseSign1(signCoseSign1({ key, kid, typ, payload })),
    );
    if (!one || !other) throw new Error('two tokens');
    expect(verifySignature(key.publicKey, one.toBeSigned(), other.signature)).toBe(false);
  });

  test('external data is part of what is signed (RFC 9052 §4.3)', () => {
    const bytes = signCoseSign1({ key, kid, typ: 'x', payload, externalAad: new Uint8Array([1]) });
    expect(verifies(decodeCoseSign1(bytes), undefined, new Uint8Array([1]))).toBe(true);
    expect(verifies(decodeCoseSign1(bytes))).toBe(false);
  });

  test('a detached payload has to be given, an attached one must not be', () => {
    const detached = decodeCoseSign1(signCoseSign1({ key, kid, typ: 'x', payload, detached: true }));
    expect(detached.payload).toBeNull();
    expect(codeOf(() => detached.toBeSigned())).toBe('cose-malformed');
    expect(verifies(detached, payload)).toBe(true);
    const attached = decodeCoseSign1(signCoseSign1({ key, kid, typ: 'x', payload }));
    expect(codeOf(() => attached.toBeSigned(payload))).toBe('cose-malformed');
  });

  test('each single changed bit is refused by the decoder or by the signature', () => {
    const bytes = signCoseSign1({ key, kid, typ: 'example+cwt', payload });
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Uint8Array.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      let accepted = false;
      try {
        accepted = verifies(decodeCoseSign1(changed));
      } catch (error) {
        expect(error).toBeInstanceOf(TokenError);
      }
      expect(accepted, `bit ${bit}`).toBe(false);
    }
  });

  test('property: arbitrary bytes only ever raise TokenError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (tail) => {
        expect(codeOf(() => decodeCoseSign1(new Uint8Array([0xd2, 0x84, ...tail])))).toBeTruthy();
      }),
    );
  });
});
