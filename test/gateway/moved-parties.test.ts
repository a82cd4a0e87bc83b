import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ProbedPhone } from '../softphone/probed-phone.ts';
import { lossyPath } from '../support/lossy-path.ts';
import { establish, exchange } from '../support/sip-call.ts';
import { callerDialog } from '../support/sip-dialog.ts';
import { sipp, udpBound } from '../support/sipp.ts';
import { newIdentity, TestGateway } from '../support/test-gateway.ts';

let gateway: TestGateway;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  gateway = await TestGateway.open({ devices: [{ name: 'desk', password: 'pw' }] });
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => gateway.close());

describe('a phone that moved in mid-call receives what the other side sends (design §5)', () => {
  it.each([
    ['udp', 'ws'],
    ['udp', 'udp'],
    ['ws', 'udp'],
    ['tcp', 'ws'],
  ] as const)(
    're-INVITE, its ACK and BYE, from %s to %s, which the old flow did not outlive',
    async (from, to) => {
      const name = `mover-${from}-${to}`;
      const identity = newIdentity(`jis:${name}`);
      const instance = {
        contact: `<sip:${name}@192.0.2.50>;+sip.instance="<urn:uuid:${crypto.randomUUID()}>"`,
      };
      const stayer = await gateway.keyPhone(`stayer-${from}-${to}`, 'udp');
      const before = await gateway.keyPhone(name, from, { identity });
      await stayer.register();
      await before.register(instance);
      const call = await establish(stayer, before);
      // A UDP flow never closes: only the new registration of the same phone tells that it is left.
      if (from !== 'udp') await before.close();
      const after = await gateway.keyPhone(name, to, { identity });
      expect((await after.register(instance)).status).toBe(200);
      const held = await exchange(stayer, after, call.callerSide, 'INVITE');
      expect(held.response.status).toBe(200);
      stayer.inDialog({ ...call.callerSide, inviteCSeq: held.response.cseq.number }, 'ACK');
      expect((await after.incoming('ACK')).cseq.number).toBe(held.response.cseq.number);
      expect((await exchange(stayer, after, call.callerSide, 'BYE')).response.status).toBe(200);
    },
  );

  it('also when the identity has another phone, which knows nothing of the call', async () => {
    const identity = newIdentity('jis:two-phones');
    const stayer = await gateway.keyPhone('calls-two', 'udp');
    const other = await gateway.keyPhone('two-phones', 'tcp', { identity });
    const mobile = await gateway.keyPhone('two-phones', 'ws', { identity });
    for (const phone of [stayer, mobile]) await phone.register();
    const call = await establish(stayer, mobile);
    await mobile.close();
    await other.register();
    const back = await gateway.keyPhone('two-phones', 'ws', { identity });
    await back.register();
    const bye = stayer.inDialog(call.callerSide, 'BYE');
    other.reply(await other.incoming('BYE'), 481);
    back.reply(await back.incoming('BYE'), 200);
    expect((await stayer.final(bye)).status).toBe(200);
  });

  it('shown with unmodified SIP.js: its WebSocket is cut, it comes back, and hears the BYE', async () => {
    const path = await lossyPath(gateway.port('ws'));
    closing.push(() => path.close());
    const stayer = await gateway.keyPhone('calls-sipjs', 'udp');
    await stayer.register();
    const phone = await ProbedPhone.register({ name: 'sipjs', port: path.port, answers: true });
    closing.push(() => phone.close());
    const { request } = await stayer.begin('INVITE', `sip:sipjs@${gateway.domain}`);
    const dialog = callerDialog(await stayer.final(request));
    stayer.inDialog(dialog, 'ACK');
    path.cut();
    await phone.next('disconnected');
    await phone.next('registered');
    expect((await stayer.final(stayer.inDialog(dialog, 'BYE'))).status).toBe(200);
    expect(await phone.next('ended')).toMatchObject({ reason: 'hung up by the other side' });
  });

  it('shown with SIPp: its re-INVITE, ACK and BYE follow the caller from WebSocket to UDP', async () => {
    // Its registration is made from the address that SIPp then takes over.
    const desk = await gateway.stockPhone('desk', 'udp');
    await desk.register();
    const { localPort } = desk;
    await desk.close();
    const gatewayPort = gateway.port('udp');
    const answering = sipp({ scenario: 'uas-answer-reinvite-bye', gatewayPort, localPort, holdMs: 1_000 });
    await udpBound(localPort);
    const identity = newIdentity('jis:calls-sipp');
    const caller = await gateway.keyPhone('calls-sipp', 'ws', { identity });
    await caller.register();
    const { request } = await caller.begin('INVITE', `sip:desk@${gateway.domain}`);
    const dialog = callerDialog(await caller.final(request));
    caller.inDialog(dialog, 'ACK');
    await caller.close();
    const moved = await gateway.keyPhone('calls-sipp', 'udp', { identity });
    await moved.register();
    moved.reply(await moved.incoming('INVITE'), 200);
    await moved.incoming('ACK');
    moved.reply(await moved.incoming('BYE'), 200);
    const { code, err } = await answering;
    expect(code, err).toBe(0);
  });
});
