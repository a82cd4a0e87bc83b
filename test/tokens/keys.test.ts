import { ed25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeHex } from '../../src/base/index.ts';
import {
  blake2b256,
  generateSigningKey,
  isStrictPublicKey,
  sha256,
  signingKeyFromSeed,
  verifySignature,
} from '../../src/tokens/index.ts';
import { keyNumber } from './identities.ts';
import { codeOf, fromHex, readVectors } from './vectors.ts';

const wycheproof = readVectors<{
  readonly groups: readonly {
    readonly publicKey: string;
    readonly tests: readonly {
      readonly id: number;
      readonly comment: string;
      readonly message: string;
      readonly signature: string;
      readonly valid: boolean;
    }[];
  }[];
}>('ed25519-wycheproof.json');

interface Named {
  readonly name: string;
}

const strict = readVectors<{
  readonly accepted: {
    readonly seed: string;
    readonly publicKey: string;
    readonly message: string;
    readonly signature: string;
  };
  readonly refusedSignatures: readonly (Named & { readonly signature: string })[];
  readonly refusedKeys: readonly (Named & { readonly publicKey: string })[];
  readonly smallOrderForgery: {
    readonly publicKey: string;
    readonly message: string;
    readonly signature: string;
  };
}>('ed25519-strict.json');

/** The second implementation, as a browser would use it. */
function nobleVerifies(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
}

describe('Ed25519 (RFC 8032)', () => {
  test.each([
    {
      section: 'RFC 8032 §7.1 test 1',
      seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      message: '',
      signature:
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    },
    {
      section: 'RFC 8032 §7.1 test 3',
      seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
      publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
      message: 'af82',
      signature:
        '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    },
  ])('$section', ({ seed, publicKey, message, signature }) => {
    const key = signingKeyFromSeed(fromHex(seed));
    expect(encodeHex(key.publicKey)).toBe(publicKey);
    expect(encodeHex(key.sign(fromHex(message)))).toBe(signature);
    expect(verifySignature(key.publicKey, fromHex(message), fromHex(signature))).toBe(true);
  });

  test('Wycheproof: our verdict and noble’s are the published one on each of the 151 vectors', () => {
    let count = 0;
    for (const { publicKey, tests } of wycheproof.groups) {
      for (const { id, comment, message, signature, valid } of tests) {
        const input = [fromHex(publicKey), fromHex(message), fromHex(signature)] as const;
        expect(verifySignature(...input), `${id} ${comment}`).toBe(valid);
        expect(nobleVerifies(...input), `noble ${id} ${comment}`).toBe(valid);
        count++;
      }
    }
    expect(count).toBe(151);
  });

  test('OpenSSL and noble derive, sign and verify alike', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array(), (seed, message) => {
        const key = signingKeyFromSeed(seed);
        expect(encodeHex(ed25519.getPublicKey(seed))).toBe(encodeHex(key.publicKey));
        expect(encodeHex(ed25519.sign(message, seed))).toBe(encodeHex(key.sign(message)));
        expect(nobleVerifies(key.publicKey, message, key.sign(message))).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  test.each(strict.refusedSignatures)('a signature is refused: $name (RFC 8032 §5.1.7)', ({ signature }) => {
    const { publicKey, message } = strict.accepted;
    const input = [fromHex(publicKey), fromHex(message), fromHex(signature)] as const;
    expect(verifySignature(...input)).toBe(false);
    expect(nobleVerifies(...input)).toBe(false);
  });

  test('the signature that they were made from is accepted', () => {
    const { publicKey, message, signature } = strict.accepted;
    expect(verifySignature(fromHex(publicKey), fromHex(message), fromHex(signature))).toBe(true);
  });

  test.each(strict.refusedKeys)('a public key is refused: $name', ({ publicKey }) => {
    const { message, signature } = strict.accepted;
    expect(isStrictPublicKey(fromHex(publicKey))).toBe(false);
    expect(verifySignature(fromHex(publicKey), fromHex(message), fromHex(signature))).toBe(false);
    expect(nobleVerifies(fromHex(publicKey), fromHex(message), fromHex(signature))).toBe(false);
  });

  test('the small-order forgery that fits every message is refused', () => {
    const { publicKey, message, signature } = strict.smallOrderForgery;
    const input = [fromHex(publicKey), fromHex(message), fromHex(signature)] as const;
    expect(verifySignature(...input)).toBe(false);
    expect(nobleVerifies(...input)).toBe(false);
  });

  test('a key that is no point of the curve verifies nothing', () => {
    const noPoint = new Uint8Array(32).fill(2);
    expect(isStrictPublicKey(noPoint)).toBe(true);
    expect(verifySignature(noPoint, new Uint8Array(1), keyNumber(1).sign(new Uint8Array(1)))).toBe(false);
  });

  test('property: arbitrary keys and signatures are refused without an exception', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.uint8Array(),
        fc.uint8Array({ minLength: 60, maxLength: 66 }),
        (publicKey, message, signature) => !verifySignature(publicKey, message, signature),
      ),
    );
  });

  test('a seed of another length is refused', () => {
    expect(codeOf(() => signingKeyFromSeed(new Uint8Array(31)))).toBe('key-invalid');
  });

  test('a generated key takes its seed from the injected randomness', () => {
    const key = generateSigningKey({
      bytes: (length) => new Uint8Array(length).fill(7),
      fill: (target, start, length) => target.fill(7, start, start + length),
    });
    expect(encodeHex(key.publicKey)).toBe(encodeHex(keyNumber(7).publicKey));
  });
});

describe('hashes', () => {
  test('BLAKE2b-256 has its own parameter block and is no truncated BLAKE2b-512 (RFC 7693 §2.5)', () => {
    expect(encodeHex(blake2b256(Buffer.from('abc')))).toBe(
      'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319',
    );
  });

  test('SHA-256 of "abc" (FIPS 180-4)', () => {
    expect(encodeHex(sha256(Buffer.from('abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });
});
