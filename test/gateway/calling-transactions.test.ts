import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerValue, type SipRequest, type SipResponse } from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { establish, exchange, ring } from '../support/sip-call.ts';
import { callerDialog, cancelOf } from '../support/sip-dialog.ts';
import { TestGateway } from '../support/test-gateway.ts';

let gateway: TestGateway;
let serial = 0;

beforeAll(async () => {
  gateway = await TestGateway.open({ devices: [{ name: 'stock', password: 'pw' }] });
});
afterAll(() => gateway.close());

async function pair(
  from: 'udp' | 'tcp' | 'ws' = 'udp',
  to: 'udp' | 'tcp' | 'ws' = 'udp',
): Promise<[SipAgent, SipAgent]> {
  serial++;
  const both = await Promise.all([gateway.keyPhone(`a${serial}`, from), gateway.keyPhone(`b${serial}`, to)]);
  for (const phone of both) expect((await phone.register()).status).toBe(200);
  return both;
}

/** All responses to `request` that have come so far. */
function responsesTo(phone: SipAgent, request: SipRequest): SipResponse[] {
  return phone.inbox.all.filter(
    (message): message is SipResponse =>
      message.kind === 'response' &&
      message.via.branch === request.via.branch &&
      message.cseq.method === request.method,
  );
}

describe('an INVITE transaction through the gateway (RFC 3261 §16, §17)', () => {
  it('begins with 100 at once, before the callee has said anything', async () => {
    const [caller, callee] = await pair();
    const request = caller.build('INVITE', callee.address);
    caller.send(request);
    const trying = await caller.provisional(request, 100);
    expect(trying.to.tag).toBeUndefined();
    callee.reply(await callee.incoming('INVITE'), 486);
    expect((await caller.final(request)).status).toBe(486);
    expect((await callee.incoming('ACK')).via.branch).toBeDefined();
  });

  it('brings provisional responses in order, and only one 100', async () => {
    const [caller, callee] = await pair('ws', 'udp');
    const request = caller.build('INVITE', callee.address);
    caller.send(request);
    const invite = await callee.incoming('INVITE');
    for (const status of [100, 180, 183, 181]) callee.reply(invite, status);
    callee.reply(invite, 603);
    expect((await caller.final(request)).status).toBe(603);
    expect(responsesTo(caller, request).map(({ status }) => status)).toEqual([100, 180, 183, 181, 603]);
  });

  it('answers retransmissions from store and does not forward them (§17.2.1)', async () => {
    const [caller, callee] = await pair();
    const { request } = await ring(caller, callee);
    caller.send(request);
    expect((await caller.provisional(request, 180)).status).toBe(180);
    const invites = callee.inbox.all.filter((m) => m.kind === 'request' && m.method === 'INVITE');
    expect(invites).toHaveLength(1);
  });

  it('answers retransmissions of a refused one with the same final response', async () => {
    const [caller] = await pair();
    const request = caller.build('INVITE', `sip:nobody@${gateway.domain}`);
    caller.send(request);
    const first = await caller.inbox.take('404', isFinal);
    caller.send(request);
    const second = await caller.inbox.take('404 again', isFinal);
    expect([first.status, second.status]).toEqual([404, 404]);
    expect(second.to.tag).toBe(first.to.tag);
  });

  it('takes a 2xx again when the callee repeats it, and each ACK goes through (§13.3.1.4)', async () => {
    const [caller, callee] = await pair();
    const { request, invite } = await ring(caller, callee);
    callee.reply(invite, 200);
    const first = await caller.final(request);
    callee.reply(invite, 200);
    const second = await caller.final(request);
    expect(second.to.tag).toBe(first.to.tag);
    caller.inDialog(callerDialog(first), 'ACK');
    caller.inDialog(callerDialog(second), 'ACK');
    await callee.incoming('ACK');
    await callee.incoming('ACK');
  });

  it('is authenticated anew for each request of a stock phone over UDP (RFC 3261 §22.3)', async () => {
    const [, callee] = await pair();
    const phone = await gateway.stockPhone('stock', 'udp');
    const call = await establish(phone, callee);
    expect(headerValue(call.invite, 'proxy-authorization')).toBeUndefined();
    expect((await exchange(phone, callee, call.callerSide, 'BYE')).response.status).toBe(200);
  });
});

describe('CANCEL (RFC 3261 §9, §16.10)', () => {
  it.each([
    ['udp', 'ws'],
    ['tcp', 'udp'],
  ] as const)(
    'from %s to %s: 200 for itself, 487 for the INVITE, with the reason given (RFC 3326)',
    async (from, to) => {
      const [caller, callee] = await pair(from, to);
      const { request, invite } = await ring(caller, callee);
      const cancel = cancelOf(request);
      caller.send(cancel);
      expect((await caller.final(cancel)).status).toBe(200);
      const arrived = await callee.incoming('CANCEL');
      expect(headerValue(arrived, 'reason')).toContain('given up');
      callee.reply(arrived, 200);
      callee.reply(invite, 487);
      expect((await caller.final(request)).status).toBe(487);
      await callee.incoming('ACK');
    },
  );

  it('for no INVITE that is known gets 481', async () => {
    const [caller, callee] = await pair();
    const cancel = cancelOf(caller.build('INVITE', callee.address));
    caller.send(cancel);
    expect((await caller.final(cancel)).status).toBe(481);
  });

  it('that crosses a 200 does not undo the call (§16.10)', async () => {
    const [caller, callee] = await pair();
    const { request, invite } = await ring(caller, callee);
    callee.reply(invite, 200);
    const answer = await caller.final(request);
    const cancel = cancelOf(request);
    caller.send(cancel);
    expect((await caller.final(cancel)).status).toBe(200);
    caller.inDialog(callerDialog(answer), 'ACK');
    await callee.incoming('ACK');
    expect((await exchange(caller, callee, callerDialog(answer), 'BYE')).response.status).toBe(200);
  });
});

describe('a flow that is gone (RFC 5626 §5.3)', () => {
  it.each(['tcp', 'ws'] as const)(
    'ends the ringing at once when the callee’s %s closes',
    async (transport) => {
      const [caller, callee] = await pair('udp', transport);
      const { request } = await ring(caller, callee);
      await callee.close();
      const started = performance.now();
      const { status } = await caller.final(request);
      expect([430, 480]).toContain(status);
      expect(performance.now() - started).toBeLessThan(1_000);
      expect((await caller.ask('INVITE', callee.address)).response.status).toBe(480);
    },
  );

  it('cancels the callee when the caller’s connection closes', async () => {
    const [caller, callee] = await pair('ws', 'udp');
    const { invite } = await ring(caller, callee);
    await caller.close();
    const cancel = await callee.incoming('CANCEL');
    callee.reply(cancel, 200);
    callee.reply(invite, 487);
    await callee.incoming('ACK');
  });
});

function isFinal(message: { readonly kind: string }): message is SipResponse {
  return 'status' in message && Number(message.status) >= 200;
}
