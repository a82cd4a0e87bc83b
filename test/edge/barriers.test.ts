import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type HeaderField, headerField } from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { establish, exchange } from '../support/sip-call.ts';
import { callerDialog } from '../support/sip-dialog.ts';
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
  it.each([
    '+19005550100',
    '+1-900-555-0100',
    '%2B1(900)5550100',
    '+1%20900%205550100',
    '008815550100',
    '+8815550100',
    '0019005550100',
  ])('edge 36: the barred number %s: 403, an alarm and a record', async (number) => {
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
  });

  it('edge 36: nor is anybody sent or written to a barred number: REFER outside and within a call, MESSAGE', async () => {
    const number = '+493055501';
    const uri = `sip:${number}@${testDomain}`;
    const referTo = (...values: string[]): { headers: HeaderField[] } => ({
      headers: values.map((value) => headerField('Refer-To', value)),
    });
    const barred = [
      `<sip:0019005550100@${trunkHost}>`,
      '<tel:+1-900-555-0100>',
      `sip:%2b19005550100@${trunkHost}`,
    ];
    for (const value of barred) {
      const { response } = await desk.ask('REFER', uri, referTo(value));
      expect([response.status, response.reason]).toEqual([403, 'Number Barred']);
    }
    for (const values of [['<sip:a@b>', '<sip:c@d>'], ['<sip:']])
      expect((await desk.ask('REFER', uri, referTo(...values))).response.status).toBe(400);
    const { response } = await desk.ask('MESSAGE', `sip:+19005550100@${testDomain}`);
    expect([response.status, response.reason]).toEqual([403, 'Number Barred']);

    const { request } = await desk.begin('INVITE', uri);
    trunk.reply(await trunk.incoming('INVITE'), 200);
    const dialog = callerDialog(await desk.final(request));
    desk.inDialog(dialog, 'ACK');
    await trunk.incoming('ACK');
    const refer = desk.inDialog(dialog, 'REFER', referTo(barred[0] ?? ''));
    expect((await desk.final(refer)).status).toBe(403);
    const fine = desk.inDialog(dialog, 'REFER', referTo(`<sip:+493055502@${trunkHost}>`));
    trunk.reply(await trunk.incoming('REFER'), 202);
    expect((await desk.final(fine)).status).toBe(202);
    const bye = desk.inDialog(dialog, 'BYE');
    trunk.reply(await trunk.incoming('BYE'), 200);
    expect((await desk.final(bye)).status).toBe(200);
  });

  it('edge 36: a number that only looks like one goes out', async () => {
    const { request } = await desk.begin('INVITE', `sip:+19105550100@${testDomain}`);
    trunk.reply(await trunk.incoming('INVITE'), 486);
    expect((await desk.final(request)).status).toBe(486);
  });

  it('edge 36: one call more than an identity may have at once: 403 and an alarm, until one has ended', async () => {
    const first = await establish(desk, bob);
    // Not even under the Call-ID of the other.
    const second = await establish(desk, bob, undefined, { callId: first.invite.callId });
    const third = await desk.ask('INVITE', bob.address);
    expect([third.response.status, third.response.reason]).toEqual([403, 'Too Many Calls At Once']);
    expect(gateway.log.filter(({ fields }) => fields['alarm'] === 'calls-at-once')).toHaveLength(1);
    await exchange(desk, bob, first.callerSide, 'BYE');
    const fourth = await establish(desk, bob);
    for (const call of [second, fourth]) await exchange(desk, bob, call.callerSide, 'BYE');
  });
});
