import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { defaultMessageLimits, headerValue } from '../../src/sip/index.ts';
import { checkAtCallee } from '../support/intent-at-callee.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { newIdentity, TestGateway, testDomain } from '../support/test-gateway.ts';
import { expectAlive } from './support/alive.ts';
import { Attackers } from './support/attackers.ts';
import { requestText, statusOf } from './support/request-text.ts';

let gateway: TestGateway;
const bobIdentity = newIdentity('jis:bob');
let bob: SipAgent;
let alice: SipAgent;
const attackers = new Attackers(() => gateway);

beforeAll(async () => {
  gateway = await TestGateway.open();
  bob = await gateway.keyPhone('bob', 'ws', { identity: bobIdentity });
  alice = await gateway.keyPhone('alice', 'tcp');
  for (const phone of [alice, bob]) expect((await phone.register()).status).toBe(200);
});
afterEach(async () => {
  attackers.close();
  await expectAlive(gateway);
});
afterAll(() => gateway.close());

/** The whole conversation of a new TCP connection on which `text` is sent, and which the gateway must end. */
async function streamEndedBy(text: string): Promise<string> {
  const wire = await attackers.tcp();
  wire.send(text);
  return wire.untilClosed();
}

/** What a datagram is answered with. */
async function answerTo(text: string): Promise<string> {
  return (await attackers.udp()).ask(text);
}

describe('header fields', () => {
  it('edge 1: a blank before the colon belongs to no name (RFC 3261 §7.3.1)', async () => {
    const body = 'hello';
    const text = requestText({
      method: 'MESSAGE',
      uri: bob.address,
      from: `From: <${alice.address}>;tag=1`,
      more: ['X-Foo : bar', 'Content-Type \t: text/plain'],
      contentLength: `Content-Length : ${body.length}`,
      body,
    });
    // Twice, since a wrong length would only show in the next message.
    for (const _ of [1, 2]) {
      alice.sendText(
        text.replace(/branch=\w+/, `branch=z9hG4bKedge1${_}`).replace(/Call-ID: \w+/, `Call-ID: one${_}`),
      );
      const arrived = await bob.incoming('MESSAGE');
      expect(headerValue(arrived, 'x-foo')).toBe('bar');
      expect(headerValue(arrived, 'content-type')).toBe('text/plain');
      expect(Buffer.from(arrived.body).toString()).toBe(body);
      bob.reply(arrived, 200);
    }
  });

  it.each([
    ['NUL', 'X-F\0oo: bar'],
    ['a control byte', 'X-F\x01oo: bar'],
    ['DEL', 'X-F\x7foo: bar'],
    ['a byte above 127', 'X-F\xe9oo: bar'],
  ])('edge 2: %s in a name is answered with 400 and ends the stream', async (_, line) => {
    expect(statusOf(await answerTo(requestText({ more: [line] })))).toBe(400);
    expect(statusOf(await streamEndedBy(requestText({ more: [line] })))).toBe(400);
  });

  it.each([
    ['a bare LF', requestText().replace('Max-Forwards: 70\r\n', 'Max-Forwards: 70\n')],
    ['a bare CR', requestText().replace('Max-Forwards: 70\r\n', 'Max-Forwards: 70\r')],
    ['a second From', requestText({ more: [`From: <sip:other@${testDomain}>;tag=2`] })],
    ['a second To, in its compact form', requestText({ more: [`t: <sip:other@${testDomain}>`] })],
    ['a second Call-ID', requestText({ more: ['Call-ID: other'] })],
    ['a second CSeq', requestText({ more: ['CSeq: 1 OPTIONS'] })],
  ])('edge 16: %s is answered with 400', async (_, text) => {
    expect(statusOf(await answerTo(text))).toBe(400);
    expect(statusOf(await streamEndedBy(text))).toBe(400);
  });

  it('edge 16: a folded field has one value for routing, signing and the log (RFC 3261 §7.3.1)', async () => {
    const caller = await gateway.keyPhone('folder', 'udp');
    expect((await caller.register()).status).toBe(200);
    const subject = 'quarterly review';
    const request = caller.build('INVITE', bob.address, { intent: subject });
    const { tag } = request.from;
    const text = Buffer.from(rawOf(request.headers, request.method, request.uri)).toString('latin1');
    caller.sendText(
      text
        .replace(/^From: .*$/m, `From:\r\n \t<${caller.address}>\r\n ;tag=${tag}`)
        .replace(/^To: .*$/m, `To: "Bob"\r\n\t<${bob.address}>`)
        .replace(/^Call-ID: /m, 'Call-ID:\r\n '),
    );
    const arrived = await bob.incoming('INVITE');
    expect(headerValue(arrived, 'from')).toBe(`<${caller.address}> ;tag=${tag}`);
    expect(arrived.callId).toBe(request.callId);
    expect(checkAtCallee(arrived, bobIdentity.token.fingerprint)).toBeUndefined();
    bob.reply(arrived, 486);
    expect((await caller.final(request)).status).toBe(486);
    const [attempt] = await gateway.records({ callId: request.callId });
    expect(attempt?.erin).toMatchObject({ from: caller.address, to: bob.address, callId: request.callId });
    expect(attempt?.erachter).toBe(subject);
  });
});

describe('lengths', () => {
  it.each([
    ['edge 3: one beyond 32 bits', ['Content-Length: 4294967328']],
    ['edge 4: two that differ', ['Content-Length: 0', 'Content-Length: 32']],
    ['edge 4: two that differ, one in its compact form', ['l: 32', 'Content-Length: 0']],
    ['edge 5: a negative one', ['Content-Length: -1']],
    ['edge 5: one with a plus sign', ['Content-Length: +5']],
    ['edge 5: a hexadecimal one', ['Content-Length: 0x10']],
  ])('%s: 400, and the stream is closed', async (_, [first = '', ...more]) => {
    const text = requestText({ contentLength: [first, ...more].join('\r\n') });
    expect(statusOf(await answerTo(text))).toBe(400);
    expect(statusOf(await streamEndedBy(text))).toBe(400);
  });

  it('edge 6: a datagram shorter than its Content-Length is answered with 400 (RFC 3261 §18.3)', async () => {
    expect(statusOf(await answerTo(requestText({ contentLength: 'Content-Length: 6', body: 'hello' })))).toBe(
      400,
    );
  });

  it('edge 6: what follows the body in a datagram is ignored', async () => {
    const wire = await attackers.udp();
    const hidden = requestText({ method: 'MESSAGE', uri: bob.address });
    expect(statusOf(await wire.ask(requestText({ contentLength: 'Content-Length: 0', body: hidden })))).toBe(
      200,
    );
    expect(statusOf(await wire.ask(requestText()))).toBe(200);
    expect(wire.received).toHaveLength(2);
  });

  it('edge 7: an announced length over the cap is answered with 513, and the stream is closed', async () => {
    const contentLength = `Content-Length: ${defaultMessageLimits.maxMessageBytes}`;
    expect(statusOf(await streamEndedBy(requestText({ contentLength })))).toBe(513);
  });

  it.each([
    [
      'too many header fields',
      Array.from({ length: defaultMessageLimits.maxHeaderCount }, (_, at) => `X-${at}: 1`),
    ],
    ['a header section over its cap', Array.from({ length: 5 }, (_, at) => `X-${at}: ${'a'.repeat(8_000)}`)],
  ])('edge 7: %s: 513, and the stream is closed', async (_, more) => {
    expect(statusOf(await streamEndedBy(requestText({ more })))).toBe(513);
  });

  it('edge 7: a header section without an end ends the stream', async () => {
    const wire = await attackers.tcp();
    wire.send(`${requestText().trimEnd()}\r\nX-Endless: `);
    wire.send('a'.repeat(defaultMessageLimits.maxHeaderBytes));
    await wire.untilClosed();
  });

  it.each([
    ['a CSeq of 2^31', { cseq: 'CSeq: 2147483648 OPTIONS' }],
    ['a CSeq of another method', { cseq: 'CSeq: 1 INVITE' }],
  ])('edge 10: %s: 400 (RFC 3261 §8.1.1.5)', async (_, parts) => {
    expect(statusOf(await answerTo(requestText(parts)))).toBe(400);
    expect(statusOf(await streamEndedBy(requestText(parts)))).toBe(400);
  });

  const long = 'a'.repeat(10_000);
  it.each([
    ['From tag', { from: `From: <sip:a@${testDomain}>;tag=${long}` }],
    ['To tag', { to: `To: <sip:${testDomain}>;tag=${long}` }],
    ['branch', { via: `Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK${long};rport` }],
  ])('edge 11: a %s of 10 kB: 400', async (_, parts) => {
    expect(statusOf(await answerTo(requestText(parts)))).toBe(400);
    expect(statusOf(await streamEndedBy(requestText(parts)))).toBe(400);
  });
});

function rawOf(
  headers: readonly { readonly rawName: string; readonly value: string }[],
  method: string,
  uri: string,
): Uint8Array {
  const lines = headers.map(({ rawName, value }) => `${rawName}: ${value}`);
  return Buffer.from(
    `${method} ${uri} SIP/2.0\r\n${lines.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`,
    'latin1',
  );
}
