import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeBase64Url } from '../../src/base/index.ts';
import { headerValue } from '../../src/sip/index.ts';
import { answerTo, registerOf, withToken } from '../support/signed-register.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { newIdentity, TestGateway } from '../support/test-gateway.ts';

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
    expect((await answerTo(gateway, phone, second)).response.status).toBe(200);
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
    const { response } = await answerTo(gateway, phone, withToken(phone, identity, times));
    const nonce = decodeBase64Url(headerValue(response, 'intent-nonce') ?? '') ?? new Uint8Array(0);
    const signed = withToken(phone, identity, { ...times, nonce });
    expect((await answerTo(gateway, phone, signed)).response.status).toBe(200);
  });
});
