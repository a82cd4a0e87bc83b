import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { connect as secure } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { lossyPath } from '../support/lossy-path.ts';
import { callerDialog, type Dialog } from '../support/sip-dialog.ts';
import { sipp } from '../support/sipp.ts';
import { until } from '../support/until.ts';
import type { Desk } from './desk.ts';
import { Office } from './office.ts';
import { type SipJsPhone, startSipJs } from './phones/sipjs.ts';

/** Where a phone is once it has changed networks; before, it was at 127.0.0.1. */
const elsewhere = '127.0.0.9';

let office: Office;
let desk: Desk;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  office = await Office.open(['desk', 'caller', 'callee', 'walker', 'stayer']);
  desk = await office.desk('desk');
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => office.close());

/** Transport and address of an identity's newest registration. */
async function whereabouts(user: string): Promise<string> {
  const records = await office.gateway.records();
  const newest = records.findLast(
    ({ event, erin }) => event === 'registration.added' && erin['identity'] === `jis:${user}`,
  );
  const [address = ''] = String(newest?.eromheen['source']).split(':');
  return `${String(newest?.eromheen['transport'])} ${address}`;
}

interface Movable {
  readonly phone: SipJsPhone;
  /** Its connection is lost; it comes back over WSS from another address. */
  move(): Promise<void>;
}

/** SIP.js behind a box of its network that carries its WebSocket: plainly at first, over TLS from elsewhere later. */
async function movable(user: string): Promise<Movable> {
  const path = await lossyPath(office.gateway.port('ws'));
  closing.push(() => path.close());
  const options = office.options('ws', user);
  const phone = await startSipJs({ ...options, port: path.port });
  closing.push(() => phone.close());
  expect(await whereabouts(user)).toBe('ws 127.0.0.1');
  return {
    phone,
    move: async () => {
      const port = office.gateway.port('wss');
      const ca = readFileSync(options.ca);
      path.reroute(() => {
        const socket = connect({ host: '127.0.0.1', port, localAddress: elsewhere });
        return secure({ socket, servername: 'localhost', ca });
      });
      path.cut();
      await phone.comeBack();
      expect(await whereabouts(user)).toBe(`wss ${elsewhere}`);
    },
  };
}

describe('unmodified SIP.js that lost its connection in mid-call and is back over WSS from another address', () => {
  it('is sent re-INVITE, ACK and BYE of a call that it answered', async () => {
    const { phone, move } = await movable('callee');
    const [call, atDesk] = await Promise.all([phone.answer(), desk.calls('callee')]);
    await move();
    // `held` and `released` resolve with the ACK.
    expect((await Promise.all([atDesk.reoffer('sendonly'), call.held()]))[0]).toBe('recvonly');
    expect((await Promise.all([atDesk.reoffer('sendrecv'), call.released()]))[0]).toBe('sendrecv');
    expect(await atDesk.hangUp()).toBe(200);
    await call.ended;
  });

  it('and of a call that it made; its own re-INVITE, REFER and BYE go through as well', async () => {
    const { phone, move } = await movable('caller');
    const [call, atDesk] = await Promise.all([phone.call('desk'), desk.answers()]);
    await move();
    expect((await Promise.all([atDesk.reoffer('sendonly'), call.held()]))[0]).toBe('recvonly');
    expect((await Promise.all([atDesk.reoffered(), call.resume()]))[0]).toBe('sendrecv');
    const [referTo] = await Promise.all([atDesk.referred(), call.transfer('stayer')]);
    expect(referTo).toContain('sip:stayer@');
    expect(await atDesk.notify('SIP/2.0 200 OK')).toBe(200);
    await Promise.all([atDesk.hungUp(), call.hangUp()]);
  });
});

describe('SIPp that vanished in mid-call from its TCP connection and is back over UDP from another address', () => {
  it('is sent re-INVITE, ACK and BYE', async () => {
    const { gateway } = office;
    const stayer = await gateway.stockPhone('stayer', 'udp');
    expect((await stayer.register()).status).toBe(200);
    const walker = { user: 'walker', password: office.options('tcp', 'walker').password, fingerprint: '' };
    const shared = { phone: walker, domain: gateway.domain, callIds: 'walker-%u' };
    const vanishing = new AbortController();
    const before = sipp({
      ...shared,
      scenario: 'uas-register-answer',
      transport: 'tcp',
      gatewayPort: gateway.port('tcp'),
      localPort: await freePort(),
      signal: vanishing.signal,
    });
    await until('SIPp is registered', async () => (await whereabouts('walker')) === 'tcp 127.0.0.1');
    const { request } = await stayer.begin('INVITE', `sip:walker@${gateway.domain}`, {
      callId: 'stayer///walker-1',
    });
    const dialog: Dialog = callerDialog(await stayer.final(request));
    stayer.inDialog(dialog, 'ACK');
    vanishing.abort();
    await before;

    const after = sipp({
      ...shared,
      scenario: 'uas-register-follow',
      gatewayPort: gateway.port('udp'),
      localAddress: elsewhere,
      localPort: await freePort(),
    });
    await until('SIPp is back', async () => (await whereabouts('walker')) === `udp ${elsewhere}`);
    const again = stayer.inDialog(dialog, 'INVITE');
    expect((await stayer.final(again)).status).toBe(200);
    stayer.inDialog({ ...dialog, inviteCSeq: again.cseq.number }, 'ACK');
    expect((await stayer.final(stayer.inDialog(dialog, 'BYE'))).status).toBe(200);
    const { code, err } = await after;
    expect(code, err).toBe(0);
  });
});
