import { describe, expect, test } from 'vitest';
import { encodeHex } from '../../src/base/index.ts';
import {
  type Ask,
  type AskOptions,
  answerClaimCheck,
  askClaimIssuer,
  checkClaim,
  claimAttribute,
  claimsAmong,
  decodeClaim,
  decodeIdentityToken,
  delegateClaimCheck,
  issueClaim,
  signAnswer,
  type VerifiableClaim,
} from '../../src/tokens/index.ts';
import { identityNumber, keyNumber, start } from './identities.ts';
import { codeOf, fromHex, readVectors } from './vectors.ts';

const alice = identityNumber(1, 'jis:alice');
const mallory = identityNumber(2, 'jis:mallory');
const company = identityNumber(3, 'did:example:company');
const helper = identityNumber(4, 'jis:verifier');

function issue(change: Partial<Parameters<typeof issueClaim>[0]> = {}): VerifiableClaim {
  return issueClaim({
    key: company.key,
    issuer: company.token.fingerprint,
    subject: alice.token.fingerprint,
    name: 'employee',
    value: true,
    expires: start + 3600,
    now: start,
    ...change,
  });
}

const expected = { issuer: company.token, subject: alice.token.fingerprint, now: start };

function options(ask: Ask): AskOptions {
  return { ask, nonce: new Uint8Array(16).fill(9), now: start, signal: new AbortController().signal };
}

describe('verifiable claim', () => {
  test('seed 33: a third party’s statement about one subject holds until its expiry', () => {
    expect(checkClaim(issue(), expected)).toBe('valid');
    expect(checkClaim(issue(), { ...expected, now: start + 3600 })).toBe('expired');
  });

  test('seed 33: copied to another subject it fails', () => {
    expect(checkClaim(issue(), { ...expected, subject: mallory.token.fingerprint })).toBe('other-subject');
  });

  test('seed 33: forged or altered it fails', () => {
    expect(checkClaim(issue({ key: mallory.key }), expected)).toBe('forged');
    expect(checkClaim(issue(), { ...expected, issuer: mallory.token })).toBe('other-issuer');
    const altered = decodeClaim(issue({ value: false }).bytes);
    const spliced = { ...altered, sign1: { ...altered.sign1, signature: issue().sign1.signature } };
    expect(checkClaim(spliced, expected)).toBe('forged');
  });

  test('exact bytes', () => {
    const vectors = readVectors<{
      readonly valid: readonly { readonly name: string; readonly bytes: string }[];
      readonly verifiableClaim: {
        readonly subject: string;
        readonly issuedAt: number;
        readonly bytes: string;
      };
    }>('identity-token.json');
    const { subject, issuedAt, bytes } = vectors.verifiableClaim;
    const realm = vectors.valid.find(({ name }) => name === 'realm');
    const issuer = decodeIdentityToken(fromHex(realm?.bytes ?? ''));
    const claim = decodeClaim(fromHex(bytes));
    expect(checkClaim(claim, { issuer, subject, now: issuedAt })).toBe('valid');
    expect(encodeHex(claim.bytes)).toBe(bytes);
  });

  test('seed 33: travels as an attribute and is found again', () => {
    const attributes = [claimAttribute(issue(), 'identity')];
    const { token } = identityNumber(1, 'jis:alice', { attributes });
    const [found] = claimsAmong(token.attributes);
    expect(found && checkClaim(found, expected)).toBe('valid');
    const broken = [{ name: 'claim:x', value: 'text', level: 'identity' as const }];
    expect(codeOf(() => claimsAmong(broken))).toBe('attribute');
  });

  test('seed 33: the third party can be asked whether the claim still stands', async () => {
    const answering = (answer: 'yes' | 'no', key = company.key): Ask => {
      return async (question) => signAnswer(key, question, answer, start + 60);
    };
    expect(await askClaimIssuer(issue(), company.token, options(answering('yes')))).toBe('yes');
    expect(await askClaimIssuer(issue(), company.token, options(answering('no')))).toBe('no');
    expect(await askClaimIssuer(issue(), company.token, options(answering('yes', mallory.key)))).toBe(
      'forged',
    );
    const silent: Ask = () => Promise.reject(new Error('no route'));
    expect(await askClaimIssuer(issue(), company.token, options(silent))).toBe('unreachable');
  });

  test('seed 33: a small device delegates the check to a party that it trusts', async () => {
    const delegate = (claim: VerifiableClaim): Ask => {
      return async ({ nonce }) => answerClaimCheck(helper.key, claim, nonce, expected, start + 60);
    };
    const { fingerprint } = alice.token;
    const ask = (claim: VerifiableClaim, subject = fingerprint): Promise<string> =>
      delegateClaimCheck(claim.bytes, subject, helper.token, options(delegate(claim)));
    expect(await ask(issue())).toBe('yes');
    expect(await ask(issue({ key: mallory.key }))).toBe('no');
    expect(await ask(issue(), mallory.token.fingerprint)).toBe('forged');
  });

  test('malformed claims are refused', () => {
    expect(codeOf(() => decodeClaim(alice.token.bytes))).toBe('typ');
    expect(codeOf(() => decodeClaim(new Uint8Array(2_000)))).toBe('too-large');
    expect(codeOf(() => issue({ name: '' }))).toBe('claims');
    expect(codeOf(() => issue({ key: keyNumber(3), subject: 'alice' }))).toBe('subject');
  });
});
