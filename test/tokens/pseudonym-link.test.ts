import { describe, expect, test } from 'vitest';
import {
  createIdentityToken,
  decodeIdentityToken,
  type IdentityToken,
  proveLink,
  proveMemberLink,
  renewIdentityToken,
  verifyIssuer,
  verifyLinkProof,
} from '../../src/tokens/index.ts';
import { identityNumber, keyNumber, start, type TestIdentity, yearLater } from './identities.ts';

const alice = identityNumber(1, 'jis:alice');
const mallory = identityNumber(9, 'jis:mallory');
const realm = identityNumber(7, 'jis:acme');
const asked = { auditor: 'case 17', now: start };

function hiddenChild(n: number, subject: string, of: TestIdentity, inRealm?: string): TestIdentity {
  const key = keyNumber(n);
  const token = createIdentityToken({
    key,
    subject,
    hiddenIssuer: { key: of.key, fingerprint: of.token.fingerprint },
    notBefore: start,
    expires: yearLater,
    now: start,
    ...(inRealm && { realm: inRealm }),
  });
  return { key, token };
}

const parentOf = ({ key, token }: TestIdentity) => ({ key, fingerprint: token.fingerprint, token });

/** Whether anything of an identity can be found in bytes: fingerprint as text or bytes, key, subject. */
function tells(bytes: Uint8Array, of: IdentityToken): boolean {
  const text = Buffer.from(bytes).toString('latin1');
  return [of.fingerprint, Buffer.from(of.publicKey).toString('latin1'), of.subject].some((part) =>
    text.includes(part),
  );
}

const child = hiddenChild(2, 'jis:night', alice);

describe('a pseudonym that does not tell its parent', () => {
  test('seed 29: has its own fingerprint, and nothing in its token tells the parent', () => {
    expect(child.token.issuerHidden).toBe(true);
    expect(verifyIssuer(child.token, alice.token)).toBe('hidden');
    expect(tells(child.token.bytes, alice.token)).toBe(false);
    expect(decodeIdentityToken(child.token.bytes)).toEqual(child.token);
  });

  test('seed 29: two pseudonyms of one parent have nothing in common', () => {
    const other = hiddenChild(3, 'jis:day', alice);
    expect(other.token.issuer).not.toBe(child.token.issuer);
    expect(hiddenChild(2, 'jis:night', mallory).token.issuer).not.toBe(child.token.issuer);
  });

  test('seed 30: by issuer, by realm and by both, each with a fingerprint of its own', () => {
    const acme = realm.token.fingerprint;
    const all = [
      child,
      hiddenChild(2, 'jis:night', alice, acme),
      identityNumber(2, 'jis:night', { realm: acme }),
      identityNumber(2, 'jis:night', { issuer: alice }),
      identityNumber(2, 'jis:night', { issuer: alice, realm: acme }),
      identityNumber(2, 'jis:night'),
    ];
    expect(new Set(all.map(({ token }) => token.fingerprint)).size).toBe(all.length);
  });

  test('seed 29: a pseudonym of a pseudonym, three levels deep, is proved link by link', () => {
    const grandchild = hiddenChild(4, 'jis:later', child);
    const last = hiddenChild(5, 'jis:last', grandchild);
    const links: [TestIdentity, TestIdentity][] = [
      [alice, child],
      [child, grandchild],
      [grandchild, last],
    ];
    for (const [parent, pseudonym] of links) {
      const { bytes } = proveLink({ ...asked, parent: parentOf(parent), pseudonym: pseudonym.token });
      expect(verifyLinkProof(bytes)).toMatchObject({ by: 'parent', person: parent.token.fingerprint });
    }
    expect(() => proveLink({ ...asked, parent: parentOf(alice), pseudonym: last.token })).toThrow(
      expect.objectContaining({ code: 'link' }),
    );
  });

  test('a renewal needs no parent and keeps the fingerprint', () => {
    const renewed = renewIdentityToken(child.token, {
      key: child.key,
      notBefore: start + 1,
      expires: yearLater + 1,
      now: start + 1,
    });
    expect(renewed).toMatchObject({ fingerprint: child.token.fingerprint, issuerHidden: true });
  });
});

describe('the proof of a link', () => {
  const proof = proveLink({ ...asked, parent: parentOf(alice), pseudonym: child.token });

  test('tells an auditor whose pseudonym it is, and for whom the proof was made', () => {
    expect(verifyLinkProof(proof.bytes)).toMatchObject({
      person: alice.token.fingerprint,
      pseudonym: { fingerprint: child.token.fingerprint },
      auditor: 'case 17',
    });
  });

  test('a stranger cannot claim a pseudonym, nor a parent that of another', () => {
    for (const stranger of [mallory, child])
      expect(() => proveLink({ ...asked, parent: parentOf(stranger), pseudonym: child.token })).toThrow();
  });

  test('works for a pseudonym that shows its parent too', () => {
    const open = identityNumber(6, 'jis:open', { issuer: alice });
    expect(proveLink({ ...asked, parent: parentOf(alice), pseudonym: open.token }).by).toBe('parent');
    const root = identityNumber(6, 'jis:open');
    expect(() => proveLink({ ...asked, parent: parentOf(alice), pseudonym: root.token })).toThrow();
  });

  test('a realm proves which member stands behind a pseudonym of its own, and of no other', () => {
    const member = identityNumber(8, 'jis:shift', { realm: realm.token.fingerprint });
    const options = { ...asked, realm, person: alice.token.fingerprint };
    const { bytes } = proveMemberLink({ ...options, pseudonym: member.token });
    expect(verifyLinkProof(bytes)).toMatchObject({ by: 'realm', person: alice.token.fingerprint });
    expect(() => proveMemberLink({ ...options, pseudonym: child.token })).toThrow();
  });

  test('seed 36: each changed byte is refused', () => {
    for (let i = 0; i < proof.bytes.length; i += 7) {
      const bytes = Uint8Array.from(proof.bytes);
      bytes[i] = (bytes[i] ?? 0) ^ 1;
      expect(() => verifyLinkProof(bytes), `byte ${i}`).toThrow();
    }
  });
});
