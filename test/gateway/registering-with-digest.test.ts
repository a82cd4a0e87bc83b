import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerField, headerValue, parseAuthValue, type SipResponse } from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';

const target = `sip:${testDomain}`;
const password = 'correct horse';
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: [
      { name: 'desk-7', extension: '1007', password },
      { name: 'desk-8', extension: '1008', password: 'battery staple' },
      { name: 'lobby', password },
    ],
  });
});
afterAll(() => gateway.close());

/** The first REGISTER, its challenge, and a REGISTER that answers it `changed` times over. */
async function challenged(phone: SipAgent): Promise<{ callId: string; challenge: SipResponse }> {
  const first = phone.build('REGISTER', target, { to: `<${phone.address}>` });
  phone.send(first);
  return { callId: first.callId, challenge: await phone.final(first) };
}

function digestOf(response: SipResponse, name: string): string | undefined {
  return new RegExp(`${name}="?([^",]+)`).exec(headerValue(response, 'www-authenticate') ?? '')?.[1];
}

/** Answers `challenge` with a REGISTER of its own. */
async function answer(
  phone: SipAgent,
  challenge: SipResponse,
  options: { readonly nonceCount?: number; readonly callId?: string } = {},
): Promise<SipResponse> {
  const { callId } = options;
  const plain = phone.build('REGISTER', target, {
    to: `<${phone.address}>`,
    ...(callId === undefined ? {} : { callId }),
  });
  const field = phone.answerTo(plain, challenge, options.nonceCount);
  if (field === undefined) throw new Error('the challenge was not understood');
  const request = { ...plain, headers: [...plain.headers, field] };
  phone.send(request);
  return phone.final(request);
}

describe('a stock phone registers (RFC 3261 §22, RFC 8760)', () => {
  it.each(['udp', 'tcp', 'ws'] as const)('with one challenge over %s', async (transport) => {
    const phone = await gateway.stockPhone('1007', transport);
    const { challenge } = await challenged(phone);
    expect(challenge.status).toBe(401);
    expect(challenge.to.tag).toBeDefined();
    expect(challenge.headers.filter(({ name }) => name === 'www-authenticate')).toHaveLength(1);
    expect(digestOf(challenge, 'realm')).toBe(testDomain);
    const response = await answer(phone, challenge);
    expect(response.status).toBe(200);
    expect(headerValue(response, 'contact')).toContain('192.0.2.99:9');
  });

  it('with SHA-256 where its User-Agent is known to choose (RFC 8760 §2.4)', async () => {
    const phone = await gateway.stockPhone('1007', 'udp');
    // As long as Linphone's own are: two challenges have no room in the answer to a shorter one over UDP.
    const headers = [
      headerField('User-Agent', 'Linphone-Desktop/5.1.2 (debian) LinphoneSDK/5.2.0'),
      headerField('Accept', 'application/sdp, text/plain, application/vnd.gsma.rcs-ft-http+xml'),
    ];
    const { request, response } = await phone.ask('REGISTER', target, { to: `<${phone.address}>`, headers });
    expect(response.status).toBe(200);
    expect(headerValue(request, 'authorization')).toContain('SHA-256');
  });

  it('and is shown that the gateway knows its password too (RFC 7616 §3.5)', async () => {
    const phone = await gateway.stockPhone('1007', 'udp');
    const { request, response } = await phone.ask('REGISTER', target, { to: `<${phone.address}>` });
    const answer = parseAuthValue(headerValue(request, 'authorization') ?? '').params;
    const info = headerValue(response, 'authentication-info') ?? '';
    const param = (name: string): string => answer.get(name) ?? '';
    const h = (text: string): string => hash('md5', text, 'hex');
    const ha1 = h(`1007:${testDomain}:correct horse`);
    const counted = `${param('nonce')}:${param('nc')}:${param('cnonce')}:auth`;
    const rspauth = h(`${ha1}:${counted}:${h(`:${param('uri')}`)}`);
    expect(info).toBe(`qop=auth, rspauth="${rspauth}", cnonce="${param('cnonce')}", nc=${param('nc')}`);
    const refused = await gateway.stockPhone('1007', 'udp', { password: 'wrong' });
    expect(headerValue(await refused.register(), 'authentication-info')).toBeUndefined();
  });

  it('under its name as well as under its extension', async () => {
    const phone = await gateway.stockPhone('desk-7', 'udp', { username: '1007' });
    expect((await phone.register()).status).toBe(200);
    const lobby = await gateway.stockPhone('lobby', 'udp');
    expect((await lobby.register()).status).toBe(200);
  });

  it('but not under the address of another phone (RFC 3261 §10.3 step 3)', async () => {
    const phone = await gateway.stockPhone('1008', 'udp', { username: '1007' });
    const response = await phone.register();
    expect([response.status, response.reason]).toEqual([403, 'Not The Address Of This Identity']);
  });

  it('and not for a domain that is not served here', async () => {
    const phone = await gateway.stockPhone('1007', 'udp');
    const { response } = await phone.ask('REGISTER', 'sip:elsewhere.test', {
      to: '<sip:1007@elsewhere.test>',
    });
    expect(response.status).toBe(403);
  });
});

describe('a digest answer is refused', () => {
  it('with the same 401 for a wrong password and for a name that nobody has', async () => {
    const before = gateway.log.length;
    const wrong = await gateway.stockPhone('1007', 'udp', { password: 'wrong' });
    const nobody = await gateway.stockPhone('9999', 'udp', { password: 'wrong' });
    const answers: SipResponse[] = [];
    for (const phone of [wrong, nobody]) answers.push(await phone.register());
    const shape = answers.map(({ status, reason, headers }) => [
      status,
      reason,
      headers.map(({ name }) => name),
    ]);
    expect(shape[0]).toEqual(shape[1]);
    expect(answers.map(({ status }) => status)).toEqual([401, 401]);
    for (const response of answers) expect(digestOf(response, 'stale')).not.toBe('true');
    expect(gateway.faults(before)).toEqual(['wrong-response', 'unknown-user']);
  });

  it('with stale=true for a nonce that is too old, and the new one works (RFC 7616 §3.3)', async () => {
    const phone = await gateway.stockPhone('1007', 'udp');
    const { challenge } = await challenged(phone);
    gateway.clock.shiftMs += 3_600_000;
    const stale = await answer(phone, challenge);
    expect(stale.status).toBe(401);
    expect(headerValue(stale, 'www-authenticate')).toMatch(/stale="?true/i);
    expect((await answer(phone, stale)).status).toBe(200);
  });

  it('with stale=true when its nonce was given to another flow', async () => {
    const [phone, other] = await Promise.all([
      gateway.stockPhone('1007', 'udp'),
      gateway.stockPhone('1007', 'tcp'),
    ]);
    const { challenge } = await challenged(other);
    const foreign = await answer(phone, challenge);
    expect(foreign.status).toBe(401);
    expect(headerValue(foreign, 'www-authenticate')).toMatch(/stale="?true/i);
  });

  it('when its nonce count was used before, while a higher one is taken (RFC 7616 §3.4)', async () => {
    const phone = await gateway.stockPhone('1007', 'udp');
    const { challenge } = await challenged(phone);
    expect((await answer(phone, challenge, { nonceCount: 1 })).status).toBe(200);
    const before = gateway.log.length;
    expect((await answer(phone, challenge, { nonceCount: 1 })).status).toBe(401);
    expect(gateway.faults(before)).toEqual(['replayed']);
    expect((await answer(phone, challenge, { nonceCount: 2 })).status).toBe(200);
  });

  it('when it is malformed (RFC 3261 §22.4)', async () => {
    const phone = await gateway.stockPhone('1007', 'udp');
    const headers = [headerField('Authorization', `Digest username="1007", realm="${testDomain}", nonce=`)];
    const request = phone.build('REGISTER', target, { to: `<${phone.address}>`, headers });
    phone.send(request);
    expect([400, 401]).toContain((await phone.final(request)).status);
  });

  it('after twenty wrong passwords for one name from one source: 503 with Retry-After', async () => {
    const phone = await gateway.stockPhone('1008', 'udp', { password: 'guess' });
    let last = await phone.register();
    for (let guess = 0; guess < 20 && last.status === 401; guess++) last = await phone.register();
    expect(last.status).toBe(503);
    expect(Number(headerValue(last, 'retry-after'))).toBeGreaterThan(0);
    const owner = await gateway.stockPhone('1007', 'udp');
    expect((await owner.register()).status).toBe(200);
  });
});
