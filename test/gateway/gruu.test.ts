import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerField, headerItems, parseContact, type SipResponse } from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { callerDialog } from '../support/sip-dialog.ts';
import { TestGateway } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';

const password = 'pw';
const phones = ['two', 'fresh', 'gone', 'remote', 'moved'];
let gateway: TestGateway;
let caller: SipAgent;

beforeAll(async () => {
  gateway = await TestGateway.open({ devices: [...phones, 'caller'].map((name) => ({ name, password })) });
  caller = await gateway.stockPhone('caller', 'udp');
});
afterAll(() => gateway.close());

interface GruuPair {
  readonly publicUri: string;
  readonly temporaryUri: string;
}

function instance(number: number): string {
  return `urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6b0${number}`;
}

/** Registers as a phone with an instance-id of its own; the GRUUs that it is given. */
async function register(phone: SipAgent, number: number, callId = `boot-${number}`): Promise<GruuPair> {
  const response = await phone.register({
    contact: `${phone.contact};+sip.instance="<${instance(number)}>"`,
    headers: [headerField('Supported', 'path, gruu')],
    callId,
  });
  expect(response.status).toBe(200);
  const own = headerItems(response, 'contact').find((item) => item.includes(instance(number)));
  const { params } = parseContact(own ?? '').address;
  const uri = (name: string): string => params.find((one) => one.name === name)?.value?.slice(1, -1) ?? '';
  return { publicUri: uri('pub-gruu'), temporaryUri: uri('temp-gruu') };
}

async function calling(uri: string): Promise<SipResponse> {
  return (await caller.ask('INVITE', uri)).response;
}

describe('a call to a GRUU (RFC 5627 §6.1)', () => {
  it('reaches only the phone that it was given to, by its own Contact', async () => {
    const [desk, mobile] = await Promise.all([
      gateway.stockPhone('two', 'udp'),
      gateway.stockPhone('two', 'tcp'),
    ]);
    await register(desk, 1);
    const { publicUri, temporaryUri } = await register(mobile, 2);
    expect(publicUri).toMatch(/^sip:[a-z2-7]{52}@sip\.test;gr=urn:uuid:/);
    for (const uri of [publicUri, temporaryUri]) {
      const { request } = await caller.begin('INVITE', uri);
      const invite = await mobile.incoming('INVITE');
      expect(mobile.contact).toContain(invite.uri);
      mobile.reply(invite, 486);
      expect((await caller.final(request)).status).toBe(486);
    }
    expect(desk.inbox.unread).toEqual([]);
  });

  it('gets 404 once the phone has registered under another Call-ID, by a temporary one', async () => {
    const phone = await gateway.stockPhone('fresh', 'udp');
    const before = await register(phone, 1, 'first-boot');
    const after = await register(phone, 1, 'second-boot');
    expect(after.publicUri).toBe(before.publicUri);
    expect((await calling(before.temporaryUri)).status).toBe(404);
    const { request } = await caller.begin('INVITE', after.temporaryUri);
    phone.reply(await phone.incoming('INVITE'), 486);
    expect((await caller.final(request)).status).toBe(486);
  });

  it('gets 480 when the flow of that phone is gone, though another phone of the identity is there', async () => {
    const [desk, mobile] = await Promise.all([
      gateway.stockPhone('gone', 'udp'),
      gateway.stockPhone('gone', 'tcp'),
    ]);
    await register(desk, 1);
    const { publicUri, temporaryUri } = await register(mobile, 2);
    await mobile.close();
    await until('the phone is out of routing', async () => (await calling(publicUri)).status === 480);
    expect((await calling(temporaryUri)).status).toBe(480);
    expect(desk.inbox.unread).toEqual([]);
  });

  it.each([
    `sip:nobody@sip.test;gr=${instance(1)}`,
    'sip:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYn@sip.test;gr',
    'sip:two@sip.test;gr',
  ])('gets 404 when it was never given out: %s', async (uri) => {
    expect((await calling(uri)).status).toBe(404);
  });
});

describe('a GRUU as remote target (RFC 5627 §4.3)', () => {
  it('becomes the Contact that the phone expects, for ACK and BYE', async () => {
    const phone = await gateway.stockPhone('remote', 'tcp');
    const { temporaryUri } = await register(phone, 1);
    const { request } = await caller.begin('INVITE', `sip:remote@${gateway.domain}`);
    phone.reply(await phone.incoming('INVITE'), 200);
    const answer = await caller.final(request);
    const dialog = { ...callerDialog(answer), target: temporaryUri };
    caller.inDialog(dialog, 'ACK');
    expect(phone.contact).toContain((await phone.incoming('ACK')).uri);
    const bye = caller.inDialog(dialog, 'BYE');
    const received = await phone.incoming('BYE');
    expect(phone.contact).toContain(received.uri);
    phone.reply(received, 200);
    expect((await caller.final(bye)).status).toBe(200);
  });

  it('leads to its phone on another flow, when it has moved in mid-call, and not to its owner’s other phones', async () => {
    const before = await gateway.stockPhone('moved', 'tcp');
    const { publicUri } = await register(before, 1);
    const { request } = await caller.begin('INVITE', publicUri);
    before.reply(await before.incoming('INVITE'), 200);
    const dialog = { ...callerDialog(await caller.final(request)), target: publicUri };
    caller.inDialog(dialog, 'ACK');
    await before.incoming('ACK');
    await before.close();
    const after = await gateway.stockPhone('moved', 'ws');
    await register(after, 1, 'boot-after');
    const other = await gateway.stockPhone('moved', 'udp');
    await register(other, 2);
    const bye = caller.inDialog(dialog, 'BYE');
    after.reply(await after.incoming('BYE'), 200);
    expect((await caller.final(bye)).status).toBe(200);
    expect(other.inbox.unread).toEqual([]);
  });
});

it('no phone gets a GRUU where the operator wants none', async () => {
  const plain = await TestGateway.open({
    devices: [{ name: 'plain', password }],
    set: ['registrar.gruu=false'],
  });
  const phone = await plain.stockPhone('plain', 'udp');
  const response = await phone.register({
    contact: `${phone.contact};+sip.instance="<${instance(1)}>"`,
    headers: [headerField('Supported', 'gruu')],
  });
  expect(response.status).toBe(200);
  expect(headerItems(response, 'contact').join()).not.toContain('gruu');
  await plain.close();
});
