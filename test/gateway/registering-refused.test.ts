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
import { calleeHash } from '../../src/tokens/index.ts';
import { answerTo, registerOf, withToken } from '../support/signed-register.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { newIdentity, TestGateway, testDomain } from '../support/test-gateway.ts';

const target = `sip:${testDomain}`;
let gateway: TestGateway;
let serial = 0;

beforeAll(async () => {
  gateway = await TestGateway.open();
});
afterAll(() => gateway.close());

/** A phone under a name that nobody has used. */
function freshPhone(): Promise<SipAgent> {
  return gateway.keyPhone(`phone-${++serial}`, 'udp');
}

describe('a signed REGISTER is refused', () => {
  async function expectRefusal(
    phone: SipAgent,
    request: SipRequest,
    reason: string,
    fault: string,
  ): Promise<SipResponse> {
    const { response, faults } = await answerTo(gateway, phone, request);
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
    const { response } = await answerTo(gateway, phone, setHeader(registerOf(phone), 'Intent-Token', 'AAAA'));
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
    const { response } = await answerTo(gateway, other, stale);
    const nonce = decodeBase64Url(headerValue(response, 'intent-nonce') ?? '') ?? new Uint8Array(0);
    const stolen = withToken(phone, newIdentity(`jis:${phone.user}`), { nonce });
    const refusal = await expectRefusal(phone, stolen, 'Foreign Nonce', 'nonce-foreign');
    expect(headerValue(refusal, 'intent-nonce')).toBeDefined();
  });

  it('when the token was used before, on whichever flow', async () => {
    const phone = await freshPhone();
    const request = registerOf(phone);
    expect((await answerTo(gateway, phone, request)).response.status).toBe(200);
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

  const changed: readonly [
    string,
    string,
    (request: SipRequest) => Partial<ReturnType<typeof intentRequestOf>>,
  ][] = [
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
