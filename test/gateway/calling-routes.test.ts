import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerField, headerItems, headerValue } from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { establish, exchange } from '../support/sip-call.ts';
import type { WireTransport } from '../support/sip-wire.ts';
import { newIdentity, TestGateway } from '../support/test-gateway.ts';

let gateway: TestGateway;
const bob = newIdentity('jis:bob');

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: [
      { name: 'desk-7', extension: '1007', password: 'pw' },
      { name: 'desk-8', extension: '1008', password: 'pw' },
      { name: 'star', extension: '*21#', password: 'pw' },
      { name: 'absent', password: 'pw' },
    ],
  });
});
afterAll(() => gateway.close());

async function registered(phone: Promise<SipAgent>): Promise<SipAgent> {
  const agent = await phone;
  expect((await agent.register()).status).toBe(200);
  return agent;
}

async function hangUp(caller: SipAgent, callee: SipAgent, uri?: string): Promise<void> {
  const call = await establish(caller, callee, uri);
  const { response } = await exchange(caller, callee, call.callerSide, 'BYE');
  expect(response.status).toBe(200);
}

describe('a call reaches its callee', () => {
  it('by name, by whole name, by fingerprint and by extension', async () => {
    const [key, desk, caller] = await Promise.all([
      registered(gateway.keyPhone('bob', 'ws', { identity: bob })),
      registered(gateway.stockPhone('1007', 'udp')),
      registered(gateway.stockPhone('1008', 'udp')),
    ]);
    const { domain } = gateway;
    for (const user of ['bob', 'jis%3Abob', 'jis:bob', bob.token.fingerprint])
      await hangUp(caller, key, `sip:${user}@${domain}`);
    for (const user of ['1007', 'desk-7', 'desk%2D7']) await hangUp(caller, desk, `sip:${user}@${domain}`);
  });

  it('by an extension that has to be escaped in a URI (RFC 3261 §19.1.4)', async () => {
    const star = await gateway.stockPhone('*21%23', 'udp', { username: '*21#' });
    expect((await star.register()).status).toBe(200);
    const caller = await registered(gateway.stockPhone('1008', 'tcp'));
    await hangUp(caller, star);
  });

  it('by a telephone number, signed by its device or with a password (RFC 3261 §19.1.6, RFC 3966)', async () => {
    const [desk, byPassword, byKey] = await Promise.all([
      registered(gateway.stockPhone('1007', 'udp')),
      registered(gateway.stockPhone('1008', 'udp')),
      registered(gateway.keyPhone('dials-tel', 'tcp')),
    ]);
    const uris = ['tel:1007', 'TEL:10-07', `tel:1007;phone-context=${gateway.domain}`];
    for (const caller of [byPassword, byKey]) for (const uri of uris) await hangUp(caller, desk, uri);
    const from = `<tel:1008>;tag=${byPassword.tag}`;
    const { request } = await byPassword.begin('MESSAGE', 'tel:1007', { from });
    desk.reply(await desk.incoming('MESSAGE'), 200);
    expect((await byPassword.final(request)).status).toBe(200);
  });

  const pairs: [WireTransport, WireTransport][] = [
    ['udp', 'ws'],
    ['ws', 'udp'],
    ['tcp', 'udp'],
    ['udp', 'tcp'],
    ['tcp', 'ws'],
    ['ws', 'ws'],
  ];
  it.each(pairs)('from %s to %s, and both may hang up (RFC 5658)', async (from, to) => {
    const [caller, callee] = await Promise.all([
      registered(gateway.keyPhone(`caller-${from}-${to}`, from)),
      registered(gateway.keyPhone(`callee-${from}-${to}`, to)),
    ]);
    const first = await establish(caller, callee);
    expect(headerItems(first.invite, 'record-route')).toHaveLength(from === to ? 1 : 2);
    expect((await exchange(caller, callee, first.callerSide, 'BYE')).response.status).toBe(200);
    const second = await establish(caller, callee);
    expect((await exchange(callee, caller, second.calleeSide, 'BYE')).response.status).toBe(200);
  });

  it('on its flow, under the Contact that it gave, with one hop less (RFC 3261 §16.6)', async () => {
    const [caller, callee] = await Promise.all([
      registered(gateway.keyPhone('hop-caller', 'udp')),
      registered(gateway.keyPhone('hop-callee', 'udp')),
    ]);
    const { invite } = await establish(caller, callee, undefined, { maxForwards: 20 });
    expect(invite.uri).toBe('sip:hop-callee@192.0.2.99:9');
    expect(invite.maxForwards).toBe(19);
    expect(headerItems(invite, 'via')).toHaveLength(2);
  });
});

describe('outside of a dialog', () => {
  it.each([
    ['MESSAGE', 'udp', 'ws'],
    ['OPTIONS', 'ws', 'udp'],
    ['MESSAGE', 'tcp', 'udp'],
  ] as const)('%s goes from %s to %s and its answer comes back', async (method, from, to) => {
    const [sender, receiver] = await Promise.all([
      registered(gateway.keyPhone(`sender-${from}-${to}`, from)),
      registered(gateway.keyPhone(`receiver-${from}-${to}`, to)),
    ]);
    const body = { body: 'hello', contentType: 'text/plain' };
    const { request } = await sender.begin(method, receiver.address, method === 'MESSAGE' ? body : {});
    const arrived = await receiver.incoming(method);
    expect(Buffer.from(arrived.body).toString()).toBe(method === 'MESSAGE' ? 'hello' : '');
    receiver.reply(arrived, 200);
    expect((await sender.final(request)).status).toBe(200);
  });
});

describe('what a phone asks of its own address', () => {
  it.each(['SUBSCRIBE', 'PUBLISH'] as const)(
    '%s is for a server and not for itself: 489 unless another of its phones can answer (RFC 6665 §4.2.1.1)',
    async (method) => {
      const identity = newIdentity(`jis:own-${method.toLowerCase()}`);
      const user = identity.token.subject.slice('jis:'.length);
      const phone = await registered(gateway.keyPhone(user, 'tcp', { identity }));
      const headers = [headerField('Event', 'message-summary'), headerField('Expires', '300')];
      const { response } = await phone.ask(method, phone.address, { headers });
      expect([response.status, headerValue(response, 'allow-events')]).toEqual([489, 'reg']);
      const other = await registered(gateway.keyPhone(user, 'ws', { identity }));
      const { request } = await phone.begin(method, phone.address, { headers });
      other.reply(await other.incoming(method), 200, [headerField('Expires', '300')]);
      expect((await phone.final(request)).status).toBe(200);
      expect(phone.inbox.unread.filter(({ kind }) => kind === 'request')).toEqual([]);
    },
  );
});

describe('the gateway itself', () => {
  it.each(['udp', 'tcp', 'ws'] as const)(
    'answers OPTIONS over %s, whoever asks (RFC 3261 §11.2)',
    async (transport) => {
      const stranger = await gateway.stranger('qualify', transport);
      // Over UDP a stranger is not told more than 1.5 times of what it says.
      const headers = [headerField('Accept', 'application/sdp'), headerField('User-Agent', 'x'.repeat(80))];
      const { response } = await stranger.ask('OPTIONS', `sip:${gateway.domain}`, { headers });
      expect(response.status).toBe(200);
      expect(headerValue(response, 'allow')).toContain('INVITE');
      expect(response.to.tag).toBeDefined();
    },
  );
});

describe('several lines on one connection', () => {
  it.each(['tcp', 'ws'] as const)(
    'each speak for themselves over %s, and for nobody else',
    async (transport) => {
      const { domain } = gateway;
      const lines = await gateway.keyPhone(`line-${transport}-1`, transport);
      expect((await lines.register()).status).toBe(200);
      const other = newIdentity(`jis:line-${transport}-2`);
      expect((await lines.registerLine(`line-${transport}-2`, other)).status).toBe(200);
      for (const user of [`line-${transport}-1`, `line-${transport}-2`]) {
        const from = `<sip:${user}@${domain}>;tag=${user}`;
        const { response } = await lines.ask('INVITE', `sip:nobody@${domain}`, { from, signed: false });
        expect(response.status).toBe(404);
      }
      const from = `<sip:absent@${domain}>;tag=3`;
      const stolen = await lines.ask('INVITE', `sip:nobody@${domain}`, { from, signed: false });
      expect(stolen.response.status).toBe(407);
    },
  );
});

describe('a call goes no further', () => {
  let caller: SipAgent;
  beforeAll(async () => {
    caller = await registered(gateway.keyPhone('refused-caller', 'udp'));
  });

  it.each([
    ['404 for an identity that nobody holds', 'nobody', 404],
    ['404 for a fingerprint that nobody holds', 'a'.repeat(52), 404],
    ['480 for one that is not reachable (RFC 3261 §21.4.18)', 'absent', 480],
  ])('%s', async (_, user, status) => {
    const { response } = await caller.ask('INVITE', `sip:${user}@${gateway.domain}`);
    expect(response.status).toBe(status);
    expect(response.to.tag).toBeDefined();
  });

  it('403 when its From is the address of somebody else', async () => {
    const from = `<sip:bob@${gateway.domain}>;tag=x`;
    const { response } = await caller.ask('INVITE', `sip:absent@${gateway.domain}`, { from });
    expect([response.status, response.reason]).toEqual([403, 'From Is Not An Address Of The Caller']);
    const message = await caller.ask('MESSAGE', `sip:absent@${gateway.domain}`, { from });
    expect(message.response.status).toBe(403);
  });

  it('483 when it has no hop left (RFC 3261 §16.3 step 3)', async () => {
    const { response } = await caller.ask('INVITE', `sip:absent@${gateway.domain}`, { maxForwards: 0 });
    expect(response.status).toBe(483);
  });

  it('403 towards a domain that is not served here, by Request-URI or by Route', async () => {
    expect((await caller.ask('INVITE', 'sip:bob@elsewhere.test')).response.status).toBe(403);
    const headers = [headerField('Route', '<sip:elsewhere.test;lr>')];
    const { response } = await caller.ask('INVITE', `sip:bob@${gateway.domain}`, { headers });
    expect(response.status).toBe(403);
  });

  it('404 for a telephone number that nobody has, or that is dialled somewhere else (RFC 3966 §5.1.5)', async () => {
    for (const uri of ['tel:+15550100', 'tel:1007;phone-context=elsewhere.test', 'tel:1007;phone-context=+1'])
      expect((await caller.ask('INVITE', uri)).response.status, uri).toBe(404);
  });

  it('416 for a scheme that is not SIP’s (RFC 3261 §16.3 step 2)', async () => {
    for (const uri of ['http://elsewhere.test', 'urn:service:sos'])
      expect((await caller.ask('INVITE', uri)).response.status).toBe(416);
  });

  it('420 when it requires of proxies what this one has not (RFC 3261 §16.3 step 5)', async () => {
    const headers = [headerField('Proxy-Require', 'teleport')];
    const { response } = await caller.ask('INVITE', `sip:bob@${gateway.domain}`, { headers });
    expect(response.status).toBe(420);
    expect(headerValue(response, 'unsupported')).toBe('teleport');
  });

  it('481 within a dialog that is not known here', async () => {
    const to = `<sip:bob@${gateway.domain}>;tag=nobody-knows`;
    expect((await caller.ask('BYE', `sip:bob@${gateway.domain}`, { to })).response.status).toBe(481);
  });

  it.each(['udp', 'ws'] as const)(
    '407 when its sender on %s has proved nothing (RFC 3261 §22.3)',
    async (transport) => {
      const stranger = await gateway.stranger('desk-7', transport);
      for (const method of ['INVITE', 'MESSAGE', 'OPTIONS']) {
        const { response } = await stranger.ask(method, `sip:bob@${gateway.domain}`);
        expect(response.status).toBe(407);
        expect(response.to.tag).toBeDefined();
        expect(headerValue(response, 'proxy-authenticate')).toContain('Digest');
      }
    },
  );

  it('407 again over a flow that spoke for an identity once, when it is another flow', async () => {
    const phone = await registered(gateway.stockPhone('1007', 'ws'));
    expect((await phone.ask('INVITE', `sip:absent@${gateway.domain}`)).response.status).toBe(480);
    const other = await gateway.stranger('1007', 'ws');
    expect((await other.ask('INVITE', `sip:absent@${gateway.domain}`)).response.status).toBe(407);
  });
});
