import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerField, headerItems, headerValue, type SipRequest } from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { type EstablishedCall, establish, exchange, ring } from '../support/sip-call.ts';
import { cancelOf } from '../support/sip-dialog.ts';
import type { WireTransport } from '../support/sip-wire.ts';
import { newIdentity, TestGateway } from '../support/test-gateway.ts';

let gateway: TestGateway;
let serial = 0;

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: ['desk-a', 'desk-b', 'roaming'].map((name) => ({ name, password: 'pw' })),
  });
});
afterAll(() => gateway.close());

interface Connected extends EstablishedCall {
  readonly caller: SipAgent;
  readonly callee: SipAgent;
}

async function connected(from: WireTransport = 'udp', to: WireTransport = 'ws'): Promise<Connected> {
  serial++;
  const [caller, callee] = await Promise.all([
    gateway.keyPhone(`a${serial}`, from),
    gateway.keyPhone(`b${serial}`, to),
  ]);
  for (const phone of [caller, callee]) expect((await phone.register()).status).toBe(200);
  return { caller, callee, ...(await establish(caller, callee)) };
}

async function expectAlive({ caller, callee, callerSide }: Connected): Promise<void> {
  expect((await exchange(caller, callee, callerSide, 'BYE')).response.status).toBe(200);
}

describe('within a dialog (RFC 3261 §12, §16.12)', () => {
  it.each([
    ['udp', 'ws'],
    ['ws', 'udp'],
    ['tcp', 'udp'],
  ] as const)(
    're-INVITE, UPDATE, INFO, REFER, MESSAGE and OPTIONS go both ways from %s to %s',
    async (from, to) => {
      const call = await connected(from, to);
      const { caller, callee, callerSide, calleeSide } = call;
      for (const method of ['UPDATE', 'INFO', 'REFER', 'MESSAGE', 'OPTIONS', 'NOTIFY']) {
        const there = await exchange(caller, callee, callerSide, method);
        expect(there.response.status).toBe(200);
        // The routes that led here are gone, the next hop is the phone itself.
        expect(headerItems(there.arrived, 'route')).toEqual([]);
        const back = await exchange(callee, caller, calleeSide, method);
        expect(back.response.status).toBe(200);
      }
      const held = await exchange(caller, callee, callerSide, 'INVITE');
      expect(held.response.status).toBe(200);
      caller.inDialog({ ...callerSide, inviteCSeq: held.response.cseq.number }, 'ACK');
      await callee.incoming('ACK');
      const resumed = await exchange(callee, caller, calleeSide, 'INVITE');
      callee.inDialog({ ...calleeSide, inviteCSeq: resumed.response.cseq.number }, 'ACK');
      await caller.incoming('ACK');
      await expectAlive(call);
    },
  );

  it('a refused re-INVITE leaves the call up (§14.1)', async () => {
    const call = await connected();
    const { caller, callee, callerSide } = call;
    expect((await exchange(caller, callee, callerSide, 'INVITE', {}, 488)).response.status).toBe(488);
    await callee.incoming('ACK');
    await expectAlive(call);
  });

  it('stock phones that never sign talk as well, BYE by the callee', async () => {
    const [caller, callee] = await Promise.all([
      gateway.stockPhone('desk-a', 'udp'),
      gateway.stockPhone('desk-b', 'udp'),
    ]);
    for (const phone of [caller, callee]) await phone.register();
    const call = await establish(caller, callee);
    expect((await exchange(callee, caller, call.calleeSide, 'BYE')).response.status).toBe(200);
  });

  it('is not bound to the hops left: 483 at none (§16.3 step 3)', async () => {
    const call = await connected();
    const info = call.caller.inDialog(call.callerSide, 'INFO', { maxForwards: 0 });
    expect((await call.caller.final(info)).status).toBe(483);
    await expectAlive(call);
  });
});

describe('a party that has moved to another flow (design §5)', () => {
  it.each(['udp', 'tcp', 'ws'] as const)(
    'is reached there by the other side’s BYE: from ws to %s',
    async (to) => {
      const identity = newIdentity(`jis:mover-${to}`);
      const caller = await gateway.keyPhone(`mover-${to}`, 'ws', { identity });
      const callee = await gateway.keyPhone(`stayer-${to}`, 'udp');
      for (const phone of [caller, callee]) await phone.register();
      const call = await establish(caller, callee);
      await caller.close();
      const moved = await gateway.keyPhone(`mover-${to}`, to, { identity });
      expect((await moved.register()).status).toBe(200);
      expect((await exchange(callee, moved, call.calleeSide, 'BYE')).response.status).toBe(200);
    },
  );

  it('is reached there by the caller’s requests as well when it is the callee', async () => {
    const identity = newIdentity('jis:moving-callee');
    const caller = await gateway.keyPhone('moving-caller', 'udp');
    const callee = await gateway.keyPhone('moving-callee', 'tcp', { identity });
    for (const phone of [caller, callee]) await phone.register();
    const call = await establish(caller, callee);
    await callee.close();
    const moved = await gateway.keyPhone('moving-callee', 'ws', { identity });
    await moved.register();
    const held = await exchange(caller, moved, call.callerSide, 'INVITE');
    expect(held.response.status).toBe(200);
    caller.inDialog({ ...call.callerSide, inviteCSeq: held.response.cseq.number }, 'ACK');
    await moved.incoming('ACK');
    const bye = moved.inDialog(call.calleeSide, 'BYE', { cseq: 100 });
    caller.reply(await caller.incoming('BYE'), 200);
    expect((await moved.final(bye)).status).toBe(200);
  });

  it('may go on from there itself, signed by its key', async () => {
    const identity = newIdentity('jis:walker');
    const caller = await gateway.keyPhone('walker', 'tcp', { identity });
    const callee = await gateway.keyPhone('listener', 'udp');
    for (const phone of [caller, callee]) await phone.register();
    const call = await establish(caller, callee);
    await caller.close();
    const moved = await gateway.keyPhone('walker', 'udp', { identity });
    const dialog = { ...call.callerSide };
    const bye = moved.inDialog(dialog, 'BYE', { cseq: 100 });
    callee.reply(await callee.incoming('BYE'), 200);
    expect((await moved.final(bye)).status).toBe(200);
  });

  it('may go on from there itself as a stock phone that has registered anew', async () => {
    const caller = await gateway.stockPhone('roaming', 'ws');
    const callee = await gateway.keyPhone('host', 'udp');
    for (const phone of [caller, callee]) await phone.register();
    const call = await establish(caller, callee);
    await caller.close();
    const moved = await gateway.stockPhone('roaming', 'udp');
    await moved.register();
    const bye = moved.inDialog(call.callerSide, 'BYE', { cseq: 100 });
    callee.reply(await callee.incoming('BYE'), 200);
    expect((await moved.final(bye)).status).toBe(200);
  });

  it('and is nowhere: 430 at once (RFC 5626 §5.3.1)', async () => {
    const { caller, callee, callerSide } = await connected('udp', 'tcp');
    await callee.close();
    const started = performance.now();
    const bye = caller.inDialog(callerSide, 'BYE');
    expect([430, 480]).toContain((await caller.final(bye)).status);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe('a stranger', () => {
  it.each(['udp', 'tcp', 'ws'] as const)(
    'with a copied Route token on %s is refused, and the call lives',
    async (transport) => {
      const call = await connected();
      const stranger = await gateway.stranger('mallory', transport);
      for (const method of ['BYE', 'INFO', 'INVITE']) {
        const request = stranger.inDialog(call.callerSide, method, { cseq: 500 });
        expect((await stranger.final(request)).status).toBe(403);
      }
      stranger.inDialog(call.callerSide, 'ACK');
      await expectAlive(call);
      expect(unexpected(call.callee)).toEqual([]);
    },
  );

  it('who has an identity, but not that of a party, is refused', async () => {
    const call = await connected();
    const other = await gateway.keyPhone(`other${serial}`, 'ws');
    await other.register();
    const bye = other.inDialog(call.callerSide, 'BYE', { cseq: 500 });
    expect((await other.final(bye)).status).toBe(403);
    await expectAlive(call);
  });

  it('cannot cancel somebody else’s call with a copied Via (RFC 3261 §9.2)', async () => {
    const { caller, callee } = await connected();
    const { request, invite } = await ring(caller, callee);
    const stranger = await gateway.stranger('mallory', 'udp');
    const cancel = cancelOf(request);
    stranger.send(cancel);
    await Promise.race([stranger.final(cancel), caller.final(cancel)]);
    callee.reply(invite, 200);
    expect((await caller.final(request)).status).toBe(200);
    expect(unexpected(callee)).toEqual([]);
  });

  it('whose token was altered is refused (RFC 5626 §5.2)', async () => {
    const call = await connected();
    const routes = call.callerSide.routes.map((route) => route.replace(/sip:([^@>]{20})(.)(?=[^>]*@)/, flip));
    expect(routes).not.toEqual(call.callerSide.routes);
    const forged = call.caller.inDialog({ ...call.callerSide, routes }, 'BYE');
    expect((await call.caller.final(forged)).status).toBe(403);
    await expectAlive(call);
  });

  it('or a callee who leaves the Route away is not a party: 481', async () => {
    const call = await connected();
    const stranger = await gateway.stranger('mallory', 'udp');
    const target = `sip:${call.callee.user}@${gateway.domain}`;
    const fromStranger = stranger.inDialog({ ...call.callerSide, routes: [], target }, 'BYE', { cseq: 500 });
    expect((await stranger.final(fromStranger)).status).toBe(481);
    const fromCallee = call.callee.inDialog({ ...call.calleeSide, routes: [], target }, 'BYE');
    expect((await call.callee.final(fromCallee)).status).toBe(481);
    await expectAlive(call);
  });

  it.each(['udp', 'tcp', 'ws'] as const)(
    'is not the caller who leaves the Route away on its own %s flow',
    async (transport) => {
      const call = await connected(transport, 'udp');
      const target = `sip:${call.callee.user}@${gateway.domain}`;
      await expectAlive({ ...call, callerSide: { ...call.callerSide, routes: [], target } });
    },
  );

  it('nor is the ACK for a challenge, come again once the call is up: it ends here', async () => {
    const call = await connected('udp', 'udp');
    const target = `sip:${call.callee.user}@${gateway.domain}`;
    call.caller.inDialog({ ...call.callerSide, routes: [], target }, 'ACK', {
      cseq: call.callerSide.inviteCSeq - 1,
      signed: false,
    });
    await expectAlive(call);
    expect(unexpected(call.callee)).not.toContain('ACK');
  });

  it('but over UDP such a caller must prove who it is: 407', async () => {
    const call = await connected('udp', 'udp');
    const target = `sip:${call.callee.user}@${gateway.domain}`;
    const bye = call.caller.inDialog({ ...call.callerSide, routes: [], target }, 'BYE', { signed: false });
    expect((await call.caller.final(bye)).status).toBe(407);
    await expectAlive(call);
  });

  it('cannot send the gateway anywhere but to the other party by a second Route', async () => {
    const call = await connected();
    const headers = [headerField('Route', '<sip:198.51.100.7;lr>')];
    const info = call.caller.inDialog(call.callerSide, 'INFO', { headers });
    const arrived = await call.callee.incoming('INFO');
    expect(headerValue(arrived, 'route')).toContain('198.51.100.7');
    call.callee.reply(arrived, 200);
    expect((await call.caller.final(info)).status).toBe(200);
    await expectAlive(call);
  });
});

function flip(_: string, before: string, character: string): string {
  return `sip:${before}${character === 'A' ? 'B' : 'A'}`;
}

/** Requests that reached a phone and that no test step has taken. */
function unexpected(phone: SipAgent): string[] {
  return phone.inbox.unread
    .filter((message): message is SipRequest => message.kind === 'request')
    .map(({ method }) => method);
}
