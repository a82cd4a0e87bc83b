import { execFileSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { closeSync, constants, openSync } from 'node:fs';
import { createServer } from 'node:http';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/base/index.ts';
import { intentRequestOf } from '../../src/intent/index.ts';
import { appendHeaders, headerField, headerValue, type SipRequest, setHeader } from '../../src/sip/index.ts';
import { calleeHash } from '../../src/tokens/index.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { answerTo, registerOf, withToken } from '../support/signed-register.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { establish, exchange } from '../support/sip-call.ts';
import { newIdentity, TestGateway, testDomain } from '../support/test-gateway.ts';
import { expectAlive } from './support/alive.ts';
import { hostileForms, reshaped, smallOrderIdentity } from './support/hostile-tokens.ts';
import { newBranch } from './support/request-text.ts';
import { unexpectedAt } from './support/unread.ts';

let gateway: TestGateway;
let alice: SipAgent;
let bob: SipAgent;
let serial = 0;

beforeAll(async () => {
  gateway = await TestGateway.open({ devices: [{ name: 'desk', password: 'pw' }] });
  alice = await gateway.keyPhone('alice', 'udp');
  bob = await gateway.keyPhone('bob', 'ws');
  for (const phone of [alice, bob]) expect((await phone.register()).status).toBe(200);
});
afterEach(() => expectAlive(gateway));
afterAll(() => gateway.close());

function onNewBranch(request: SipRequest): SipRequest {
  return setHeader(request, 'Via', `SIP/2.0/UDP 127.0.0.1:${alice.localPort};branch=${newBranch()};rport`);
}

function freshPhone(): Promise<SipAgent> {
  return gateway.keyPhone(`token-${++serial}`, 'udp');
}

async function verdict(phone: SipAgent, request: SipRequest): Promise<[number, string, unknown[]]> {
  const { response, faults } = await answerTo(gateway, phone, request);
  return [response.status, response.reason, faults];
}

describe('edge 38: a token is good once, now, and where it is asked for', () => {
  it('the same cti in a new transaction: 403; a retransmission gets the stored response', async () => {
    const phone = await freshPhone();
    const request = registerOf(phone);
    expect((await answerTo(gateway, phone, request)).response.status).toBe(200);
    expect((await answerTo(gateway, phone, request)).response.status).toBe(200);
    const again = setHeader(request, 'Via', `SIP/2.0/UDP 127.0.0.1:9;branch=${newBranch()};rport`);
    expect(await verdict(phone, again)).toEqual([403, 'Intent Token Used Before', ['replay']]);
  });

  it('the token of an INVITE in a second one: 403, and the phone rings once', async () => {
    const invite = alice.build('INVITE', bob.address);
    alice.send(invite);
    bob.reply(await bob.incoming('INVITE'), 486);
    expect((await alice.final(invite)).status).toBe(486);
    expect(await verdict(alice, onNewBranch(invite))).toEqual([403, 'Intent Token Used Before', ['replay']]);
    expect(unexpectedAt(bob)).toEqual([]);
  });

  it.each([
    ['stale', -61],
    ['future', 120],
  ])('a %s date: 403 Stale Date', async (fault, offset) => {
    const phone = await freshPhone();
    const iat = Math.floor(gateway.clock.now() / 1000) + offset;
    const request = withToken(phone, newIdentity(`jis:${phone.user}`), { iat, exp: iat + 120 });
    expect(await verdict(phone, request)).toEqual([403, 'Stale Date', [fault]]);
  });

  it('none at all where a proof is required: 401', async () => {
    const request = registerOf(alice, false);
    const { response } = await answerTo(gateway, alice, request);
    expect(response.status).toBe(401);
    expect(headerValue(response, 'www-authenticate')).toContain('Digest');
  });
});

describe('edge 39: a token that does not fit, 403', () => {
  it('for another audience', async () => {
    const phone = await freshPhone();
    const request = withToken(phone, newIdentity(`jis:${phone.user}`), { audience: 'elsewhere.test' });
    expect(await verdict(phone, request)).toEqual([403, 'Bad Intent Token', ['audience']]);
  });

  it('for another callee', async () => {
    const phone = await freshPhone();
    const salt = systemRandom.bytes(16);
    const callee = { salt, hash: calleeHash(`bob@${testDomain}`, salt) };
    const request = withToken(phone, newIdentity(`jis:${phone.user}`), { callee });
    expect(await verdict(phone, request)).toEqual([403, 'Bad Intent Token', ['callee']]);
    const invite = alice.build('INVITE', bob.address);
    const diverted = { ...invite, uri: `sip:desk@${testDomain}` };
    expect(await verdict(alice, diverted)).toEqual([403, 'Bad Intent Token', ['callee']]);
  });

  it.each([
    ['method', 'method', { method: 'INVITE' }],
    // One digest covers the leg: the log cannot tell which part of it was altered.
    ['Call-ID', 'leg', { callId: 'another-call' }],
    ['CSeq', 'leg', { cseq: 4_711 }],
  ])('for another %s', async (_, fault, change) => {
    const phone = await freshPhone();
    const plain = registerOf(phone, false);
    const request = { ...intentRequestOf(plain), ...change };
    const token =
      headerValue(withToken(phone, newIdentity(`jis:${phone.user}`), { request }), 'intent-token') ?? '';
    const signed = appendHeaders(plain, [headerField('Intent-Token', token)]);
    expect(await verdict(phone, signed)).toEqual([403, 'Bad Intent Token', [fault]]);
  });

  it.each([
    ['alg -8', 'alg'],
    ['alg in the unprotected header', 'alg'],
    ['a duplicate key', 'duplicate-key'],
    ['an integer that is not the shortest', 'cbor-not-canonical'],
  ])('with %s, rightly signed: %s', async (form, fault) => {
    const phone = await freshPhone();
    const identity = newIdentity(`jis:${phone.user}`);
    const request = withToken(phone, identity);
    const change = hostileForms[form] ?? ((parts) => parts);
    const value = reshaped(headerValue(request, 'intent-token') ?? '', identity.key, change);
    expect(await verdict(phone, setHeader(request, 'Intent-Token', value))).toEqual([
      403,
      'Bad Intent Token',
      [fault],
    ]);
    // The same way of making it, with nothing changed, is accepted: it was the form that was refused.
    const sound = withToken(phone, identity);
    const same = reshaped(headerValue(sound, 'intent-token') ?? '', identity.key, (parts) => parts);
    expect((await answerTo(gateway, phone, setHeader(sound, 'Intent-Token', same))).response.status).toBe(
      200,
    );
  });

  it('by a key of small order', async () => {
    const phone = await freshPhone();
    const forger = smallOrderIdentity(newIdentity(`jis:${phone.user}`).token);
    expect(await verdict(phone, withToken(phone, forger))).toEqual([
      403,
      'Bad Intent Token',
      ['key-invalid'],
    ]);
  });
});

describe('edge 38 and 39: within a dialog', () => {
  it('a token that does not fit is refused, on the flow of the dialog too, and the call lives', async () => {
    const call = await establish(alice, bob);
    const plain = alice.build('INFO', call.callerSide.target, { signed: false });
    const foreign = headerValue(alice.sign(plain), 'intent-token') ?? '';
    for (const value of [foreign, 'x', headerValue(call.invite, 'intent-token') ?? '']) {
      const headers = [headerField('Intent-Token', value)];
      const info = alice.inDialog(call.callerSide, 'INFO', { signed: false, headers });
      expect((await alice.final(info)).status).toBe(403);
    }
    expect(unexpectedAt(bob)).toEqual([]);
    const { arrived } = await exchange(alice, bob, call.callerSide, 'INFO');
    expect(headerValue(arrived, 'intent-token')).toBeDefined();
    await exchange(alice, bob, call.callerSide, 'BYE');
  });

  it('no other identity’s token goes along on a party’s flow', async () => {
    const other = newIdentity('jis:other-line');
    const lines = await gateway.keyPhone('line', 'tcp');
    expect((await lines.register()).status).toBe(200);
    expect((await lines.registerLine('other-line', other)).status).toBe(200);
    const call = await establish(lines, bob);
    const stranger = await gateway.keyPhone('other-line', 'tcp', { identity: other });
    const info = lines.build('INFO', call.callerSide.target, {
      signed: false,
      from: call.callerSide.local,
      to: call.callerSide.remote,
      callId: call.callerSide.callId,
      cseq: 4_711,
      headers: call.callerSide.routes.map((route) => headerField('Route', route)),
    });
    const signed = stranger.sign(info);
    lines.send(signed);
    expect((await lines.final(signed)).status).toBe(403);
    await exchange(lines, bob, call.callerSide, 'BYE');
  });

  it('an ACK, which nobody can refuse, arrives without its token', async () => {
    const call = await establish(alice, bob);
    const acks = bob.inbox.all.filter((message) => message.kind === 'request' && message.method === 'ACK');
    expect(acks.length).toBeGreaterThan(0);
    for (const ack of acks) expect(headerValue(ack, 'intent-token')).toBeUndefined();
    await exchange(alice, bob, call.callerSide, 'BYE');
  });
});

describe('edge 40: the info URL of an Identity header', () => {
  const connecting = 'net.client.socket';
  const outgoing: unknown[] = [];
  const note = (message: unknown): void => void outgoing.push(message);
  const scratch = dataDirectory();
  const fifo = join(scratch.path, 'fifo');
  let hits = 0;
  const tarpit = createServer(() => {
    hits += 1;
  });
  let port = 0;

  beforeAll(async () => {
    execFileSync('mkfifo', [fifo]);
    await new Promise<void>((resolve) => tarpit.listen(0, '127.0.0.1', resolve));
    const address = tarpit.address();
    port = typeof address === 'object' && address !== null ? address.port : 0;
  });
  afterAll(() => {
    tarpit.close();
    scratch.remove();
  });

  it('is fetched from nowhere: no connection is opened and no file is read, and the call goes on', async () => {
    const urls = [
      'http://169.254.169.254/latest/meta-data/',
      `http://127.0.0.1:${port}/cert.pem`,
      `https://localhost:${port}/cert.pem`,
      `file://${fifo}`,
    ];
    outgoing.length = 0;
    subscribe(connecting, note);
    try {
      for (const url of urls) {
        const value = `eyJhbGciOiJFUzI1NiJ9.e30.c2ln;info=<${url}>;alg=ES256;ppt="shaken"`;
        const invite = alice.build('INVITE', bob.address, { headers: [headerField('Identity', value)] });
        alice.send(invite);
        const arrived = await bob.incoming('INVITE');
        bob.reply(arrived, 486);
        expect((await alice.final(invite)).status).toBe(486);
      }
    } finally {
      unsubscribe(connecting, note);
    }
    expect(outgoing).toHaveLength(0);
    expect(hits).toBe(0);
    // ENXIO: nobody has the pipe open for reading.
    expect(() => closeSync(openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK))).toThrow(/ENXIO/);
  });

  it('and the watch for connections sees one', () => {
    outgoing.length = 0;
    subscribe(connecting, note);
    const socket = new Socket().on('error', () => {});
    socket.connect(port, '127.0.0.1').destroy();
    unsubscribe(connecting, note);
    expect(outgoing.length).toBeGreaterThan(0);
  });
});
