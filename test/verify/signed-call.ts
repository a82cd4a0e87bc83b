import type { RecordDraft } from '../../src/provenance/index.ts';
import {
  createIdentityToken,
  createIntentToken,
  decodeIntentToken,
  type IdentityToken,
  type IntentRequest,
  type SigningKey,
  sha256,
  shownCore,
  signingKeyFromSeed,
} from '../../src/tokens/index.ts';

export interface Person {
  readonly name: string;
  readonly seed: Uint8Array;
  readonly key: SigningKey;
  readonly token: IdentityToken;
}

const now = 1_700_000_000;

/** The same name makes the same person each time. */
export function person(name: string): Person {
  const seed = sha256(Buffer.from(name));
  const key = signingKeyFromSeed(seed);
  const token = createIdentityToken({ key, subject: name, notBefore: now, expires: now + 9e8, now });
  return { name, seed, key, token };
}

/** The records of an answered call as a gateway writes them, with the intent token that the caller's device signed. */
export function signedCall(
  id: string,
  caller: Person,
  callee: Person,
  intent: string,
): readonly RecordDraft[] {
  const [from, to] = [caller, callee].map(({ name }) => `sip:${name.slice(4)}@example.com`);
  const request: IntentRequest = {
    method: 'INVITE',
    fromUri: from ?? '',
    fromTag: `tag-${id}`,
    toUri: to ?? '',
    toTag: undefined,
    callId: `sip-${id}@example.com`,
    cseq: 7,
    contact: undefined,
    dtlsFingerprints: [],
  };
  const token = decodeIntentToken(
    createIntentToken({
      signer: { key: caller.key, fingerprint: caller.token.fingerprint },
      audience: 'example.com',
      iat: now,
      exp: now + 60,
      cti: sha256(Buffer.from(id)).subarray(0, 16),
      request,
      callee: { fingerprint: callee.token.fingerprint },
      intent: { code: 'call', text: intent },
      parents: [],
      assurance: 3,
    }),
  ).bytes;
  const common = { caller: caller.name, callee: callee.name, from, to, callId: request.callId };
  const record = (
    event: string,
    phase: 'attempt' | 'progress' | 'answer' | 'close',
    erin: object,
  ): RecordDraft => ({
    erin: { ...common, ...erin, event },
    eraan: { parents: [], ...(phase === 'attempt' && { tokens: [referenceTo(token)] }) },
    eromheen: { transport: 'ws' },
    erachter: intent,
    ...(phase === 'attempt' && {
      signed: {
        token,
        signer: shownCore(caller.token.bytes),
        leg: [request.fromTag, request.cseq],
      },
    }),
    parties: [
      {
        fingerprint: caller.token.fingerprint,
        role: 'caller',
        owns: { erin: ['caller', 'from', 'callId'] },
      },
      { fingerprint: callee.token.fingerprint, role: 'callee', owns: { erin: ['callee', 'to'] } },
    ],
    call: { id, phase },
  });
  return [
    record('call.attempt', 'attempt', { assurance: 3, signedBy: 'device' }),
    record('call.ringing', 'progress', { status: 180 }),
    record('call.answer', 'answer', { status: 200 }),
    record('call.end', 'close', { outcome: 'answered', talkedMs: 12_000, by: 'caller' }),
  ];
}

function referenceTo(token: Uint8Array): string {
  return Buffer.from(sha256(token)).toString('base64url');
}
