import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bareIntentToken,
  carriesMore,
  createIntentToken,
  createTombstone,
  decodeCrossSigning,
  decodeIntentToken,
  decodeSuccession,
  decodeTombstone,
  encodeSuccession,
  signSuccession,
  TokenError,
  verifyIntentToken,
  verifyLinkProof,
  verifySuccession,
} from '../../src/tokens/index.ts';
import { identityNumber, start } from './identities.ts';
import { alice, intentOptions, invite } from './intents.ts';

const mallory = identityNumber(9, 'jis:mallory');

describe('tombstone', () => {
  const { bytes } = createTombstone({ ...alice, reason: 'phone stolen', now: start });

  test('is signed by the key that it ends, and says why', () => {
    expect(decodeTombstone(bytes)).toMatchObject({ reason: 'phone stolen', token: alice.token });
  });

  test('nobody else can sign it', () => {
    const forge = () => createTombstone({ key: mallory.key, token: alice.token, reason: 'x', now: start });
    expect(forge).toThrow(expect.objectContaining({ code: 'signature' }));
  });

  test('seed 36: each changed byte is refused', () => {
    for (let i = 0; i < bytes.length; i += 5) {
      const changed = Uint8Array.from(bytes);
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect(() => decodeTombstone(changed), `byte ${i}`).toThrow();
    }
  });
});

describe('succession', () => {
  const next = identityNumber(3, 'jis:alice');
  const succession = signSuccession(alice, next, start);

  test('the old identity names the new one, and both sign', () => {
    expect(verifySuccession(succession, alice.token, next.token)).toBe('valid');
    expect(decodeSuccession(encodeSuccession(succession))).toEqual(succession);
  });

  test('one signature alone, or one in the place of the other, does not serve', () => {
    const { oldSignature, newSignature } = succession;
    for (const changed of [
      { ...succession, oldSignature: newSignature },
      { ...succession, newSignature: oldSignature },
      { ...succession, oldSignature: newSignature, newSignature: oldSignature },
      { ...succession, since: start + 1 },
    ])
      expect(verifySuccession(changed, alice.token, next.token)).toBe('forged');
  });

  test('another name or the same key is no succession', () => {
    expect(() => signSuccession(alice, mallory, start)).toThrow(
      expect.objectContaining({ code: 'succession' }),
    );
    expect(() => signSuccession(alice, alice, start)).toThrow();
  });
});

describe('what comes from the network', () => {
  const readers = { decodeTombstone, decodeSuccession, verifyLinkProof, decodeCrossSigning };

  test.each(Object.entries(readers))(
    'property: arbitrary bytes only ever raise TokenError: %s',
    (_, read) => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
          expect(() => read(bytes)).toThrow(TokenError);
        }),
      );
    },
  );
});

describe('what goes on to the callee', () => {
  const options = intentOptions(invite);

  test('is the signed token without what came along, byte for byte the one that was signed bare', () => {
    const full = createIntentToken({ ...options, identityToken: alice.token.bytes });
    const bare = createIntentToken(options);
    expect([carriesMore(full), carriesMore(bare)]).toEqual([true, false]);
    expect(bareIntentToken(decodeIntentToken(full))).toBe(bare);
    expect(verifyIntentToken(decodeIntentToken(bare), alice.token.publicKey)).toBe(true);
  });
});
