import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AuditLog, type Layer, type RecordDraft, verifyLog } from '../../src/provenance/index.ts';
import {
  createIdentityToken,
  createIntentToken,
  decodeIntentToken,
  generateSigningKey,
  type IdentityToken,
  type IntentRequest,
  type IntentTokenOptions,
  type SigningKey,
  sha256,
  shownCore,
} from '../../src/tokens/index.ts';
import { parseTrust, type Report, verifyFile } from '../../src/verify/index.ts';
import { bob, draft, openLog, scratch, settled } from '../provenance/support/test-log.ts';

const now = 1_700_000_000;

function identity(subject: string): { readonly key: SigningKey; readonly token: IdentityToken } {
  const key = generateSigningKey();
  const token = createIdentityToken({ key, subject, notBefore: now, expires: now + 9_000_000, now });
  return { key, token };
}

const alice = identity('jis:alice');
const gateway = identity('jis:gateway');
const mallory = identity('jis:mallory');
const intent = 'callback, ticket 4711';
const request: IntentRequest = {
  method: 'INVITE',
  fromUri: 'sip:alice@example.com',
  fromTag: 'a1',
  toUri: 'sip:bob@example.com',
  toTag: undefined,
  callId: 'sip-1@example.com',
  cseq: 7,
  contact: undefined,
  dtlsFingerprints: [],
};

let directory: ReturnType<typeof scratch>;
let log: AuditLog;
beforeEach(async () => {
  directory = scratch();
  log = await openLog(directory.path);
});
afterEach(async () => {
  await log.close();
  directory.dispose();
});

function tokenOf(signer: typeof alice, more: Partial<IntentTokenOptions> = {}): Uint8Array {
  const value = createIntentToken({
    signer: { key: signer.key, fingerprint: signer.token.fingerprint },
    audience: 'example.com',
    iat: now,
    exp: now + 60,
    cti: new Uint8Array(16),
    request,
    callee: { fingerprint: bob },
    intent: { code: 'call', text: intent },
    parents: [],
    assurance: 3,
    ...more,
  });
  return decodeIntentToken(value).bytes;
}

/** An attempt as the gateway writes it, with what the caller has signed. */
function signedAttempt(
  token: Uint8Array,
  signer: Uint8Array,
  erin: Layer = {},
  more: Layer = {},
): RecordDraft {
  return draft('call.attempt', {
    erin: {
      event: 'call.attempt',
      callId: request.callId,
      from: request.fromUri,
      to: request.toUri,
      caller: 'jis:alice',
      callee: 'jis:bob',
      assurance: 3,
      signedBy: 'device',
      ...erin,
    },
    eraan: { parents: [], tokens: [Buffer.from(sha256(token)).toString('base64url')] },
    erachter: intent,
    signed: { token, signer: shownCore(signer), leg: [request.fromTag, request.cseq], ...more },
    parties: [
      { fingerprint: alice.token.fingerprint, role: 'caller', owns: { erin: ['caller', 'from', 'callId'] } },
      { fingerprint: bob, role: 'callee', owns: { erin: ['callee', 'to'] } },
    ],
    call: { id: 'c1', phase: 'attempt' },
  });
}

/** What a proof file shows of it; whoever checks the whole log by itself must come to the same. */
async function reportOf(record: RecordDraft): Promise<Report> {
  const { id, ...written } = log.append(record);
  expect(await settled({ id, ...written })).toBe('durable');
  await log.commitHeads();
  const report = verifyFile(await log.prove(id), parseTrust(log.vkey));
  const whole = await verifyLog({ directory: join(directory.path, 'log'), vkey: log.vkey });
  const failed = report.checks.find(({ ok }) => !ok)?.says;
  expect(whole.problems.map(({ kind, message }) => [kind, message.toLowerCase()])).toEqual(
    failed === undefined ? [] : [['intent', failed.toLowerCase()]],
  );
  const { byCaller, byGateway } = whole.signedIntents;
  expect(byCaller + byGateway > 0).toBe(report.checks.some(({ name, ok }) => ok && name === 'Signed intent'));
  return report;
}

const onBehalf = { onBehalfOf: alice.token.fingerprint, assurance: 1 } as const;

describe('property 6 (call-bound): an auditor offline, with a proof file and the verifier key', () => {
  test('sees that the caller itself signed, for this very call', async () => {
    const report = await reportOf(signedAttempt(tokenOf(alice), alice.token.bytes));
    expect(report.verdict).toBe('UNWITNESSED');
    expect(report.checks).toContainEqual({
      name: 'Signed intent',
      ok: true,
      says: "The caller's own key signed the intent",
    });
    expect(report.story[0]?.text).toContain("The caller's own device key signed the call.");
    expect(report.proved.join('\n')).toContain(
      `The caller jis:alice (${alice.token.fingerprint.slice(0, 12)}…) signed “${intent}” for this very call, at 2023-11-14T22:13:20Z by its own clock, with its own key.`,
    );
    expect(report.open.join('\n')).not.toContain('intent token');
  });

  test('property 8 (honest assurance): sees that the gateway signed on behalf, and does not take it for the caller', async () => {
    const token = tokenOf(gateway, onBehalf);
    const report = await reportOf(
      signedAttempt(token, gateway.token.bytes, { signedBy: 'gateway', assurance: 1 }),
    );
    expect(report.verdict).toBe('UNWITNESSED');
    expect(report.checks.find(({ name }) => name === 'Signed intent')?.says).toBe(
      "A gateway signed the intent on the caller's behalf",
    );
    expect(report.proved.join('\n')).toContain('whose own key signed nothing');
  });

  const otherCall = { request: { ...request, callId: 'sip-2@example.com' } };
  const changed = (token: Uint8Array, at: number): Uint8Array =>
    token.with(at < 0 ? token.length + at : at, (token.at(at) ?? 0) ^ 1);
  const refused: readonly (readonly [string, () => RecordDraft, string])[] = [
    [
      'a token whose signature was changed',
      () => signedAttempt(changed(tokenOf(alice), -1), alice.token.bytes),
      'was changed',
    ],
    [
      'a token whose claims were changed',
      () => signedAttempt(changed(tokenOf(alice), 200), alice.token.bytes),
      'token',
    ],
    [
      'a token of another call of the same caller',
      () => signedAttempt(tokenOf(alice, otherCall), alice.token.bytes),
      'for another call',
    ],
    [
      'a token of another CSeq',
      () => signedAttempt(tokenOf(alice), alice.token.bytes, {}, { leg: [request.fromTag, 8] }),
      'for another call',
    ],
    [
      'a token that declares something else',
      () => signedAttempt(tokenOf(alice, { intent: { code: 'call', text: 'no' } }), alice.token.bytes),
      'declares something else',
    ],
    [
      'a token of somebody else',
      () => signedAttempt(tokenOf(mallory), mallory.token.bytes),
      'somebody else did',
    ],
    [
      "a gateway's token as the caller's",
      () => signedAttempt(tokenOf(gateway, onBehalf), gateway.token.bytes),
      'somebody else did',
    ],
    [
      'a token on behalf of somebody else',
      () =>
        signedAttempt(
          tokenOf(gateway, { ...onBehalf, onBehalfOf: mallory.token.fingerprint }),
          gateway.token.bytes,
          { signedBy: 'gateway', assurance: 1 },
        ),
      'on behalf of somebody else',
    ],
    [
      'an assurance higher than the token claims',
      () =>
        signedAttempt(tokenOf(gateway, onBehalf), gateway.token.bytes, { signedBy: 'gateway', assurance: 2 }),
      'who vouched',
    ],
    [
      'the identity of somebody else beside it',
      () => signedAttempt(tokenOf(alice), mallory.token.bytes),
      'not that of the identity',
    ],
    [
      'a token that the record does not rest on',
      () => ({ ...signedAttempt(tokenOf(alice), alice.token.bytes), eraan: { parents: [], tokens: ['x'] } }),
      'rests on',
    ],
    [
      'something that is no token',
      () => signedAttempt(Uint8Array.of(0xd2, 0x80), alice.token.bytes),
      'another form',
    ],
  ];
  test.each(refused)('refuses %s, whoever logged it', async (_, record, why) => {
    const report = await reportOf(record());
    expect(report.verdict).toBe('INVALID');
    expect(report.summary).toContain(why);
    expect(report.checks.at(-1)).toMatchObject({ name: 'Signed intent', ok: false });
  });

  test.each([
    ['caller', alice.token.fingerprint],
    ['callee', bob],
  ])('is shown no token once the %s was erased', async (_, fingerprint) => {
    const token = tokenOf(alice);
    const { id, ...written } = log.append(signedAttempt(token, alice.token.bytes));
    expect(await settled({ id, ...written })).toBe('durable');
    await log.erase(fingerprint);
    await log.commitHeads();
    const proof = await log.prove(id);
    const extra = Buffer.from(proof.split('\n')[1]?.slice('extra '.length) ?? '', 'base64');
    expect(extra.includes(token.subarray(-64))).toBe(false);
    const report = verifyFile(proof, parseTrust(log.vkey));
    expect(report.verdict).toBe('REDACTED');
    expect(report.checks.map(({ name }) => name)).not.toContain('Signed intent');
  });
});
