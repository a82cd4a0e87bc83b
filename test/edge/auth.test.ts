import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { headerField, headerValue, type SipResponse } from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';
import { expectAlive } from './support/alive.ts';
import { Attackers } from './support/attackers.ts';
import { RawTcp, type RawUdp } from './support/raw-wire.ts';
import { requestText, statusOf } from './support/request-text.ts';
import { unexpectedAt } from './support/unread.ts';

const target = `sip:${testDomain}`;
const password = 'correct horse';

let gateway: TestGateway;
let desk: SipAgent;
let alice: SipAgent;
let bob: SipAgent;
const attackers = new Attackers(() => gateway);

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: ['desk', 'lobby', 'victim', 'timed'].map((name) => ({ name, password })),
  });
  desk = await gateway.stockPhone('desk', 'udp');
  alice = await gateway.keyPhone('alice', 'udp');
  bob = await gateway.keyPhone('bob', 'ws');
  for (const phone of [desk, alice, bob]) expect((await phone.register()).status).toBe(200);
});
afterEach(async () => {
  attackers.close();
  await expectAlive(gateway);
});
afterAll(() => gateway.close());

async function challengeOf(phone: SipAgent): Promise<SipResponse> {
  const first = phone.build('REGISTER', target, { to: `<${phone.address}>`, signed: false });
  phone.send(first);
  return phone.final(first);
}

async function answer(phone: SipAgent, challenge: SipResponse, nonceCount = 1): Promise<SipResponse> {
  const plain = phone.build('REGISTER', target, { to: `<${phone.address}>` });
  const field = phone.answerTo(plain, challenge, nonceCount);
  if (field === undefined) throw new Error('the challenge was not understood');
  const request = { ...plain, headers: [...plain.headers, field] };
  phone.send(request);
  return phone.final(request);
}

describe('credentials', () => {
  it.each([
    'Digest username="desk, realm="sip.test", nonce="x", uri="sip:sip.test", response="0"',
    `Digest username="desk", realm="${testDomain}", nonce="x`,
    `Digest username="desk\\`,
    `Digest realm="${testDomain}", username="desk", nonce=, response=`,
    `Digest ,,,realm="${testDomain}"${',a="b"'.repeat(500)},c="`,
  ])('edge 13: broken ones: 400, and others are served: %s', async (value) => {
    const wire = await attackers.udp();
    const text = requestText({
      method: 'REGISTER',
      to: `To: <${desk.address}>`,
      more: [`Authorization: ${value}`],
    });
    expect(statusOf(await wire.ask(text))).toBe(400);
    const call = requestText({ method: 'INVITE', uri: bob.address, more: [`Proxy-Authorization: ${value}`] });
    expect((await finalOf(wire, call)).status).toBe(400);
  });

  it('edge 28: an unknown name and a wrong password get the same answer', async () => {
    const shapes = await Promise.all(
      ['lobby', 'nobody'].map(async (user) => {
        const phone = await gateway.stockPhone(user, 'udp', { password: 'wrong' });
        const response = await answer(phone, await challengeOf(phone));
        const challenge = (headerValue(response, 'www-authenticate') ?? '').replace(/nonce="[^"]+"/, 'nonce');
        return [response.status, response.reason, response.headers.map(({ name }) => name), challenge];
      }),
    );
    expect(shapes[0]).toEqual(shapes[1]);
    expect(shapes[0]?.[0]).toBe(401);
  });

  it('edge 28: after the same time', { timeout: 30_000 }, async () => {
    // Each from an address of its own, so that no guess is throttled; who comes first changes.
    const [known, unknown]: [number[], number[]] = [[], []];
    const rounds = 200;
    for (let round = 0; round < rounds; round++) {
      const both = [
        ['timed', known],
        ['nobody-at-all', unknown],
      ] as const;
      for (const [user, taken] of round % 2 === 0 ? both : both.toReversed()) {
        const wire = await attackers.udp(`127.1.${round}.${user.length}`);
        const to = `To: <sip:${user}@${testDomain}>`;
        const nonce = /nonce="([^"]+)"/.exec(await wire.ask(requestText({ method: 'REGISTER', to })))?.[1];
        const credentials = `Authorization: Digest username="${user}", realm="${testDomain}", nonce="${nonce}", uri="${target}", response="${'0'.repeat(32)}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"`;
        const text = requestText({ method: 'REGISTER', to, more: [credentials] });
        taken.push(await timeOf(wire, text));
      }
    }
    // A look-up or a hash more would show; a busy machine's jitter must not.
    expect(Math.abs(median(known) - median(unknown))).toBeLessThan(0.25);
    // Of two distributions that are the same, either wins half of the comparisons: five standard deviations around it.
    const deviation = Math.sqrt((2 * rounds + 1) / (12 * rounds ** 2));
    expect(Math.abs(shareOfWins(known, unknown) - 0.5)).toBeLessThan(5 * deviation);
  });

  it('edge 29: after twenty wrong passwords the guesser waits, and the owner’s binding is untouched', async () => {
    const owner = await gateway.stockPhone('victim', 'udp');
    expect((await owner.register()).status).toBe(200);
    const guesser = await gateway.stockPhone('victim', 'udp', { password: 'guess' });
    const statuses: number[] = [];
    for (let guess = 0; guess < 25; guess++) {
      const response = await answer(guesser, await challengeOf(guesser));
      statuses.push(response.status);
      if (response.status === 503) expect(Number(headerValue(response, 'retry-after'))).toBeGreaterThan(0);
    }
    expect(statuses.filter((status) => status === 401)).toHaveLength(20);
    expect(statuses.slice(20)).toEqual([503, 503, 503, 503, 503]);
    // From elsewhere the owner registers as ever, and calls reach it all the time.
    const { request } = await alice.begin('MESSAGE', owner.address, {
      body: 'hi',
      contentType: 'text/plain',
    });
    owner.reply(await owner.incoming('MESSAGE'), 200);
    expect((await alice.final(request)).status).toBe(200);
  });

  it('edge 30: a reused nonce count: 401 with stale=true, and the next count is taken (RFC 7616 §3.4)', async () => {
    const phone = await gateway.stockPhone('lobby', 'udp');
    const challenge = await challengeOf(phone);
    expect((await answer(phone, challenge, 1)).status).toBe(200);
    const again = await answer(phone, challenge, 1);
    expect(again.status).toBe(401);
    expect(headerValue(again, 'www-authenticate')).toMatch(/stale="?true/i);
    expect((await answer(phone, challenge, 2)).status).toBe(200);
  });
});

describe('addresses', () => {
  it('edge 24: a Request-URI of a foreign domain, unauthenticated: 403', async () => {
    const wire = await attackers.udp();
    for (const uri of [
      'sip:bob@elsewhere.test',
      'sip:bob@10.0.0.1',
      'sip:bob@sip.test.elsewhere.test',
      'sip:+15550100@elsewhere.test;user=phone',
    ])
      for (const method of ['INVITE', 'MESSAGE', 'OPTIONS', 'REGISTER'])
        expect([uri, method, (await finalOf(wire, requestText({ method, uri }))).status]).toEqual([
          uri,
          method,
          403,
        ]);
  });

  it('edge 31: A registers B’s address: 403, and B stays where it is', async () => {
    for (const phone of [desk, alice]) {
      const { response } = await phone.ask('REGISTER', target, { to: `<${bob.address}>` });
      expect([response.status, response.reason]).toEqual([403, 'Not The Address Of This Identity']);
      const { response: removal } = await phone.ask('REGISTER', target, {
        to: `<${bob.address}>`,
        contact: '*',
        headers: [headerField('Expires', '0')],
      });
      expect(removal.status).toBe(403);
    }
    const { request } = await alice.begin('MESSAGE', bob.address);
    bob.reply(await bob.incoming('MESSAGE'), 200);
    expect((await alice.final(request)).status).toBe(200);
  });

  it('edge 32: A sends From B: 403', async () => {
    const from = `<${bob.address}>;tag=x`;
    for (const phone of [desk, alice])
      for (const method of ['INVITE', 'MESSAGE', 'SUBSCRIBE', 'REFER', 'PUBLISH'])
        expect([
          method,
          (await phone.ask(method, `sip:lobby@${testDomain}`, { from })).response.status,
        ]).toEqual([method, 403]);
  });

  it.each(['MESSAGE', 'SUBSCRIBE', 'PUBLISH', 'REFER', 'INVITE', 'NOTIFY', 'INFO'])(
    'edge 33: unauthenticated %s: 401 or 407',
    async (method) => {
      for (const wire of [await attackers.udp(), await attackers.tcp()]) {
        const more = method === 'SUBSCRIBE' ? ['Event: reg', 'Contact: <sip:x@192.0.2.1>'] : [];
        const { status, text } = await finalOf(wire, requestText({ method, uri: bob.address, more }));
        expect([401, 407]).toContain(status);
        expect(text).toMatch(/^(WWW|Proxy)-Authenticate: Digest /m);
      }
      expect(unexpectedAt(bob)).toEqual([]);
    },
  );
});

/** The final response to a request; a 100 may come first. */
async function finalOf(
  wire: RawUdp | RawTcp,
  request: string,
): Promise<{ readonly status: number; readonly text: string }> {
  if (wire instanceof RawTcp) {
    let text = await wire.ask(request);
    if (statusOf(text) === 100)
      text = text.slice(text.indexOf('\r\n\r\n') + 4) || (await wire.ask('\r\n\r\n'));
    return { status: statusOf(text), text };
  }
  const before = wire.received.length;
  wire.send(request);
  const text = await wire.message(before, (message) => statusOf(message) >= 200, 'the final response');
  return { status: statusOf(text), text };
}

async function timeOf(wire: RawUdp, text: string): Promise<number> {
  const startedMs = performance.now();
  expect(statusOf(await wire.ask(text))).toBe(401);
  return performance.now() - startedMs;
}

/** How often a value of the first is above one of the second, ties counted half (Mann and Whitney's U). */
function shareOfWins(values: readonly number[], others: readonly number[]): number {
  let wins = 0;
  for (const value of values)
    for (const other of others) wins += value > other ? 1 : value === other ? 0.5 : 0;
  return wins / (values.length * others.length);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
