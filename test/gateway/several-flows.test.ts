import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerField, headerValue, type SipRequest } from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { TestGateway } from '../support/test-gateway.ts';

const password = 'pw';
const phones = ['serial', 'silent', 'declines', 'edge', 'routed'];
const instance = '<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>';
let gateway: TestGateway;
let caller: SipAgent;

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: [...phones, 'caller'].map((name) => ({ name, password })),
    set: [
      'registrar.serviceRoute=self',
      'limits.locating.silenceMs=200',
      'limits.transport.udpKeepSeconds=7',
    ],
  });
  caller = await gateway.stockPhone('caller', 'udp');
});
afterAll(() => gateway.close());

/** One flow of a phone, as RFC 5626 §4.2 registers it. */
async function flow(user: string, transport: 'udp' | 'tcp' | 'ws', regId: number): Promise<SipAgent> {
  const phone = await gateway.stockPhone(user, transport);
  const response = await phone.register({
    contact: `${phone.contact};+sip.instance="${instance}";reg-id=${regId}`,
    headers: [headerField('Supported', 'path, outbound')],
  });
  expect(response.status).toBe(200);
  return phone;
}

describe('the flows of one phone (RFC 5626 §5.3)', () => {
  it('are tried one after another: the newest first, the other after a 430', async () => {
    const first = await flow('serial', 'udp', 1);
    const second = await flow('serial', 'ws', 2);
    const { request } = await caller.begin('INVITE', `sip:serial@${gateway.domain}`);
    const invite = await second.incoming('INVITE');
    expect(first.inbox.unread).toEqual([]);
    second.reply(invite, 430);
    first.reply(await first.incoming('INVITE'), 486);
    expect((await caller.final(request)).status).toBe(486);
  });

  it('are tried one after another when the socket closes in mid-call-attempt', async () => {
    const first = await flow('serial', 'udp', 1);
    const second = await flow('serial', 'tcp', 2);
    const { request } = await caller.begin('INVITE', `sip:serial@${gateway.domain}`);
    second.reply(await second.incoming('INVITE'), 180);
    await second.close();
    first.reply(await first.incoming('INVITE'), 486);
    expect((await caller.final(request)).status).toBe(486);
  });

  it('are tried one after another when the newest says nothing at all, which then comes last until it registers again', async () => {
    const first = await flow('silent', 'udp', 1);
    const second = await flow('silent', 'udp', 2);
    const call = (): Promise<{ request: SipRequest }> =>
      caller.begin('INVITE', `sip:silent@${gateway.domain}`);
    const { request: lost } = await call();
    await second.incoming('INVITE');
    first.reply(await first.incoming('INVITE'), 486);
    expect((await caller.final(lost)).status).toBe(486);
    const { request: direct } = await call();
    const invite = await first.incoming('INVITE');
    expect(invite.callId).toBe(direct.callId);
    first.reply(invite, 486);
    expect((await caller.final(direct)).status).toBe(486);
    expect(second.inbox.unread.filter(({ callId }) => callId === direct.callId)).toEqual([]);
    const contact = `${second.contact};+sip.instance="${instance}";reg-id=2`;
    await second.register({ contact, headers: [headerField('Supported', 'path, outbound')] });
    const { request: back } = await call();
    const again = await second.inbox.take('the third INVITE', (message): message is SipRequest => {
      return message.kind === 'request' && message.callId === back.callId;
    });
    second.reply(again, 486);
    expect((await caller.final(back)).status).toBe(486);
  });

  it('are not rung in turn by a phone that declines', async () => {
    const first = await flow('declines', 'udp', 1);
    const second = await flow('declines', 'tcp', 2);
    const { request } = await caller.begin('INVITE', `sip:declines@${gateway.domain}`);
    second.reply(await second.incoming('INVITE'), 486);
    expect((await caller.final(request)).status).toBe(486);
    expect(first.inbox.unread).toEqual([]);
  });
});

describe('the Flow-Timer (RFC 5626 §4.4)', () => {
  it('is what the operator asks UDP phones to keep', async () => {
    const phone = await gateway.stockPhone('serial', 'udp');
    const response = await phone.register({
      contact: `${phone.contact};+sip.instance="${instance}";reg-id=3`,
      headers: [headerField('Supported', 'path, outbound')],
    });
    expect(headerValue(response, 'flow-timer')).toBe('7');
  });
});

describe('a phone behind an edge proxy (RFC 3327 §5.3)', () => {
  it('is called along its Path, which stands in Route', async () => {
    const edge = await gateway.stockPhone('edge', 'tcp');
    const response = await edge.register({
      headers: [
        headerField('Supported', 'path'),
        headerField('Path', '<sip:inner.test;lr>, <sip:flow7@edge.test;lr;ob>'),
      ],
    });
    expect(response.status).toBe(200);
    expect(headerValue(response, 'path')).toBe('<sip:inner.test;lr>, <sip:flow7@edge.test;lr;ob>');
    const { request } = await caller.begin('INVITE', `sip:edge@${gateway.domain}`);
    const invite = await edge.incoming('INVITE');
    expect(edge.contact).toContain(invite.uri);
    expect(invite.headers.filter(({ name }) => name === 'route').map(({ value }) => value)).toEqual([
      '<sip:inner.test;lr>',
      '<sip:flow7@edge.test;lr;ob>',
    ]);
    edge.reply(invite, 486);
    expect((await caller.final(request)).status).toBe(486);
  });
});

describe('a Service-Route (RFC 3608)', () => {
  it('leads requests through this gateway, over the transport that the phone uses', async () => {
    const phone = await gateway.stockPhone('routed', 'ws');
    const registered = await phone.register();
    const route = headerValue(registered, 'service-route') ?? '';
    expect(route).toBe(`<sip:127.0.0.1:${gateway.port('ws')};transport=ws;lr>`);
    const callee = await flow('declines', 'udp', 1);
    const headers = [headerField('Route', route)];
    const { request } = await phone.begin('INVITE', `sip:declines@${gateway.domain}`, { headers });
    const invite = await callee.incoming('INVITE');
    expect(headerValue(invite, 'route')).toBe(undefined);
    callee.reply(invite, 486);
    expect((await phone.final(request)).status).toBe(486);
  });
});
