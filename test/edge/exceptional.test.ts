import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { headerField } from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';
import { expectAlive } from './support/alive.ts';
import { Attackers } from './support/attackers.ts';
import { newBranch, newCallId, requestText, statusOf } from './support/request-text.ts';
import { unexpectedAt } from './support/unread.ts';

let gateway: TestGateway;
let alice: SipAgent;
let bob: SipAgent;
const attackers = new Attackers(() => gateway);

beforeAll(async () => {
  gateway = await TestGateway.open();
  alice = await gateway.keyPhone('alice', 'tcp');
  bob = await gateway.keyPhone('bob', 'ws');
  for (const phone of [alice, bob]) expect((await phone.register()).status).toBe(200);
});
afterEach(async () => {
  attackers.close();
  await expectAlive(gateway);
  expect(gateway.log.filter(({ level }) => level === 'error')).toEqual([]);
});
afterAll(() => gateway.close());

/** The fields that the suite PROTOS c07-sip varies, each as a template in which `@` is the exceptional element. */
const fields: readonly string[] = [
  '@ sip:bob@sip.test SIP/2.0',
  'INVITE @ SIP/2.0',
  'INVITE @:bob@sip.test SIP/2.0',
  'INVITE sip:@@sip.test SIP/2.0',
  'INVITE sip:bob@@ SIP/2.0',
  'INVITE sip:bob@sip.test:@ SIP/2.0',
  'INVITE sip:bob@sip.test;transport=@ SIP/2.0',
  'INVITE sip:bob@sip.test @',
  'INVITE sip:bob@sip.test SIP/@',
  'Via: @',
  'Via: @/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKp1',
  'Via: SIP/@/UDP 127.0.0.1:5060;branch=z9hG4bKp2',
  'Via: SIP/2.0/@ 127.0.0.1:5060;branch=z9hG4bKp3',
  'Via: SIP/2.0/UDP @;branch=z9hG4bKp4',
  'Via: SIP/2.0/UDP 127.0.0.1:@;branch=z9hG4bKp5',
  'Via: SIP/2.0/UDP 127.0.0.1:5060;branch=@',
  'From: @',
  'From: @ <sip:alice@sip.test>;tag=1',
  'From: "@" <sip:alice@sip.test>;tag=1',
  'From: <@>;tag=1',
  'From: <sip:@@sip.test>;tag=1',
  'From: <sip:alice@sip.test>;tag=@',
  'From: <sip:alice@sip.test>;@',
  'To: @',
  'To: <sip:bob@@>',
  'To: <sip:bob@sip.test>;tag=@',
  'Contact: @',
  'Contact: <sip:alice@@>',
  'Contact: <sip:alice@127.0.0.1>;expires=@',
  'Call-ID: @',
  'Call-ID: @@127.0.0.1',
  'CSeq: @',
  'CSeq: @ INVITE',
  'CSeq: 1 @',
  'Max-Forwards: @',
  'Content-Type: @',
  'Content-Type: application/@',
  'Content-Length: @',
  'Expires: @',
  '@: value',
];

const repeated = [16, 256, 1_024, 8_192, 32_768];

/** Its exceptional elements: empty, overlong, format strings, odd numbers, broken encodings, line ends, addresses. */
const elements: readonly string[] = [
  '',
  ...repeated.flatMap((length) =>
    ['a', ' ', '\0', '%s', '%n', '/', '<', '>', '"', '@', ':', ';', ','].map((text) =>
      text.repeat(length / text.length),
    ),
  ),
  ...[
    '%s%n%x%d',
    '%.1024d',
    '\xc0\xaf',
    '\xff\xfe',
    '\xed\xa0\x80',
    '\x1b[2J',
    '\r',
    '\n',
    '\r\n\r\n',
    '\r\n \r\n',
    '\t',
    '\0',
  ],
  ...[
    '0',
    '-1',
    '+1',
    '4294967295',
    '4294967296',
    '2147483648',
    '9'.repeat(400),
    '1e9',
    '0x7fffffff',
    '1.5',
    '٣',
  ],
  ...[
    '0.0.0.0',
    '255.255.255.255',
    '256.256.256.256',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[',
    ']',
    '[1:2:3',
    '127.1',
  ],
  ...[
    'sip:',
    'sip:@',
    'sips:[',
    'sip:%',
    'sip:%00@x',
    'sip:a@b?c=%',
    'tel:',
    'sip:a@b;;;=;=',
    '<sip:a@b',
    '"',
    '\\',
    '"\\',
  ],
];

describe('edge 15: an INVITE with an exceptional element in each field that PROTOS c07-sip varies', () => {
  it.each(fields)('%s', async (field) => {
    const wire = await attackers.udp();
    let sinceCheck = 0;
    for (const element of elements) {
      wire.send(invite(field, element));
      if (++sinceCheck % 20 !== 0) continue;
      await answered(wire);
    }
    await answered(wire);
  });

  /** What was sent before has been read by then. */
  async function answered(wire: Awaited<ReturnType<typeof attackers.udp>>): Promise<void> {
    const callId = newCallId();
    const before = wire.received.length;
    wire.send(requestText({ callId: `Call-ID: ${callId}` }));
    const answer = await wire.message(before, (text) => text.includes(callId), 'the OPTIONS answer');
    expect(statusOf(answer)).toBe(200);
  }

  function invite(field: string, element: string): Buffer {
    const text = requestText({
      method: 'INVITE',
      uri: bob.address,
      via: `Via: SIP/2.0/UDP 127.0.0.1:5060;branch=${newBranch()};rport`,
      more: [`Contact: <sip:alice@127.0.0.1>`, 'Expires: 60', 'Content-Type: application/sdp'],
      body: 'v=0\r\n',
    });
    const template = field.replaceAll(`bob@${testDomain}`, '\x11').replaceAll(`alice@${testDomain}`, '\x12');
    // Only a lone @ is the element; the ones of addresses were set aside.
    const at = template.includes('@@') ? template.replace('@@', `${'\x13'}@`) : template.replace('@', '\x13');
    const line = at
      .replace('\x13', () => element)
      .replaceAll('\x11', `bob@${testDomain}`)
      .replaceAll('\x12', `alice@${testDomain}`);
    const name = /^([A-Z][A-Za-z-]*): /.exec(field)?.[1];
    const lines = text.split('\r\n');
    const place =
      name === undefined
        ? field.startsWith('@: ')
          ? 1
          : 0
        : lines.findIndex((own) => own.startsWith(`${name}: `));
    lines.splice(place, field.startsWith('@: ') ? 0 : 1, line);
    // A datagram holds no more.
    return Buffer.from(lines.join('\r\n'), 'latin1').subarray(0, 65_000);
  }
});

describe('edge 12: a multipart body', () => {
  const boundary = 'b'.repeat(70);
  const nested = (depth: number): string =>
    depth === 0
      ? 'Content-Type: application/sdp\r\n\r\nv=0\r\n'
      : `Content-Type: multipart/mixed;boundary=${depth}\r\n\r\n--${depth}\r\n${nested(depth - 1)}\r\n--${depth}--\r\n`;
  const bodyOf = (depth: number): string => nested(depth).slice(nested(depth).indexOf('--'));

  it.each<[string, string, string, number]>([
    ['no boundary parameter', 'multipart/mixed', '--x\r\n\r\n--x--', 400],
    ['a boundary that never comes', `multipart/mixed;boundary=${boundary}`, 'nothing', 400],
    ['a boundary of 71 characters', `multipart/mixed;boundary=${boundary}b`, `--${boundary}b--`, 400],
    ['no last boundary', 'multipart/mixed;boundary=x', '--x\r\nContent-Type: a/b\r\n\r\nv=0\r\n', 400],
    ['an unterminated quoted boundary', 'multipart/mixed;boundary="x', '--x\r\n\r\n--x--', 400],
    ['a part whose header is none', 'Multipart/Mixed;boundary=x', '--x\r\nno header\r\n\r\n--x--', 400],
    ['a broken one in it', 'multipart/mixed;boundary=x', `--x\r\n${nested(1).slice(0, -7)}\r\n--x--`, 400],
    ['200 parts within parts', 'multipart/mixed;boundary=200', bodyOf(200), 415],
    ['5,000 empty parts', 'multipart/mixed;boundary=x', `${'--x\r\n\r\n'.repeat(5_000)}--x--`, 415],
  ])('with %s reaches nobody: %4$i', async (_, contentType, body, status) => {
    for (const method of ['INVITE', 'MESSAGE']) {
      const { response } = await alice.ask(method, bob.address, { contentType, body });
      expect([method, response.status]).toEqual([method, status]);
    }
    const wire = await attackers.udp();
    const text = requestText({
      method: 'MESSAGE',
      uri: bob.address,
      more: [`Content-Type: ${contentType}`],
      body,
    });
    const answer = await wire.ask(Buffer.from(text, 'latin1').subarray(0, 65_000));
    expect([status, 400]).toContain(statusOf(answer));
    expect(unexpectedAt(bob)).toEqual([]);
  });

  it.each([
    [
      'two parts',
      'multipart/mixed; boundary="a b"',
      '--a b\r\n\r\none\r\n--a b  \r\nX: y\r\n\r\ntwo\r\n--a b--',
    ],
    [
      'preamble and epilogue',
      'multipart/mixed;boundary=x',
      'hello\r\n--x\r\n\r\n\0\xff\r\n--xy\r\n--x--\r\nbye',
    ],
    ['parts within parts', 'multipart/mixed;boundary=8', bodyOf(8)],
  ])('in order, with %s, arrives byte for byte', async (_, contentType, body) => {
    const headers = [headerField('Content-Type', contentType)];
    const request = alice.build('INVITE', bob.address, { headers });
    alice.send({ ...request, body: Buffer.from(body, 'latin1') });
    const arrived = await bob.incoming('INVITE');
    expect(Buffer.from(arrived.body).toString('latin1')).toBe(body);
    bob.reply(arrived, 486);
    expect((await alice.final(request)).status).toBe(486);
  });
});
