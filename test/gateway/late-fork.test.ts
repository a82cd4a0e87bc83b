import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ring } from '../support/sip-call.ts';
import { newIdentity, TestGateway } from '../support/test-gateway.ts';

let gateway: TestGateway;
let patient: TestGateway;

beforeAll(async () => {
  [gateway, patient] = await Promise.all([
    TestGateway.open(),
    TestGateway.open({ set: ['calls.rejoinMs=5000'] }),
  ]);
});
afterAll(() => Promise.all([gateway.close(), patient.close()]));

describe('a phone that registers while its identity rings (late fork)', () => {
  it('rings too, and its answer ends the ringing of the others', async () => {
    const identity = newIdentity('jis:late');
    const caller = await gateway.keyPhone('caller', 'udp');
    const desk = await gateway.keyPhone('late', 'tcp', { identity });
    for (const phone of [caller, desk]) await phone.register();
    const { request, invite } = await ring(caller, desk);
    const mobile = await gateway.keyPhone('late', 'ws', { identity });
    expect((await mobile.register()).status).toBe(200);
    const late = await mobile.incoming('INVITE');
    expect(late.callId).toBe(invite.callId);
    mobile.reply(late, 200);
    expect((await caller.final(request)).status).toBe(200);
    const cancel = await desk.incoming('CANCEL');
    desk.reply(cancel, 200);
    desk.reply(invite, 487);
  });

  it('is not called again by a refresh on the connection on which it rings', async () => {
    const caller = await gateway.keyPhone('caller2', 'udp');
    const desk = await gateway.keyPhone('refreshing', 'ws');
    for (const phone of [caller, desk]) await phone.register();
    const { request, invite } = await ring(caller, desk);
    expect((await desk.register()).status).toBe(200);
    desk.reply(invite, 486);
    expect((await caller.final(request)).status).toBe(486);
    const again = desk.inbox.unread.filter(
      (message) => message.kind === 'request' && message.method === 'INVITE',
    );
    expect(again).toEqual([]);
  });
});

describe('a phone that loses its only connection while it rings', () => {
  it.each(['ws', 'udp', 'tcp'] as const)(
    'rings again when it comes back over %s in time',
    async (transport) => {
      const identity = newIdentity(`jis:back-${transport}`);
      const caller = await patient.keyPhone(`caller-${transport}`, 'udp');
      const phone = await patient.keyPhone(`back-${transport}`, 'ws', { identity });
      for (const agent of [caller, phone]) await agent.register();
      const { request } = await ring(caller, phone);
      await phone.close();
      const back = await patient.keyPhone(`back-${transport}`, transport, { identity });
      expect((await back.register()).status).toBe(200);
      const invite = await back.incoming('INVITE');
      back.reply(invite, 200);
      expect((await caller.final(request)).status).toBe(200);
    },
  );

  it('leaves its caller without an answer for no longer than calls.rejoinMs', async () => {
    const caller = await gateway.keyPhone('impatient', 'udp');
    const phone = await gateway.keyPhone('gone', 'ws');
    for (const agent of [caller, phone]) await agent.register();
    const { request } = await ring(caller, phone);
    const closed = performance.now();
    await phone.close();
    expect([430, 480]).toContain((await caller.final(request)).status);
    expect(performance.now() - closed).toBeLessThan(1_000);
  });
});
