import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeBase64Url, encodeBase64Url, systemRandom } from '../../src/base/index.ts';
import { intentRequestOf } from '../../src/intent/index.ts';
import {
  appendHeaders,
  headerField,
  headerValue,
  type SipRequest,
  type SipResponse,
  setHeader,
} from '../../src/sip/index.ts';
import { calleeHash, createIntentToken, type IntentTokenOptions } from '../../src/tokens/index.ts';
import type { KeyIdentity, SipAgent } from '../support/sip-agent.ts';
import { newIdentity, TestGateway, testDomain } from '../support/test-gateway.ts';

const target = `sip:${testDomain}`;
let gateway: TestGateway;
let serial = 0;

beforeAll(async () => {
  gateway = await TestGateway.open();
});
afterAll(() => gateway.close());

/** A phone under a name that nobody has used. */
function freshPhone(options: Parameters<TestGateway['keyPhone']>[2] = {}): Promise<SipAgent> {
  return gateway.keyPhone(`phone-${++serial}`, 'udp', options);
}

function registerOf(phone: SipAgent, signed = true): SipRequest {
  const headers = [headerField('Expires', '300')];
  return phone.build('REGISTER', target, { to: `<${phone.address}>`, headers, signed });
}

/** Sends `request` and returns the answer with the faults that the gateway logged meanwhile. */
async function answerTo(
  phone: SipAgent,
  request: SipRequest,
): Promise<{ response: SipResponse; faults: unknown[] }> {
  const before = gateway.log.length;
  phone.send(request);
  const response = await phone.final(request);
  return { response, faults: gateway.faults(before) };
}

/** `phone`'s REGISTER with a token made by hand, right but for `changes`. */
function withToken(
  phone: SipAgent,
  identity: KeyIdentity,
  changes: Partial<IntentTokenOptions> = {},
  introduced = true,
): SipRequest {
  const request = registerOf(phone, false);
  const now = Math.floor(gateway.clock.now() / 1000);
  const salt = systemRandom.bytes(16);
  const token = createIntentToken({
    signer: { key: identity.key, fingerprint: identity.token.fingerprint },
    audience: testDomain,
    iat: now,
    exp: now + 120,
    cti: systemRandom.bytes(16),
    request: intentRequestOf(request),
    callee: { salt, hash: calleeHash(`${phone.user}@${testDomain}`, salt) },
    intent: { code: 'register', text: 'take part' },
    parents: [],
    assurance: 3,
    ...(introduced ? { identityToken: identity.token.bytes } : {}),
    ...changes,
  });
  return appendHeaders(request, [headerField('Intent-Token', token)]);
}

describe('a REGISTER signed by the device (design §5)', () => {
  it.each(['udp', 'tcp', 'ws'] as const)('is accepted in one round trip over %s', async (transport) => {
    const phone = await gateway.keyPhone(`direct-${transport}`, transport);
    const response = await phone.register();
    expect(response.status).toBe(200);
    expect(phone.inbox.all).toHaveLength(1);
    expect(response.to.tag).toBeDefined();
    expect(headerValue(response, 'contact')).toContain('expires=');
  });

  it('needs the identity token once only: afterwards the fingerprint is enough', async () => {
    const phone = await freshPhone();
    expect((await phone.register()).status).toBe(200);
    const second = registerOf(phone);
    expect(headerValue(second, 'intent-token')?.length).toBeLessThan(600);
    expect((await answerTo(phone, second)).response.status).toBe(200);
  });

  it('is answered from store when it is retransmitted, and used once (RFC 3261 §17.2.2)', async () => {
    const phone = await freshPhone();
    const request = registerOf(phone);
    phone.send(request);
    const first = await phone.final(request);
    phone.send(request);
    const second = await phone.final(request);
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.to.tag).toBe(first.to.tag);
  });
});

describe('a signed REGISTER is refused', () => {
  async function expectRefusal(
    phone: SipAgent,
    request: SipRequest,
    reason: string,
    fault: string,
  ): Promise<SipResponse> {
    const { response, faults } = await answerTo(phone, request);
    expect([response.status, response.reason]).toEqual([403, reason]);
    expect(faults).toEqual([fault]);
    expect(headerValue(response, 'reason')).toContain(fault);
    expect(response.to.tag).toBeDefined();
    return response;
  }

  it('when another key signed it than the identity that it names', async () => {
    const phone = await freshPhone();
    const mine = newIdentity(`jis:${phone.user}`);
    const forged = { token: mine.token, key: newIdentity('jis:mallory').key };
    await expectRefusal(phone, withToken(phone, forged), 'Bad Intent Token', 'signature');
  });

  it('when one byte of the token was altered', async () => {
    const phone = await freshPhone();
    const request = registerOf(phone);
    const bytes = decodeBase64Url(headerValue(request, 'intent-token') ?? '') ?? new Uint8Array(0);
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    const altered = setHeader(request, 'Intent-Token', encodeBase64Url(bytes));
    await expectRefusal(phone, altered, 'Bad Intent Token', 'signature');
  });

  it('when the token is no token at all', async () => {
    const phone = await freshPhone();
    const { response } = await answerTo(phone, setHeader(registerOf(phone), 'Intent-Token', 'AAAA'));
    expect([response.status, response.reason]).toEqual([403, 'Bad Intent Token']);
  });

  it('when the identity is unknown and no identity token came along', async () => {
    const phone = await freshPhone();
    const request = withToken(phone, newIdentity(`jis:${phone.user}`), {}, false);
    await expectRefusal(phone, request, 'Unknown Identity', 'unknown-identity');
  });

  it('when its nonce was given to another flow', async () => {
    const [phone, other] = await Promise.all([freshPhone(), freshPhone()]);
    const stale = withToken(other, newIdentity(`jis:${other.user}`), { iat: 1_000_000, exp: 1_000_060 });
    const { response } = await answerTo(other, stale);
    const nonce = decodeBase64Url(headerValue(response, 'intent-nonce') ?? '') ?? new Uint8Array(0);
    const stolen = withToken(phone, newIdentity(`jis:${phone.user}`), { nonce });
    const refusal = await expectRefusal(phone, stolen, 'Foreign Nonce', 'nonce-foreign');
    expect(headerValue(refusal, 'intent-nonce')).toBeDefined();
  });

  it('when the token was used before, on whichever flow', async () => {
    const phone = await freshPhone();
    const request = registerOf(phone);
    expect((await answerTo(phone, request)).response.status).toBe(200);
    const again = setHeader(request, 'Via', `SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKreplay${++serial};rport`);
    await expectRefusal(phone, again, 'Intent Token Used Before', 'replay');
  });

  it.each([
    ['stale', -61],
    ['future', 120],
  ])('with Stale Date, a nonce and the time when its date is %s (RFC 8224 §6.2.2)', async (fault, offset) => {
    const phone = await freshPhone();
    const iat = Math.floor(gateway.clock.now() / 1000) + offset;
    const request = withToken(phone, newIdentity(`jis:${phone.user}`), { iat, exp: iat + 120 });
    const response = await expectRefusal(phone, request, 'Stale Date', fault);
    expect(headerValue(response, 'intent-nonce')).toBeDefined();
    expect(Date.parse(headerValue(response, 'date') ?? '')).toBeGreaterThan(gateway.clock.now() - 5_000);
  });

  it('for a name that another key holds', async () => {
    const [owner, thief] = await Promise.all([
      gateway.keyPhone('coveted', 'udp'),
      gateway.keyPhone('coveted', 'tcp'),
    ]);
    expect((await owner.register()).status).toBe(200);
    await expectRefusal(thief, registerOf(thief), 'Name Held By Another Key', 'name-taken');
  });

  it('when a gateway signed it on behalf of a phone', async () => {
    const phone = await freshPhone();
    const identity = newIdentity(`jis:${phone.user}`);
    const request = withToken(phone, identity, { onBehalfOf: identity.token.fingerprint, assurance: 1 });
    await expectRefusal(phone, request, 'Bad Intent Token', 'signed-on-behalf');
  });

  it('when the token was made for another audience', async () => {
    const phone = await freshPhone();
    const request = withToken(phone, newIdentity(`jis:${phone.user}`), { audience: 'elsewhere.test' });
    await expectRefusal(phone, request, 'Bad Intent Token', 'audience');
  });

  it('when the token names another callee', async () => {
    const phone = await freshPhone();
    const salt = systemRandom.bytes(16);
    const callee = { salt, hash: calleeHash(`bob@${testDomain}`, salt) };
    const request = withToken(phone, newIdentity(`jis:${phone.user}`), { callee });
    await expectRefusal(phone, request, 'Bad Intent Token', 'callee');
  });

  const changed: readonly [string, string, (request: SipRequest) => Partial<ReturnType<typeof intentRequestOf>>][] =
    [
      ['method', 'method', () => ({ method: 'INVITE' })],
      ['Call-ID', 'leg', () => ({ callId: 'another-call' })],
      ['CSeq', 'leg', ({ cseq }) => ({ cseq: cseq.number + 1 })],
      ['From tag', 'leg', () => ({ fromTag: 'another' })],
      ['Contact', 'leg', () => ({ contact: '<sip:mallory@192.0.2.66>' })],
    ];
  it.each(changed)('when the token was signed for another %s', async (_, fault, change) => {
    const phone = await freshPhone();
    const plain = registerOf(phone, false);
    const request = { ...intentRequestOf(plain), ...change(plain) };
    const token = withToken(phone, newIdentity(`jis:${phone.user}`), { request });
    const signed = appendHeaders(plain, [
      headerField('Intent-Token', headerValue(token, 'intent-token') ?? ''),
    ]);
    await expectRefusal(phone, signed, 'Bad Intent Token', fault);
  });

  it('for the address-of-record of somebody else (RFC 3261 §10.3 step 3)', async () => {
    const [phone, victim] = await Promise.all([freshPhone(), freshPhone()]);
    expect((await victim.register()).status).toBe(200);
    const { response } = await phone.ask('REGISTER', target, { to: `<${victim.address}>` });
    expect([response.status, response.reason]).toEqual([403, 'Not The Address Of This Identity']);
  });

  it('with 420 when it requires an extension that is not there (RFC 3261 §10.3 step 2)', async () => {
    const phone = await freshPhone();
    const response = await phone.register({ headers: [headerField('Require', 'teleport')] });
    expect(response.status).toBe(420);
    expect(headerValue(response, 'unsupported')).toBe('teleport');
  });
});

describe('a phone whose clock is wrong', () => {
  it.each([
    ['behind', -86_400_000],
    ['ahead', 86_400_000],
  ])('and a day %s is accepted once it signs over the gateway’s nonce', async (_, shiftMs) => {
    const clock = {
      now: () => gateway.clock.now() + shiftMs,
      monotonicMs: () => gateway.clock.monotonicMs(),
      setTimer: gateway.clock.setTimer.bind(gateway.clock),
    };
    const phone = await freshPhone({ clock });
    const first = await phone.register();
    expect([first.status, first.reason]).toEqual([403, 'Stale Date']);
    expect((await phone.register()).status).toBe(200);
  });

  it('is accepted with the nonce even when it does not take over the time', async () => {
    const phone = await freshPhone();
    const identity = newIdentity(`jis:${phone.user}`);
    const yesterday = Math.floor(gateway.clock.now() / 1000) - 86_400;
    const times = { iat: yesterday, exp: yesterday + 120 };
    const { response } = await answerTo(phone, withToken(phone, identity, times));
    const nonce = decodeBase64Url(headerValue(response, 'intent-nonce') ?? '') ?? new Uint8Array(0);
    const signed = withToken(phone, identity, { ...times, nonce });
    expect((await answerTo(phone, signed)).response.status).toBe(200);
  });
});
