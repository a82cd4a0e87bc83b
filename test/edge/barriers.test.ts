import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SipAgent } from '../support/sip-agent.ts';
import { establish, exchange } from '../support/sip-call.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';
import { expectAlive } from './support/alive.ts';

const trunkHost = '127.0.0.3';
let gateway: TestGateway;
let trunk: SipPeer;
let desk: SipAgent;
let bob: SipAgent;

beforeAll(async () => {
  trunk = await SipPeer.open({ host: trunkHost, transports: ['udp'] });
  gateway = await TestGateway.open({
    devices: [{ name: 'desk', password: 'pw' }],
    set: [
      `peers=[{name: trunk, match: [${trunkHost}], target: "udp://${trunkHost}:${trunk.port}", role: trunk, probe: {intervalMs: 0}}]`,
      'calls.barred=["+1900", "00881"]',
      'calls.maxPerIdentity=2',
    ],
  });
  desk = await gateway.stockPhone('desk', 'udp');
  bob = await gateway.keyPhone('bob', 'ws');
  for (const phone of [desk, bob]) expect((await phone.register()).status).toBe(200);
});
afterEach(() => expectAlive(gateway));
afterAll(async () => {
  await gateway.close();
  await trunk.close();
});

describe('a stolen password does limited damage', () => {
  it.each(['+19005550100', '+1-900-555-0100', '%2B1(900)5550100', '+1%20900%205550100', '008815550100'])(
    'edge 36: the barred number %s: 403, an alarm and a record',
    async (number) => {
      const { request, response } = await desk.ask('INVITE', `sip:${number}@${testDomain}`);
      expect([response.status, response.reason]).toEqual([403, 'Number Barred']);
      await expect
        .poll(() =>
          gateway.log.some(
            ({ fields: { alarm, number: called } }) => alarm === 'barred-number' && called !== undefined,
          ),
        )
        .toBe(true);
      await expect
        .poll(async () => (await gateway.records({ callId: request.callId })).map(({ event }) => event))
        .toEqual(['call.attempt', 'call.refusal']);
    },
  );

  it('edge 36: a number that only looks like one goes out', async () => {
    const { request } = await desk.begin('INVITE', `sip:+19105550100@${testDomain}`);
    trunk.reply(await trunk.incoming('INVITE'), 486);
    expect((await desk.final(request)).status).toBe(486);
  });

  it('edge 36: one call more than an identity may have at once: 403 and an alarm, until one has ended', async () => {
    const first = await establish(desk, bob);
    const second = await establish(desk, bob);
    const third = await desk.ask('INVITE', bob.address);
    expect([third.response.status, third.response.reason]).toEqual([403, 'Too Many Calls At Once']);
    expect(gateway.log.filter(({ fields }) => fields['alarm'] === 'calls-at-once')).toHaveLength(1);
    await exchange(desk, bob, first.callerSide, 'BYE');
    const fourth = await establish(desk, bob);
    for (const call of [second, fourth]) await exchange(desk, bob, call.callerSide, 'BYE');
  });
});
