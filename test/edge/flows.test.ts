import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type HeaderField, headerField } from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { establish, exchange } from '../support/sip-call.ts';
import type { Dialog } from '../support/sip-dialog.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';
import { expectAlive } from './support/alive.ts';
import { Attackers } from './support/attackers.ts';
import { requestText, statusOf } from './support/request-text.ts';
import { unexpectedAt } from './support/unread.ts';

let gateway: TestGateway;
let desk: SipAgent;
let alice: SipAgent;
let bob: SipAgent;
let mallory: SipAgent;
const attackers = new Attackers(() => gateway);

beforeAll(async () => {
  gateway = await TestGateway.open({ devices: [{ name: 'desk', password: 'pw' }] });
  desk = await gateway.stockPhone('desk', 'tcp');
  alice = await gateway.keyPhone('alice', 'udp');
  bob = await gateway.keyPhone('bob', 'ws');
  mallory = await gateway.keyPhone('mallory', 'udp');
  for (const phone of [desk, alice, bob, mallory]) expect((await phone.register()).status).toBe(200);
});
afterEach(async () => {
  attackers.close();
  await expectAlive(gateway);
});
afterAll(() => gateway.close());

describe('edge 19: a preloaded Route to an internal host', () => {
  it.each([
    '<sip:10.0.0.1;lr>',
    '<sip:169.254.169.254:80;lr>',
    '<sip:127.0.0.1:8060;lr>',
    '<sip:[::1]:25;transport=tcp;lr>',
    '<sip:10.0.0.1>',
  ])('%s: 403, whoever asks (RFC 3261 §16.4)', async (route) => {
    const wire = await attackers.udp();
    const more = [`Route: ${route}`];
    expect(statusOf(await wire.ask(requestText({ more })))).toBe(403);
    expect(statusOf(await wire.ask(requestText({ method: 'INVITE', uri: bob.address, more })))).toBe(403);
    const headers = [headerField('Route', route)];
    expect((await desk.ask('MESSAGE', bob.address, { headers })).response.status).toBe(403);
  });

  it('is refused behind a Route to the gateway itself', async () => {
    const headers: HeaderField[] = [
      headerField('Route', `<sip:127.0.0.1:${gateway.port('tcp')};transport=tcp;lr>`),
      headerField('Route', '<sip:10.0.0.1;lr>'),
    ];
    expect((await desk.ask('MESSAGE', bob.address, { headers })).response.status).toBe(403);
  });
});

describe('edge 23: a flow token', () => {
  const altered = (routes: readonly string[], change: (token: string) => string): string[] =>
    routes.map((route) => route.replace(/(?<=<sip:)[A-Za-z0-9_-]+(?=@)/, change));

  it('with any of its characters altered: 403, and nothing reaches the other side', async () => {
    const call = await establish(alice, bob);
    const [token = ''] = call.callerSide.routes.flatMap(
      (route) => /(?<=<sip:)[A-Za-z0-9_-]+(?=@)/.exec(route) ?? [],
    );
    expect(token.length).toBeGreaterThan(90);
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === 'A' ? 'Q' : 'A';
      const routes = altered(
        call.callerSide.routes,
        (text) => text.slice(0, at) + other + text.slice(at + 1),
      );
      const info = alice.inDialog({ ...call.callerSide, routes }, 'INFO');
      expect([at, (await alice.final(info)).status]).toEqual([at, 403]);
    }
    expect(unexpectedAt(bob)).toEqual([]);
    expect((await exchange(alice, bob, call.callerSide, 'BYE')).response.status).toBe(200);
  });

  it('cut short or lengthened: 403', async () => {
    const call = await establish(alice, bob);
    for (const change of [(text: string) => text.slice(0, -1), (text: string) => `${text}A`, () => 'AQ']) {
      const routes = altered(call.callerSide.routes, change);
      const info = alice.inDialog({ ...call.callerSide, routes }, 'INFO');
      expect((await alice.final(info)).status).toBe(403);
    }
    await exchange(alice, bob, call.callerSide, 'BYE');
  });

  it('whose flow is gone: 430 at once (RFC 5626 §5.3.1)', async () => {
    const phone = await gateway.keyPhone('leaving', 'tcp');
    expect((await phone.register()).status).toBe(200);
    const call = await establish(alice, phone);
    await phone.close();
    const startedMs = performance.now();
    const info = alice.inDialog(call.callerSide, 'INFO');
    expect((await alice.final(info)).status).toBe(430);
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect((await alice.final(alice.inDialog(call.callerSide, 'BYE'))).status).toBe(430);
  });
});

describe('edge 26 and 23: with the right tags, Call-ID and flow token, but from another flow', () => {
  /** Somebody without a proof, and somebody with a proof of being somebody else. */
  const intruders: readonly [string, () => Promise<SipAgent>][] = [
    ['a stranger over UDP', () => gateway.stranger('alice', 'udp')],
    ['a stranger over TCP', () => gateway.stranger('alice', 'tcp')],
    ['another identity', async () => mallory],
  ];

  it.each(intruders)('%s gets 403 for BYE, re-INVITE and UPDATE, and the call lives', async (_, open) => {
    const intruder = await open();
    const call = await establish(alice, bob);
    for (const dialog of [call.callerSide, call.calleeSide])
      for (const method of ['BYE', 'INVITE', 'UPDATE', 'INFO', 'REFER'])
        expect([method, await statusFrom(intruder, dialog, method)]).toEqual([method, 403]);
    for (const phone of [alice, bob]) expect(unexpectedAt(phone)).toEqual([]);
    expect((await exchange(bob, alice, call.calleeSide, 'INFO')).response.status).toBe(200);
    expect((await exchange(alice, bob, call.callerSide, 'BYE')).response.status).toBe(200);
  });

  it('and without any Route: never to the other side', async () => {
    const intruder = await gateway.stranger('alice', 'udp');
    const call = await establish(alice, bob);
    const bare = { ...call.callerSide, routes: [], target: bob.address };
    expect([403, 481]).toContain(await statusFrom(intruder, bare, 'BYE'));
    const contact = { ...bare, target: `sip:bob@${testDomain};gr=x` };
    expect([403, 481]).toContain(await statusFrom(intruder, contact, 'BYE'));
    expect(unexpectedAt(bob)).toEqual([]);
    expect((await exchange(alice, bob, call.callerSide, 'BYE')).response.status).toBe(200);
  });

  async function statusFrom(intruder: SipAgent, dialog: Dialog, method: string): Promise<number> {
    const cseq = 1_000 + Math.floor(Math.random() * 1e6);
    return (await intruder.final(intruder.inDialog(dialog, method, { cseq }))).status;
  }
});
