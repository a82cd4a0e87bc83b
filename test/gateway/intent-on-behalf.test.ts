import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerField, headerValue } from '../../src/sip/index.ts';
import { type Fingerprint, verifyIntentToken } from '../../src/tokens/index.ts';
import { checkAtCallee, tokenOf } from '../support/intent-at-callee.ts';
import { type SipAgent, withoutSigning } from '../support/sip-agent.ts';
import { establish, exchange } from '../support/sip-call.ts';
import { newIdentity, TestGateway, testDomain } from '../support/test-gateway.ts';

let gateway: TestGateway;
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
  aliceUdp = await gateway.keyPhone('alice', 'udp');
  bobWs = await gateway.keyPhone('bob', 'ws', { identity: bob });
  desk = await gateway.stockPhone('1007', 'udp');
  for (const phone of [aliceUdp, bobWs, desk]) expect((await phone.register()).status).toBe(200);
});
afterAll(() => gateway.close());

async function fingerprintOf(name: string): Promise<Fingerprint> {
  const [record] = (await gateway.records()).filter(({ erin }) => erin['identity'] === name);
  return record?.parties[0]?.fingerprint ?? '';
}

describe('an INVITE of a stock phone', () => {
  it('is signed by the gateway on its behalf, with assurance 1 and the phone’s fingerprint (RFC 7800)', async () => {
    const { invite } = await establish(desk, bobWs);
    const token = tokenOf(invite);
    expect(token.assurance).toBe(1);
    expect(token.onBehalfOf).toBe(await fingerprintOf('jis:desk'));
    expect(token.signer).not.toBe(token.onBehalfOf);
    expect(token.intent.text).toBe('voice call to jis:bob');
    const gatewayKey = await gateway.identity();
    expect(token.signer).toBe(gatewayKey.fingerprint);
    expect(verifyIntentToken(token, gatewayKey.publicKey)).toBe(true);
    expect(checkAtCallee(invite, bob.token.fingerprint)).toBeUndefined();
    expect(checkAtCallee(invite, bob.token.fingerprint, { minAssurance: 3 })).toBe('assurance');
  });

  it('declares its Subject as the intent (RFC 3261 §20.36), umlauts included', async () => {
    const subject = Buffer.from('Rückruf, ticket 4711', 'utf8').toString('latin1');
    const { invite } = await establish(desk, bobWs, undefined, {
      headers: [headerField('Subject', subject)],
    });
    expect(tokenOf(invite).intent.text).toBe('Rückruf, ticket 4711');
    expect(headerValue(invite, 'subject')).toBe(subject);
  });

  it.each([
    ['is only blank', '\u3000'],
    ['is very long', 'x'.repeat(2_000)],
  ])('gets an intent that a token can hold when its Subject %s', async (_, subject) => {
    const headers = [headerField('Subject', Buffer.from(subject, 'utf8').toString('latin1'))];
    const { invite } = await establish(desk, bobWs, undefined, { headers });
    const { text } = tokenOf(invite).intent;
    expect(subject.startsWith(text) || text === 'voice call to jis:bob').toBe(true);
  });

  it('to an address of any length is answered 404, not 500', async () => {
    const { response } = await desk.ask('INVITE', `sip:${'x'.repeat(900)}@${testDomain}`);
    expect(response.status).toBe(404);
  });

  it('is signed by the gateway again when it is a re-INVITE, from either side', async () => {
    const second = await gateway.stockPhone('desk-2', 'tcp');
    await second.register();
    const call = await establish(desk, second, undefined, { headers: [headerField('Subject', 'stand-up')] });
    const there = await exchange(desk, second, call.callerSide, 'INVITE');
    const back = await exchange(second, desk, call.calleeSide, 'INVITE');
    for (const [{ arrived }, from, to] of [
      [there, 'jis:desk', 'jis:desk-2'],
      [back, 'jis:desk-2', 'jis:desk'],
    ] as const) {
      const token = tokenOf(arrived);
      expect(token.onBehalfOf).toBe(await fingerprintOf(from));
      expect(token.assurance).toBe(1);
      expect(token.intent.text).toBe('stand-up');
      expect(checkAtCallee(arrived, await fingerprintOf(to))).toBeUndefined();
    }
  });

  it('property 8 (honest assurance): never shows more than the gateway knows: a phone with a key that does not sign is not shown as 3', async () => {
    const { request } = await withoutSigning(bobWs).begin('INVITE', aliceUdp.address);
    const invite = await aliceUdp.incoming('INVITE');
    const token = tokenOf(invite);
    expect(token.onBehalfOf).toBe(bob.token.fingerprint);
    expect(token.assurance).toBeLessThan(3);
    aliceUdp.reply(invite, 486);
    await bobWs.final(request);
  });
});
