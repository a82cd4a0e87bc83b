import { calleeHash, type IntentRequest, type IntentTokenOptions } from '../../src/tokens/index.ts';
import { identityNumber, start, type TestIdentity } from './identities.ts';

export const alice: TestIdentity = identityNumber(0xa1, 'jis:alice');
export const calleeAddress = 'bob@example.org';

export const invite: IntentRequest = {
  method: 'INVITE',
  fromUri: 'sip:alice@example.org',
  fromTag: '1928301774',
  toUri: 'sip:bob@example.org',
  toTag: undefined,
  callId: 'a84b4c76e66710@203.0.113.7',
  cseq: 314_159,
  contact: undefined,
  dtlsFingerprints: ['sha-256 4A:AD:B9', 'sha-1 00:11:22'],
};

export const message: IntentRequest = { ...invite, method: 'MESSAGE', dtlsFingerprints: [] };

export const register: IntentRequest = {
  ...invite,
  method: 'REGISTER',
  toUri: 'sip:alice@example.org',
  contact: '<sip:alice@192.0.2.4;transport=ws>',
  dtlsFingerprints: [],
};

/** What alice's phone signs for `request` at the start of the year. */
export function intentOptions(request: IntentRequest): IntentTokenOptions {
  const salt = new Uint8Array(16).fill(0x5a);
  return {
    signer: { key: alice.key, fingerprint: alice.token.fingerprint },
    audience: 'example.org',
    iat: start,
    exp: start + 120,
    cti: new Uint8Array(16).fill(0xc7),
    request,
    callee: { salt, hash: calleeHash(calleeAddress, salt) },
    intent: { code: request.method.toLowerCase(), text: 'callback, ticket 4711' },
    parents: [],
    assurance: 3,
  };
}
