import { describe, expect, test } from 'vitest';
import { encodeHex } from '../../src/base/index.ts';
import {
  type Ask,
  type AskOptions,
  answerRealmQuestion,
  confirmRealm,
  createIdentityToken,
  decodeIdentityToken,
  realmQuestion,
  renewIdentityToken,
  type SignedAnswer,
  verifyIssuer,
} from '../../src/tokens/index.ts';
import { identityNumber, keyNumber, start, yearLater } from './identities.ts';
import { codeOf, fromHex, readVectors } from './vectors.ts';

const parent = identityNumber(1, 'jis:alice');
const stranger = identityNumber(2, 'jis:mallory');
const company = identityNumber(3, 'did:example:company');

describe('pseudonym by issuer', () => {
  const child = identityNumber(4, 'did:example:123456abcdef', { issuer: parent });

  test('seed 29: is approved under the parent’s own key', () => {
    expect(verifyIssuer(child.token, parent.token)).toBe('approved');
    expect(child.token.issuer).toBe(parent.token.fingerprint);
  });

  test('seed 29: whoever knows the parent’s fingerprint cannot approve in its name', () => {
    const forged = createIdentityToken({
      key: keyNumber(5),
      subject: 'jis:cfo',
      issuer: { key: stranger.key, fingerprint: parent.token.fingerprint },
      notBefore: start,
      expires: yearLater,
      now: start,
    });
    expect(verifyIssuer(forged, parent.token)).toBe('forged');
    expect(verifyIssuer(forged, stranger.token)).toBe('other-issuer');
  });

  test('seed 29: a key cannot approve itself as its own parent', () => {
    const own = createIdentityToken({
      key: parent.key,
      subject: 'jis:alice-2',
      issuer: { key: parent.key, fingerprint: parent.token.fingerprint },
      notBefore: start,
      expires: yearLater,
      now: start,
    });
    expect(verifyIssuer(own, parent.token)).toBe('forged');
  });

  test('seed 29: the approval covers the attributes: what the child adds itself is not approved', () => {
    const adorned = identityNumber(4, 'did:example:123456abcdef', {
      issuer: parent,
      attributes: [{ name: 'role', value: 'agent', level: 'identity' }],
    });
    expect(verifyIssuer(adorned.token, parent.token)).toBe('approved');
    const inflated = renewIdentityToken(adorned.token, {
      key: adorned.key,
      issuer: { key: stranger.key, fingerprint: parent.token.fingerprint },
      notBefore: start,
      expires: yearLater,
      now: start,
      attributes: [{ name: 'role', value: 'director', level: 'identity' }],
    });
    expect(inflated.fingerprint).toBe(adorned.token.fingerprint);
    expect(verifyIssuer(inflated, parent.token)).toBe('forged');
  });

  test('a root identity is no pseudonym', () => {
    expect(verifyIssuer(parent.token, stranger.token)).toBe('root');
  });

  test('a pseudonym is renewed with its issuer only', () => {
    const times = { key: child.key, notBefore: start, expires: yearLater, now: start };
    expect(codeOf(() => renewIdentityToken(child.token, times))).toBe('issuer-proof');
    const issuer = { key: parent.key, fingerprint: parent.token.fingerprint };
    expect(renewIdentityToken(child.token, { ...times, issuer }).fingerprint).toBe(child.token.fingerprint);
  });
});

describe('pseudonym by realm', () => {
  const member = identityNumber(4, 'mail:pseudonym@example.com', { realm: company.token.fingerprint });

  function options(ask: Ask, signal: AbortSignal = new AbortController().signal): AskOptions {
    return { ask, nonce: new Uint8Array(16).fill(1), now: start, signal };
  }

  function answering(isMember: boolean, key = company.key): Ask {
    return async (question) => answerRealmQuestion(key, question, isMember, start + 60);
  }

  test('seed 30: counts only after the realm has confirmed', async () => {
    expect(await confirmRealm(member.token, company.token, options(answering(true)))).toBe('confirmed');
    expect(await confirmRealm(member.token, company.token, options(answering(false)))).toBe('denied');
  });

  test('seed 30: an unreachable realm is a refusal', async () => {
    const failing: Ask = () => Promise.reject(new Error('no route'));
    expect(await confirmRealm(member.token, company.token, options(failing))).toBe('unreachable');
  });

  test('seed 30: a realm that never answers is a refusal once the caller’s patience ends', async () => {
    const controller = new AbortController();
    const verdict = confirmRealm(
      member.token,
      company.token,
      options(() => new Promise(() => {}), controller.signal),
    );
    controller.abort();
    expect(await verdict).toBe('unreachable');
  });

  test('an answer that another key signed is forged', async () => {
    const ask = answering(true, stranger.key);
    expect(await confirmRealm(member.token, company.token, options(ask))).toBe('forged');
  });

  test('an answer to another question does not serve: other nonce, other member, no turned into yes', async () => {
    const other = identityNumber(6, 'mail:other@example.com', { realm: company.token.fingerprint });
    let captured: SignedAnswer | undefined;
    const capture: Ask = async (question) => {
      captured = answerRealmQuestion(company.key, question, true, start + 60);
      return captured;
    };
    await confirmRealm(other.token, company.token, options(capture));
    const replayed = captured;
    if (!replayed) throw new Error('nothing captured');
    const replay: Ask = async () => replayed;
    expect(await confirmRealm(member.token, company.token, options(replay))).toBe('forged');
    const otherNonce = { ...options(replay), nonce: new Uint8Array(16).fill(2) };
    expect(await confirmRealm(other.token, company.token, otherNonce)).toBe('forged');
    const turned: Ask = async (question) => ({
      ...answerRealmQuestion(company.key, question, false, start + 60),
      answer: 'yes',
    });
    expect(await confirmRealm(member.token, company.token, options(turned))).toBe('forged');
  });

  test('an answer is good until its time, and a realm whose own token has ended confirms nobody', async () => {
    const late = { ...options(answering(true)), now: start + 60 };
    expect(await confirmRealm(member.token, company.token, late)).toBe('expired');
    const ended = { ...options(answering(true)), now: yearLater };
    expect(await confirmRealm(member.token, company.token, ended)).toBe('realm-invalid');
  });

  test('exact bytes of a signed answer', () => {
    const { signedAnswer } = readVectors<{
      readonly signedAnswer: Readonly<
        Record<'realm' | 'member' | 'nonce' | 'toBeSigned' | 'signature', string> & { until: number }
      >;
    }>('identity-token.json');
    const { realm, member: asked, nonce, until, toBeSigned, signature } = signedAnswer;
    const key = keyNumber(0x60);
    const question = realmQuestion(realm, asked, fromHex(nonce));
    expect(encodeHex(answerRealmQuestion(key, question, true, until).signature)).toBe(signature);
    expect(encodeHex(key.sign(fromHex(toBeSigned)))).toBe(signature);
  });

  test('another realm’s word does not count, and without a realm nobody is asked', async () => {
    expect(await confirmRealm(member.token, stranger.token, options(answering(true)))).toBe('other-realm');
    const unasked: Ask = () => Promise.reject(new Error('asked'));
    expect(await confirmRealm(parent.token, company.token, options(unasked))).toBe('none');
  });

  test('seed 30: realm and issuer work together, and all fingerprints differ', async () => {
    const both = identityNumber(4, 'mail:pseudonym@example.com', {
      issuer: parent,
      realm: company.token.fingerprint,
    });
    expect(verifyIssuer(both.token, parent.token)).toBe('approved');
    expect(await confirmRealm(both.token, company.token, options(answering(true)))).toBe('confirmed');
    const byIssuer = identityNumber(4, 'mail:pseudonym@example.com', { issuer: parent });
    const root = identityNumber(4, 'mail:pseudonym@example.com');
    const all = [both, byIssuer, member, root].map(({ token }) => token.fingerprint);
    expect(new Set(all).size).toBe(4);
  });

  test('realm and issuer survive the binary form', () => {
    const both = identityNumber(4, 'mail:a@example.com', {
      issuer: parent,
      realm: company.token.fingerprint,
    });
    expect(decodeIdentityToken(both.token.bytes)).toEqual(both.token);
  });
});
