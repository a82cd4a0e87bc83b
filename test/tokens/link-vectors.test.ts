import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  createTombstone,
  decodeIdentityToken,
  decodeSuccession,
  decodeTombstone,
  encodeSuccession,
  proveLink,
  proveMemberLink,
  signSuccession,
  TokenError,
  verifyLinkProof,
  verifySuccession,
} from '../../src/tokens/index.ts';
import { identityNumber, start } from './identities.ts';

interface Refused {
  readonly name: string;
  readonly code?: string;
  readonly verdict?: string;
  readonly bytes: string;
}

interface Vectors {
  readonly successor: string;
  readonly hiddenPseudonym: { readonly fingerprint: string; readonly issuer: string; readonly bytes: string };
  readonly linkByParent: { readonly person: string; readonly bytes: string };
  readonly linkByRealm: { readonly person: string; readonly bytes: string };
  readonly tombstone: { readonly bytes: string };
  readonly succession: { readonly bytes: string };
  readonly invalid: Readonly<Record<'links' | 'tombstones' | 'successions', readonly Refused[]>>;
}

const file = new URL('../vectors/identity-links.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;
const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const codeOf = (read: () => unknown): string => {
  try {
    read();
    return 'accepted';
  } catch (error) {
    return error instanceof TokenError ? error.code : 'another error';
  }
};

const alice = identityNumber(0xa1, 'jis:alice');
const realm = identityNumber(0xac, 'jis:acme');
const next = identityNumber(0xa2, 'jis:alice');
const pseudonym = decodeIdentityToken(fromHex(vectors.hiddenPseudonym.bytes));
const asked = { pseudonym, auditor: 'case 17', now: start };
const parent = { key: alice.key, token: alice.token, fingerprint: alice.token.fingerprint };

describe('identity-links.json', () => {
  test('seed 15, 36: what is made from the published seeds has the published bytes', () => {
    expect(pseudonym).toMatchObject({
      fingerprint: vectors.hiddenPseudonym.fingerprint,
      issuer: vectors.hiddenPseudonym.issuer,
      issuerHidden: true,
    });
    expect(hex(proveLink({ ...asked, parent }).bytes)).toBe(vectors.linkByParent.bytes);
    const member = { ...asked, realm, person: alice.token.fingerprint };
    expect(hex(proveMemberLink(member).bytes)).toBe(vectors.linkByRealm.bytes);
    const tombstone = createTombstone({ ...alice, reason: 'phone stolen', now: start });
    expect(hex(tombstone.bytes)).toBe(vectors.tombstone.bytes);
    expect(hex(next.token.bytes)).toBe(vectors.successor);
    expect(hex(encodeSuccession(signSuccession(alice, next, start)))).toBe(vectors.succession.bytes);
  });

  test.each(vectors.invalid.links)('seed 15: a link is refused: $name', ({ bytes, code }) => {
    expect(codeOf(() => verifyLinkProof(fromHex(bytes)))).toBe(code);
  });

  test.each(vectors.invalid.tombstones)('seed 15: a tombstone is refused: $name', ({ bytes, code }) => {
    expect(codeOf(() => decodeTombstone(fromHex(bytes)))).toBe(code);
  });

  test.each(vectors.invalid.successions)('seed 15: a succession is refused: $name', ({ bytes, verdict }) => {
    expect(verifySuccession(decodeSuccession(fromHex(bytes)), alice.token, next.token)).toBe(verdict);
  });
});
