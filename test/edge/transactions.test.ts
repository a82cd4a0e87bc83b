import { setTimeout as elapsed } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  createVia,
  headerField,
  headerValue,
  prependHeader,
  serializeVia,
  withRequestUri,
} from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { establish, exchange, ring } from '../support/sip-call.ts';
import { cancelOf } from '../support/sip-dialog.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';
import { expectAlive } from './support/alive.ts';
import { Attackers } from './support/attackers.ts';
import { newBranch, requestText, statusOf } from './support/request-text.ts';
import { unexpectedAt } from './support/unread.ts';

/** Longer than T1, after which a response to an INVITE would be sent again (RFC 3261 §17.2.1). */
const longerThanT1Ms = 700;
const pbxHost = '127.0.0.2';

let gateway: TestGateway;
let pbx: SipPeer;
let desk: SipAgent;
let alice: SipAgent;
let bob: SipAgent;
const attackers = new Attackers(() => gateway);

beforeAll(async () => {
  pbx = await SipPeer.open({ host: pbxHost, transports: ['udp', 'tcp'] });
  gateway = await TestGateway.open({
    devices: [{ name: 'desk', password: 'pw' }],
    set: [
      `peers=[{name: pbx, match: [${pbxHost}], target: "udp://${pbxHost}:${pbx.port}", role: pbx, probe: {intervalMs: 0}}]`,
    ],
  });
  desk = await gateway.stockPhone('desk', 'udp');
  alice = await gateway.keyPhone('alice', 'udp');
  bob = await gateway.keyPhone('bob', 'udp');
  for (const phone of [desk, alice, bob]) expect((await phone.register()).status).toBe(200);
});
afterEach(async () => {
  attackers.close();
  await expectAlive(gateway);
});
afterAll(async () => {
  await gateway.close();
  await pbx.close();
});

describe('hops', () => {
  it.each(['INVITE', 'MESSAGE', 'OPTIONS', 'NOSUCH'])(
    'edge 20: %s with Max-Forwards 0: 483 (RFC 3261 §16.3)',
    async (method) => {
      const wire = await attackers.udp();
      const text = requestText({ method, uri: bob.address, maxForwards: 'Max-Forwards: 0' });
      expect(statusOf(await wire.ask(text))).toBe(483);
    },
  );

  it.each(['INVITE', 'MESSAGE'])(
    'edge 20: %s that comes back from where it was sent: 482 (RFC 3261 §16.3 step 4)',
    async (method) => {
      const uri = `sip:5550100@${testDomain}`;
      const { request } = await alice.begin(method, uri);
      const there = await pbx.incoming(method);
      const via = createVia({
        transport: 'udp',
        host: pbxHost,
        port: pbx.port,
        branch: newBranch().slice(7),
        rport: true,
      });
      // The PBX thinks that the number is ours.
      pbx.sendUdp(
        prependHeader(withRequestUri(there, uri), headerField('Via', serializeVia(via))),
        gateway.port('udp'),
      );
      expect((await pbx.response(482)).callId).toBe(request.callId);
      pbx.reply(there, 482);
      expect((await alice.final(request)).status).toBe(482);
    },
  );
});

describe('where an answer goes', () => {
  it.each([
    ['sent-by', (port: number) => `127.0.0.1:${port};branch=${newBranch()};rport`],
    ['sent-by, at another address', (port: number) => `127.0.0.3:${port};branch=${newBranch()}`],
    ['maddr', (port: number) => `127.0.0.1:${port};branch=${newBranch()};rport;maddr=127.0.0.3`],
    [
      'received and rport',
      (port: number) => `127.0.0.1;branch=${newBranch()};received=127.0.0.3;rport=${port}`,
    ],
  ])(
    'edge 21: a Via that names a victim by its %s changes nothing (RFC 3261 §18.2.2, RFC 3581 §4)',
    async (what, sentBy) => {
      const victims = [await attackers.udp(), await attackers.udp('127.0.0.3')] as const;
      for (const [at, victim] of victims.entries()) {
        // RFC 3261 §18.2.2: without rport the port is the one of sent-by, on the source's own address.
        if (what.includes('another') && at === 0) continue;
        const wire = await attackers.udp();
        const stream = await attackers.tcp();
        expect(
          statusOf(await wire.ask(requestText({ via: `Via: SIP/2.0/UDP ${sentBy(victim.port)}` }))),
        ).toBe(200);
        expect(
          statusOf(await stream.ask(requestText({ via: `Via: SIP/2.0/TCP ${sentBy(victim.port)}` }))),
        ).toBe(200);
        // What was answered before has arrived before.
        expect(statusOf(await victim.ask(requestText()))).toBe(200);
        expect(victim.received).toHaveLength(1);
      }
    },
  );
});

describe('a stranger’s datagram', () => {
  it.each(['REGISTER', 'INVITE', 'MESSAGE', 'SUBSCRIBE'])(
    'edge 22: %s of a phone’s usual size is challenged once, with at most 1.5 times its bytes',
    async (method) => {
      const wire = await attackers.udp();
      const uri = method === 'REGISTER' ? `sip:${testDomain}` : bob.address;
      const more = [
        'User-Agent: friendly',
        'Contact: <sip:stranger@192.0.2.1:5060>',
        'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS',
        'Supported: path, outbound',
      ];
      const text = requestText({ method, uri, to: `To: <${bob.address}>`, more });
      const challenge = method === 'REGISTER' ? 401 : 407;
      wire.send(text);
      await elapsed(longerThanT1Ms);
      expect(wire.received.map(statusOf).filter((status) => status >= 200)).toEqual([challenge]);
      const bytes = wire.received.join('').length;
      expect(bytes / text.length).toBeLessThanOrEqual(1.5);
    },
  );

  /** The least that is still a request, in compact form. */
  const tiny = (method: string, uri: string, more = ''): string =>
    `${method} ${uri} SIP/2.0\r\nv:SIP/2.0/UDP a;branch=${newBranch()}\r\nf:<sip:a>;tag=1\r\nt:<sip:a>\r\ni:${newBranch()}\r\nCSeq:1 ${method}\r\n${more}\r\n`;

  it.each<[string, () => string]>([
    ['an INVITE', () => tiny('INVITE', bob.address)],
    ['a REGISTER', () => tiny('REGISTER', `sip:${testDomain}`)],
    ['a SUBSCRIBE for reg', () => tiny('SUBSCRIBE', bob.address, 'o:reg\r\nm:<sip:a>\r\n')],
    ['an OPTIONS', () => tiny('OPTIONS', `sip:${testDomain}`)],
    ['a foreign INVITE', () => tiny('INVITE', 'sip:a@b')],
    ['a foreign REGISTER', () => tiny('REGISTER', 'sip:b')],
    ['an INVITE without hops', () => tiny('INVITE', bob.address, 'Max-Forwards:0\r\n')],
    ['an unknown scheme', () => tiny('INVITE', 'a:b')],
    ['a foreign Route', () => tiny('INVITE', bob.address, 'Route:<sip:b;lr>\r\n')],
    ['a required extension', () => tiny('INVITE', bob.address, `Proxy-Require:${'a,'.repeat(50)}b\r\n`)],
    ['a stray dialog', () => tiny('BYE', bob.address).replace('t:<sip:a>', 't:<sip:a>;tag=2')],
    ['a wrong password', () => tiny('INVITE', bob.address, 'Proxy-Authorization:Digest realm="x"\r\n')],
    ['a broken password', () => tiny('INVITE', bob.address, 'Proxy-Authorization:Digest "\r\n')],
    ['a broken token', () => tiny('INVITE', bob.address, 'Intent-Token:x\r\n')],
    ['a broken token to register', () => tiny('REGISTER', `sip:${testDomain}`, 'Intent-Token:x\r\n')],
    ['a broken CSeq', () => tiny('INVITE', bob.address).replace('CSeq:1', 'CSeq:x')],
    ['nothing else', () => 'A b SIP/2.0\r\nv:a\r\nf:b\r\nt:c\r\ni:d\r\nCSeq:e\r\n\r\n'],
  ])('edge 22: %s, as short as it can be, earns at most 1.5 times its bytes, once', async (_, write) => {
    const wire = await attackers.udp();
    const text = write();
    // What a victim would get for it: nothing comes to itself but the answer.
    wire.send(text);
    await elapsed(longerThanT1Ms);
    expect(wire.received.join('').length).toBeLessThanOrEqual(1.5 * text.length);
  });

  it.each(['INVITE', 'BYE'])(
    'edge 22: whatever %s is refused for, over UDP it is refused once and forgotten',
    async (method) => {
      const wire = await attackers.udp();
      wire.send(requestText({ method, uri: 'sip:bob@elsewhere.test' }));
      wire.send(requestText({ method, uri: bob.address, maxForwards: 'Max-Forwards: 0' }));
      wire.send(requestText({ method, uri: bob.address, more: ['Proxy-Require: x'] }));
      wire.send(requestText({ method, uri: bob.address, more: ['Intent-Token: x'] }));
      await elapsed(longerThanT1Ms);
      expect(wire.received.map(statusOf).toSorted((a, b) => a - b)).toEqual([403, 403, 420, 483]);
    },
  );

  it('edge 22: the challenge of a repeated INVITE is not remembered: no state is kept for a stranger', async () => {
    const wire = await attackers.udp();
    const text = requestText({ method: 'INVITE', uri: bob.address });
    const nonces = new Set<string | undefined>();
    for (const _ of [1, 2]) {
      wire.send(text);
      await elapsed(100);
    }
    for (const answer of wire.received)
      if (statusOf(answer) === 407) nonces.add(/nonce="([^"]+)"/.exec(answer)?.[1]);
    expect(nonces.size).toBe(2);
  });
});

describe('what the gateway does not speak', () => {
  it('edge 25: an unknown scheme: 416 (RFC 3261 §8.2.2.1)', async () => {
    for (const uri of ['http://sip.test/', 'nobodyknows:this']) {
      const wire = await attackers.udp();
      const text = requestText({ uri, to: `To: <sip:${testDomain}>` });
      expect(statusOf(await wire.ask(text))).toBe(416);
    }
  });

  it.each(['Require', 'Proxy-Require'])(
    'edge 25: %s of an unknown extension: 420 with Unsupported (RFC 3261 §8.2.2.3)',
    async (name) => {
      const wire = await attackers.udp();
      const answer = await wire.ask(requestText({ more: [`${name}: teleport, nothing`] }));
      expect(statusOf(answer)).toBe(420);
      expect(answer).toMatch(/^Unsupported: teleport, ?nothing\r$/m);
    },
  );

  it('edge 25: a method that the gateway itself does not take: 405 with Allow, or 501', async () => {
    for (const method of ['NOSUCH', 'MESSAGE', 'PUBLISH', 'INFO']) {
      const { response } = await desk.ask(method, `sip:${testDomain}`);
      expect([405, 501]).toContain(response.status);
      if (response.status === 405) expect(headerValue(response, 'allow')).toContain('OPTIONS');
    }
  });
});

describe('requests that belong to others', () => {
  it('edge 27: CANCEL of a ringing call from another source: 481, and the phone rings on', async () => {
    const mallory = await gateway.stranger('mallory', 'udp');
    const { request, invite } = await ring(alice, bob);
    const cancel = cancelOf(request);
    mallory.send(cancel);
    expect((await mallory.final(cancel)).status).toBe(481);
    const stream = await gateway.stranger('mallory', 'tcp');
    stream.send(cancel);
    expect((await stream.final(cancel)).status).toBe(481);
    expect(unexpectedAt(bob)).toEqual([]);
    // The guess does not stand in the way of the caller's own.
    alice.send(cancel);
    expect((await alice.final(cancel)).status).toBe(200);
    bob.reply(await bob.incoming('CANCEL'), 200);
    bob.reply(invite, 487);
    expect((await alice.final(request)).status).toBe(487);
  });

  it('edge 27: a flood of ACKs is met with silence, and reaches nobody', async () => {
    const call = await establish(alice, bob);
    const route = call.callerSide.routes.map((value) => `Route: ${value}`);
    const wire = await attackers.udp();
    for (let at = 0; at < 1_000; at++) {
      const stolen = at % 2 === 0;
      wire.send(
        requestText({
          method: 'ACK',
          uri: stolen ? call.callerSide.target : bob.address,
          from: `From: ${call.callerSide.local}`,
          to: `To: ${call.callerSide.remote}`,
          callId: `Call-ID: ${call.callerSide.callId}`,
          more: stolen ? route : [],
        }),
      );
    }
    expect(statusOf(await wire.ask(requestText()))).toBe(200);
    expect(wire.received).toHaveLength(1);
    await exchange(alice, bob, call.callerSide, 'BYE');
    expect(
      bob.inbox.all.filter((message) => message.kind === 'request' && message.method === 'ACK').length,
    ).toBeLessThan(3);
  });
});
