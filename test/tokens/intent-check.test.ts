import { describe, expect, test } from 'vitest';
import {
  checkIntent,
  createIntentToken,
  decodeIntentToken,
  type IntentExpectations,
  type IntentToken,
} from '../../src/tokens/index.ts';
import { identityNumber, start } from './identities.ts';
import { calleeAddress, intentOptions, invite, register } from './intents.ts';

const token: IntentToken = decodeIntentToken(createIntentToken(intentOptions(invite)));
const expected: IntentExpectations = {
  audience: 'example.org',
  request: invite,
  calleeAddresses: { address: calleeAddress },
  now: start,
};

describe('property 6 (call-bound): checking an intent against its request', () => {
  test('the request that was signed passes', () => {
    expect(checkIntent(token, expected)).toBeUndefined();
  });

  test.each<[string, Partial<IntentExpectations>, string]>([
    ['another domain', { audience: 'example.com' }, 'audience'],
    ['another method', { request: { ...invite, method: 'MESSAGE' } }, 'method'],
    ['another From', { request: { ...invite, fromUri: 'sip:mallory@example.org' } }, 'leg'],
    ['another From tag', { request: { ...invite, fromTag: 'x' } }, 'leg'],
    ['another To', { request: { ...invite, toUri: 'sip:carol@example.org' } }, 'leg'],
    ['a To tag', { request: { ...invite, toTag: 'x' } }, 'leg'],
    ['another Call-ID', { request: { ...invite, callId: 'x' } }, 'leg'],
    ['another CSeq', { request: { ...invite, cseq: 2 } }, 'leg'],
    ['another media key', { request: { ...invite, dtlsFingerprints: ['sha-256 FF'] } }, 'media'],
    ['media keys taken away', { request: { ...invite, dtlsFingerprints: [] } }, 'media'],
    ['another callee', { calleeAddresses: { address: 'carol@example.org' } }, 'callee'],
    ['61 s later', { now: start + 61 }, 'stale'],
    ['61 s earlier', { now: start - 61 }, 'future'],
    ['a gateway that started after it was signed', { notIssuedBefore: start + 1 }, 'before-start'],
    ['the end of its time', { now: start + 120, freshnessSeconds: 300 }, 'expired'],
    ['an identity that ends before it', { signerExpires: start + 119 }, 'outlives-identity'],
    ['a signer that cannot be so sure', { maxAssurance: 1 }, 'assurance'],
  ])('%s', (_name, change, fault) => {
    expect(checkIntent(token, { ...expected, ...change })).toBe(fault);
  });

  test('60 s either way is fresh (RFC 8224 §6.2.2)', () => {
    expect(checkIntent(token, { ...expected, now: start + 60 })).toBeUndefined();
    expect(checkIntent(token, { ...expected, now: start - 60 })).toBeUndefined();
  });

  test('host names compare without regard to case', () => {
    const upper = { audience: 'EXAMPLE.org', calleeAddresses: { address: 'bob@Example.ORG' } };
    expect(checkIntent(token, { ...expected, ...upper })).toBeUndefined();
    expect(checkIntent(token, { ...expected, calleeAddresses: { address: 'Bob@example.org' } })).toBe(
      'callee',
    );
  });

  test('media keys that were added on the path are a fault', () => {
    const bare = { ...invite, dtlsFingerprints: [] };
    const signed = decodeIntentToken(createIntentToken(intentOptions(bare)));
    expect(checkIntent(signed, { ...expected, request: bare })).toBeUndefined();
    expect(checkIntent(signed, expected)).toBe('media');
  });

  test('a callee named by fingerprint is met by that identity only', () => {
    const bob = identityNumber(0xb0, 'jis:bob').token.fingerprint;
    const carol = identityNumber(0xca, 'jis:carol').token.fingerprint;
    const named = decodeIntentToken(
      createIntentToken({ ...intentOptions(invite), callee: { fingerprint: bob } }),
    );
    const meant = (fingerprint?: string): string | undefined =>
      checkIntent(named, { ...expected, calleeAddresses: { fingerprint, address: calleeAddress } });
    expect(meant(bob)).toBeUndefined();
    expect(meant(carol)).toBe('callee');
    expect(meant()).toBe('callee');
  });

  test('REGISTER binds its Contact', () => {
    const signed = decodeIntentToken(createIntentToken(intentOptions(register)));
    expect(checkIntent(signed, { ...expected, request: register })).toBeUndefined();
    const moved = { ...register, contact: '<sip:mallory@198.51.100.9>' };
    expect(checkIntent(signed, { ...expected, request: moved })).toBe('leg');
  });

  test('a Session-ID may be added on the path, not changed (RFC 7989 §7)', () => {
    const session = { ...invite, sessionId: 'ab30317f1a784dc48ff824d0d3715d86' };
    expect(checkIntent(token, { ...expected, request: session })).toBeUndefined();
    const signed = decodeIntentToken(createIntentToken(intentOptions(session)));
    expect(checkIntent(signed, { ...expected, request: session })).toBeUndefined();
    expect(checkIntent(signed, expected)).toBe('session');
  });

  test('a nonce of the verifier stands for freshness when the signer’s clock is off', () => {
    const off = { ...expected, now: start + 90_000 };
    expect(checkIntent(token, off)).toBe('stale');
    expect(checkIntent(token, { ...off, freshnessProved: true })).toBeUndefined();
    expect(checkIntent(token, { ...off, freshnessProved: true, audience: 'x' })).toBe('audience');
  });

  test('minimum assurance', () => {
    const weak = decodeIntentToken(createIntentToken({ ...intentOptions(invite), assurance: 1 }));
    expect(checkIntent(weak, { ...expected, minAssurance: 2 })).toBe('assurance');
    expect(checkIntent(weak, { ...expected, minAssurance: 1 })).toBeUndefined();
  });
});
