import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  appendHeaders,
  type HeaderField,
  headerField,
  headerItems,
  headerValue,
  type SipResponse,
  serializeMessage,
  serializeVia,
  setHeader,
} from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { callerDialog } from '../support/sip-dialog.ts';
import { TestGateway } from '../support/test-gateway.ts';

const password = 'pw';
const phones = ['expiring', 'refreshed', 'removed', 'starred', 'forked', 'counted', 'q', 'outbound'];
let gateway: TestGateway;
let caller: SipAgent;

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: [...phones, 'caller'].map((name) => ({ name, password })),
  });
  caller = await gateway.stockPhone('caller', 'udp');
});
afterAll(() => gateway.close());

const isField = (field: HeaderField | undefined): field is HeaderField => field !== undefined;

function contactsOf(response: SipResponse): string[] {
  return headerItems(response, 'contact');
}

async function calling(user: string): Promise<SipResponse> {
  const { response } = await caller.ask('INVITE', `sip:${user}@${gateway.domain}`);
  return response;
}

describe('bindings (RFC 3261 §10.3)', () => {
  it('are listed by a REGISTER without Contact', async () => {
    const phone = await gateway.stockPhone('counted', 'udp');
    await phone.register();
    const second = await gateway.stockPhone('counted', 'tcp');
    expect(contactsOf(await second.register())).toHaveLength(2);
    expect(contactsOf(await second.register({ contact: '' }))).toHaveLength(2);
  });

  it('are not made twice by a REGISTER that comes over two paths: 482 (RFC 3261 §8.2.2.2)', async () => {
    const phone = await gateway.stockPhone('counted', 'tcp');
    const build = () => phone.build('REGISTER', `sip:${gateway.domain}`, { to: `<${phone.address}>` });
    const first = build();
    phone.send(first);
    const plain = build();
    const request = appendHeaders(plain, [phone.answerTo(plain, await phone.final(first))].filter(isField));
    const again = setHeader(request, 'Via', serializeVia(phone.via()));
    phone.sendText(
      [request, again].map((each) => Buffer.from(serializeMessage(each)).toString('latin1')).join(''),
    );
    const statuses = [await phone.final(request), await phone.final(again)].map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 482]);
  });

  it('expire: the call finds nobody from then on', async () => {
    const phone = await gateway.stockPhone('expiring', 'udp');
    const response = await phone.register({ expires: 60 });
    expect(contactsOf(response)[0]).toMatch(/expires=60$/);
    gateway.clock.shiftMs += 61_000;
    expect((await calling('expiring')).status).toBe(480);
  });

  it('are refreshed, not doubled, and then last longer', async () => {
    const phone = await gateway.stockPhone('refreshed', 'udp');
    await phone.register({ expires: 60, callId: 'one-phone' });
    gateway.clock.shiftMs += 50_000;
    expect(contactsOf(await phone.register({ expires: 60, callId: 'one-phone' }))).toHaveLength(1);
    gateway.clock.shiftMs += 50_000;
    const { request } = await caller.begin('INVITE', `sip:refreshed@${gateway.domain}`);
    phone.reply(await phone.incoming('INVITE'), 486);
    expect((await caller.final(request)).status).toBe(486);
  });

  it('are refused with 423 and Min-Expires when they would be too short (RFC 3261 §10.3 step 7)', async () => {
    const phone = await gateway.stockPhone('refreshed', 'udp');
    const response = await phone.register({ expires: 5 });
    expect(response.status).toBe(423);
    expect(headerValue(response, 'min-expires')).toBe('60');
  });

  it('go with expires=0', async () => {
    const phone = await gateway.stockPhone('removed', 'udp');
    await phone.register();
    expect(contactsOf(await phone.register({ expires: 0 }))).toEqual([]);
    expect((await calling('removed')).status).toBe(480);
  });

  it('all go with Contact: * and Expires: 0', async () => {
    const [one, two] = await Promise.all([
      gateway.stockPhone('starred', 'udp'),
      gateway.stockPhone('starred', 'ws'),
    ]);
    await one.register();
    expect(contactsOf(await two.register())).toHaveLength(2);
    expect((await two.register({ contact: '*', expires: 300 })).status).toBe(400);
    const response = await two.register({ contact: '*', expires: 0 });
    expect(response.status).toBe(200);
    expect(contactsOf(response)).toEqual([]);
    expect((await calling('starred')).status).toBe(480);
  });

  it('of one instance replace each other by reg-id (RFC 5626 §6)', async () => {
    const instance = '"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"';
    const register = async (transport: 'udp' | 'ws'): Promise<SipResponse> => {
      const phone = await gateway.stockPhone('outbound', transport);
      return phone.register({
        contact: `${phone.contact};+sip.instance=${instance};reg-id=1`,
        headers: [headerField('Supported', 'path, outbound')],
      });
    };
    await register('udp');
    const response = await register('ws');
    expect(contactsOf(response)).toHaveLength(1);
    expect(headerValue(response, 'require')).toContain('outbound');
  });
});

describe('several phones of one identity', () => {
  it('ring together; one answers and the other gets CANCEL (RFC 3261 §16.7 step 10)', async () => {
    const [desk, mobile] = await Promise.all([
      gateway.stockPhone('forked', 'udp'),
      gateway.stockPhone('forked', 'ws'),
    ]);
    await desk.register();
    await mobile.register();
    const { request } = await caller.begin('INVITE', `sip:forked@${gateway.domain}`);
    const [atDesk, atMobile] = await Promise.all([desk.incoming('INVITE'), mobile.incoming('INVITE')]);
    desk.reply(atDesk, 180);
    mobile.reply(atMobile, 180);
    await caller.provisional(request, 180);
    mobile.reply(atMobile, 200);
    const answer = await caller.final(request);
    expect(answer.status).toBe(200);
    expect(answer.to.tag).toBe(mobile.tag);
    const cancel = await desk.incoming('CANCEL');
    expect(cancel.via.branch).toBe(atDesk.via.branch);
    expect(headerValue(cancel, 'reason')).toContain('cause=200');
    desk.reply(cancel, 200);
    desk.reply(atDesk, 487);
    await desk.incoming('ACK');
    caller.inDialog(callerDialog(answer), 'ACK');
    await mobile.incoming('ACK');
    const bye = caller.inDialog(callerDialog(answer), 'BYE');
    mobile.reply(await mobile.incoming('BYE'), 200);
    expect((await caller.final(bye)).status).toBe(200);
    expect(desk.inbox.unread.filter(({ kind }) => kind === 'request')).toEqual([]);
  });

  it('are rung one after another by falling q (RFC 3261 §16.6)', async () => {
    const [first, second] = await Promise.all([
      gateway.stockPhone('q', 'udp'),
      gateway.stockPhone('q', 'tcp'),
    ]);
    const withQ = (phone: SipAgent, q: string): Promise<SipResponse> =>
      phone.register({ contact: `${phone.contact};q=${q}` });
    await withQ(first, '0.9');
    await withQ(second, '0.1');
    const { request } = await caller.begin('INVITE', `sip:q@${gateway.domain}`);
    const atFirst = await first.incoming('INVITE');
    expect(second.inbox.unread).toEqual([]);
    first.reply(atFirst, 486);
    second.reply(await second.incoming('INVITE'), 486);
    expect((await caller.final(request)).status).toBe(486);
  });
});
