import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/base/index.ts';
import { intentRequestOf } from '../../src/intent/index.ts';
import { appendHeaders, headerField, headerValue, type SipRequest, setHeader } from '../../src/sip/index.ts';
import {
  calleeHash,
  createIntentToken,
  type Fingerprint,
  verifyIntentToken,
} from '../../src/tokens/index.ts';
import { checkAtCallee, tokenOf } from '../support/intent-at-callee.ts';
import { type KeyIdentity, type SipAgent, withoutSigning } from '../support/sip-agent.ts';
import { establish, exchange, ring } from '../support/sip-call.ts';
import { newIdentity, TestGateway, testDomain } from '../support/test-gateway.ts';

let gateway: TestGateway;
const alice = newIdentity('jis:alice');
const bob = newIdentity('jis:bob');
let aliceUdp: SipAgent;
let bobWs: SipAgent;
let desk: SipAgent;

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: [
      { name: 'desk', extension: '1007', password: 'pw' },
      { name: 'desk-2', password: 'pw' },
    ],
  });
  aliceUdp = await gateway.keyPhone('alice', 'udp', { identity: alice });
  bobWs = await gateway.keyPhone('bob', 'ws', { identity: bob });
  desk = await gateway.stockPhone('1007', 'udp');
  for (const phone of [aliceUdp, bobWs, desk]) expect((await phone.register()).status).toBe(200);
});
afterAll(() => gateway.close());

/** A phone with a key that calls with a token made by hand. */
async function callWith(
  caller: SipAgent,
  identity: KeyIdentity,
  callee: { fingerprint: Fingerprint },
): Promise<SipRequest> {
  const plain = withoutSigning(caller).build('INVITE', bobWs.address);
  const now = Math.floor(Date.now() / 1000);
  const token = createIntentToken({
    signer: { key: identity.key, fingerprint: identity.token.fingerprint },
    audience: testDomain,
    iat: now,
    exp: now + 60,
    cti: systemRandom.bytes(16),
    request: intentRequestOf(plain),
    callee,
    intent: { code: 'invite', text: 'by fingerprint' },
    parents: [],
    assurance: 3,
  });
  return appendHeaders(plain, [headerField('Intent-Token', token)]);
}

describe('an INVITE whose caller’s device signed the intent (design §5)', () => {
  it('reaches the callee with that token, which verifies with the caller’s public key', async () => {
    const { invite } = await establish(aliceUdp, bobWs, undefined, { intent: 'callback, ticket 4711' });
    const token = tokenOf(invite);
    expect(token.signer).toBe(alice.token.fingerprint);
    expect(token.onBehalfOf).toBeUndefined();
    expect(token.assurance).toBe(3);
    expect(token.intent.text).toBe('callback, ticket 4711');
    expect(verifyIntentToken(token, alice.token.publicKey)).toBe(true);
    expect(verifyIntentToken(token, bob.token.publicKey)).toBe(false);
    expect(checkAtCallee(invite, bob.token.fingerprint)).toBeUndefined();
  });

  it('and the token speaks for that request only', async () => {
    const { invite } = await establish(aliceUdp, bobWs);
    const other = setHeader(invite, 'From', `<sip:mallory@${testDomain}>;tag=${invite.from.tag}`);
    expect(checkAtCallee(other, bob.token.fingerprint)).toBe('leg');
    expect(checkAtCallee(setHeader(invite, 'Call-ID', 'another'), bob.token.fingerprint)).toBe('leg');
    expect(checkAtCallee(invite, bob.token.fingerprint, { audience: 'elsewhere.test' })).toBe('audience');
    const later = Math.floor(Date.now() / 1000) + 3_600;
    expect(checkAtCallee(invite, bob.token.fingerprint, { now: later })).toBe('stale');
  });

  it('may name the callee by its fingerprint', async () => {
    const request = await callWith(aliceUdp, alice, { fingerprint: bob.token.fingerprint });
    aliceUdp.send(request);
    bobWs.reply(await bobWs.incoming('INVITE'), 486);
    expect((await aliceUdp.final(request)).status).toBe(486);
  });

  it('is refused when the token names another callee than the Request-URI', async () => {
    const request = await callWith(aliceUdp, alice, { fingerprint: alice.token.fingerprint });
    aliceUdp.send(request);
    const response = await aliceUdp.final(request);
    expect([response.status, response.reason]).toEqual([403, 'Bad Intent Token']);
    expect(gateway.faults().at(-1)).toBe('callee');
  });

  it.each([
    [
      'DTLS fingerprint (RFC 8225 §5.2.2)',
      (byte: string) => `a=fingerprint:sha-256 ${Array(32).fill(byte).join(':')}`,
    ],
    ['SDES key (RFC 4568)', (byte: string) => `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${byte.repeat(20)}`],
  ])('is refused when its %s was changed on the way, and says so', async (_, line) => {
    const sdp = (byte: string): string =>
      ['v=0', 'o=- 0 0 IN IP4 192.0.2.1', 's=-', line(byte), ''].join('\r\n');
    const contentType = 'application/sdp';
    const request = aliceUdp.build('INVITE', bobWs.address, { body: sdp('AA'), contentType });
    aliceUdp.send({ ...request, body: Buffer.from(sdp('BB')) });
    expect(await aliceUdp.final(request)).toMatchObject({ status: 403, reason: 'Media Keys Changed' });
    expect(gateway.faults().at(-1)).toBe('media');
  });

  it('is refused when its token was used for an earlier call', async () => {
    const { request, invite } = await ring(aliceUdp, bobWs);
    bobWs.reply(invite, 486);
    await aliceUdp.final(request);
    const again = setHeader(request, 'Via', `SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKagain;rport`);
    aliceUdp.send(again);
    expect((await aliceUdp.final(again)).reason).toBe('Intent Token Used Before');
  });

  it('carries each party’s own token on a re-INVITE', async () => {
    const call = await establish(aliceUdp, bobWs);
    const { arrived } = await exchange(bobWs, aliceUdp, call.calleeSide, 'INVITE');
    expect(tokenOf(arrived).signer).toBe(bob.token.fingerprint);
    expect(checkAtCallee(arrived, alice.token.fingerprint)).toBeUndefined();
  });
});

describe('what a caller says of itself', () => {
  it('in P-Asserted-Identity and its like does not pass (RFC 3325 §5), nor do its credentials (RFC 3261 §22.3)', async () => {
    const claims = ['P-Asserted-Identity', 'P-Preferred-Identity', 'Diversion'];
    const headers = claims.map((name) => headerField(name, '<sip:president@sip.test>'));
    for (const caller of [desk, aliceUdp]) {
      const { invite } = await establish(caller, bobWs, undefined, { headers });
      for (const name of [...claims, 'Proxy-Authorization'])
        expect(headerValue(invite, name.toLowerCase())).toBeUndefined();
    }
  });

  it('in a second Intent-Token beside its own is refused', async () => {
    const request = aliceUdp.build('INVITE', bobWs.address);
    const twice = appendHeaders(request, [headerField('Intent-Token', 'AAAA')]);
    aliceUdp.send(twice);
    expect((await aliceUdp.final(twice)).status).toBe(400);
  });

  it('an address hash over what was dialled binds the callee as well as a fingerprint does', async () => {
    const { invite } = await establish(aliceUdp, bobWs);
    const { callee } = tokenOf(invite);
    if (!('salt' in callee)) throw new Error('the device knew no fingerprint');
    expect(Buffer.from(callee.hash)).toEqual(Buffer.from(calleeHash(`bob@${testDomain}`, callee.salt)));
  });
});
