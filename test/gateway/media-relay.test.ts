import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { headerValue } from '../../src/sip/index.ts';
import { RtpPhone } from '../media/support/rtp-phone.ts';
import { freePort } from '../support/free-port.ts';
import { checkAtCallee, tokenOf } from '../support/intent-at-callee.ts';
import { callWithMedia, placeIn, sdpFor, sdpType, type Talker, talk, textOf } from '../support/media-call.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { exchange } from '../support/sip-call.ts';
import { callerDialog } from '../support/sip-dialog.ts';
import { sipp, udpBound } from '../support/sipp.ts';
import { newIdentity, TestGateway } from '../support/test-gateway.ts';

let gateway: TestGateway;
const bobIdentity = newIdentity('jis:bob');
let alice: SipAgent;
let bob: SipAgent;
const opened: RtpPhone[] = [];

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: [{ name: 'echo', password: 'echo-pw' }],
    set: ['media.mode=relay', 'media.ports=24000-24399'],
  });
  alice = await gateway.keyPhone('alice', 'udp');
  bob = await gateway.keyPhone('bob', 'ws', { identity: bobIdentity });
  for (const phone of [alice, bob]) expect((await phone.register()).status).toBe(200);
});
afterAll(() => gateway.close());
afterEach(() => {
  for (const phone of opened.splice(0)) phone.close();
});

async function mediaAt(address?: string): Promise<RtpPhone> {
  const phone = await RtpPhone.open(address);
  opened.push(phone);
  return phone;
}

async function talkers(): Promise<{ caller: Talker; callee: Talker }> {
  return {
    caller: { agent: alice, media: await mediaAt() },
    callee: { agent: bob, media: await mediaAt() },
  };
}

/** What the closing record of a call says of its media. */
async function qualityOf(callId: string): Promise<readonly Record<string, unknown>[]> {
  const { media } = await gateway.closingOf(callId);
  return media as readonly Record<string, unknown>[];
}

describe('a call through the relay', () => {
  test('carries audio both ways, and its closing record says how it was', async () => {
    const { caller, callee } = await talkers();
    const call = await callWithMedia(caller, callee, sdpFor({ address: '10.0.0.7', port: 4_000 }));
    expect(call.toCallee).toMatchObject({ address: '127.0.0.1' });
    expect(textOf(call.invite)).toContain('o=phone 1 1 IN IP4 10.0.0.7\r\n');
    await talk(caller.media, callee.media, call);
    await exchange(alice, bob, call.callerSide, 'BYE');
    const quality = await qualityOf(call.invite.callId);
    expect(quality).toMatchObject([
      { from: 'caller', kind: 'audio', lost: 0, moves: 0 },
      { from: 'callee', kind: 'audio', lost: 0, moves: 0 },
    ]);
    for (const { packets, bytes } of quality) {
      expect(packets).toBeGreaterThanOrEqual(5);
      expect(bytes).toBeGreaterThan(100);
    }
  });

  test('keeps its ports over hold and resume, and a re-INVITE moves its media to another place', async () => {
    const { caller, callee } = await talkers();
    const call = await callWithMedia(caller, callee);
    await talk(caller.media, callee.media, call);

    const hold = alice.inDialog(call.callerSide, 'INVITE', {
      body: sdpFor(caller.media, 'a=sendonly'),
      contentType: sdpType,
    });
    const held = await bob.incoming('INVITE');
    expect(placeIn(held)).toEqual(call.toCallee);
    expect(textOf(held)).toContain('a=sendonly\r\n');
    bob.reply(held, 200, [], { body: Buffer.from(sdpFor(callee.media, 'a=recvonly')), contentType: sdpType });
    expect(placeIn(await alice.final(hold))).toEqual(call.toCaller);
    alice.inDialog(call.callerSide, 'ACK', { cseq: hold.cseq.number });
    await bob.incoming('ACK');

    const elsewhere = await mediaAt();
    const resume = alice.inDialog(call.callerSide, 'INVITE', {
      body: sdpFor(elsewhere),
      contentType: sdpType,
    });
    const resumed = await bob.incoming('INVITE');
    bob.reply(resumed, 200, [], { body: Buffer.from(sdpFor(callee.media)), contentType: sdpType });
    await alice.final(resume);
    alice.inDialog(call.callerSide, 'ACK', { cseq: resume.cseq.number });
    await bob.incoming('ACK');
    await talk(elsewhere, callee.media, call, 'moved');
    await exchange(bob, alice, call.calleeSide, 'BYE');
    expect(await qualityOf(call.invite.callId)).toMatchObject([
      { from: 'caller', moves: 1 },
      { from: 'callee', moves: 0 },
    ]);
  });

  test('takes an offer that comes with the answer, and an answer that comes with the ACK (delayed offer)', async () => {
    const { caller, callee } = await talkers();
    const { request } = await alice.begin('INVITE', bob.address, {});
    const invite = await bob.incoming('INVITE');
    bob.reply(invite, 200, [], { body: Buffer.from(sdpFor(callee.media)), contentType: sdpType });
    const answer = await alice.final(request);
    const toCaller = placeIn(answer);
    expect(toCaller.port).not.toBe(callee.media.port);
    const dialog = callerDialog(answer);
    alice.inDialog(dialog, 'ACK', { body: sdpFor(caller.media), contentType: sdpType });
    const ack = await bob.incoming('ACK');
    const toCallee = placeIn(ack);
    expect(toCallee.port).not.toBe(caller.media.port);
    // Sent again, as when the 2xx comes again, it is the same.
    alice.inDialog(dialog, 'ACK', { body: sdpFor(caller.media), contentType: sdpType });
    expect(textOf(await bob.incoming('ACK'))).toBe(textOf(ack));
    await talk(caller.media, callee.media, { toCaller, toCallee });
    await exchange(alice, bob, dialog, 'BYE');
  });

  test('answers early media, and the same answer again in the 200 and each time that it comes', async () => {
    const { caller, callee } = await talkers();
    const { request } = await alice.begin('INVITE', bob.address, {
      body: sdpFor(caller.media),
      contentType: sdpType,
    });
    const invite = await bob.incoming('INVITE');
    const body = { body: Buffer.from(sdpFor(callee.media)), contentType: sdpType };
    bob.reply(invite, 183, [], body);
    const early = await alice.provisional(request, 183);
    await talk(caller.media, callee.media, { toCaller: placeIn(early), toCallee: placeIn(invite) });
    bob.reply(invite, 200, [], body);
    const answer = await alice.final(request);
    expect(textOf(answer)).toBe(textOf(early));
    bob.reply(invite, 200, [], body);
    expect(textOf(await alice.final(request))).toBe(textOf(early));
    const dialog = callerDialog(answer);
    alice.inDialog(dialog, 'ACK');
    await exchange(alice, bob, dialog, 'BYE');
  });

  test('changes only the session description of a multipart body (RFC 5621)', async () => {
    const { caller } = await talkers();
    const body = [
      '--edge',
      'Content-Type: application/sdp',
      '',
      `${sdpFor(caller.media)}--edge`,
      'Content-Type: text/plain',
      '',
      `c=IN IP4 ${caller.media.address}`,
      '--edge--',
      '',
    ].join('\r\n');
    const { request } = await alice.begin('INVITE', bob.address, {
      body,
      contentType: 'multipart/mixed; boundary="edge"',
    });
    const invite = await bob.incoming('INVITE');
    expect(textOf(invite)).not.toContain(`m=audio ${caller.media.port}`);
    expect(textOf(invite).replace(/m=audio \d+/, `m=audio ${caller.media.port}`)).toBe(body);
    bob.reply(invite, 486);
    await alice.final(request);
  });

  test('lets no description past the relay for want of a Content-Type', async () => {
    const { caller } = await talkers();
    const { request } = await alice.begin('INVITE', bob.address, { body: sdpFor(caller.media) });
    const invite = await bob.incoming('INVITE');
    expect(headerValue(invite, 'content-type')).toBeUndefined();
    expect(textOf(invite)).not.toContain(`m=audio ${caller.media.port}`);
    bob.reply(invite, 486);
    await alice.final(request);
  });

  test('frees its ports when it fails', async () => {
    const { caller } = await talkers();
    for (let i = 0; i < 250; i++) {
      const { request } = await alice.begin('INVITE', bob.address, {
        body: sdpFor(caller.media),
        contentType: sdpType,
      });
      const invite = await bob.incoming('INVITE');
      bob.reply(invite, 486);
      expect((await alice.final(request)).status).toBe(486);
    }
  });
});

describe('a phone that we did not write', () => {
  test('hears and is heard through the relay: SIPp sends back what it gets', async () => {
    const localPort = await freePort();
    const phone = { user: 'echo', password: 'echo-pw', fingerprint: '' };
    const common = { gatewayPort: gateway.port('udp'), domain: gateway.domain, phone, localPort };
    expect((await sipp({ ...common, scenario: 'uac-register' })).code).toBe(0);
    const echo = sipp({ ...common, scenario: 'uas-answer', echoesMediaAt: await freePort() });
    await udpBound(localPort);
    const media = await mediaAt();
    const { request } = await alice.begin('INVITE', `sip:echo@${gateway.domain}`, {
      body: sdpFor(media),
      contentType: sdpType,
    });
    const answer = await alice.final(request);
    const dialog = callerDialog(answer);
    alice.inDialog(dialog, 'ACK');
    const { port, address } = placeIn(answer);
    await media.hears('is anybody there', () => media.say('is anybody there', port, address));
    expect(media.heard[0]?.from.port).toBe(port);
    await alice.final(alice.inDialog(dialog, 'BYE'));
    expect(await echo).toMatchObject({ code: 0, successful: 1 });
    const [caller, callee] = await qualityOf(request.callId);
    expect(callee?.['packets']).toBeGreaterThan(0);
    expect(caller?.['packets']).toBeGreaterThanOrEqual(Number(callee?.['packets']));
  });
});

describe('keys of media', () => {
  test('reach the callee as the caller signed them (RFC 8122, RFC 4568)', async () => {
    const keys = [
      `a=fingerprint:sha-256 ${Array(32).fill('AB').join(':')}`,
      'a=setup:actpass',
      'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz',
    ];
    const { request } = await alice.begin('INVITE', bob.address, {
      body: sdpFor({ address: '10.0.0.7', port: 4_000 }, ...keys),
      contentType: sdpType,
    });
    const invite = await bob.incoming('INVITE');
    expect(textOf(invite)).not.toBe(textOf(request));
    for (const key of keys) expect(textOf(invite)).toContain(`${key}\r\n`);
    expect(tokenOf(invite).mediaDigest).toBeDefined();
    expect(checkAtCallee(invite, bobIdentity.token.fingerprint)).toBeUndefined();
    bob.reply(invite, 486);
    await alice.final(request);
  });
});

describe('what the relay does not take', () => {
  test.each([
    ['a group', '224.2.0.1'],
    ['one network segment', '169.254.3.4'],
  ])('is refused with 488: an address that means %s (edge test 37)', async (_, address) => {
    const { request } = await alice.begin('INVITE', bob.address, {
      body: sdpFor({ address, port: 4_000 }),
      contentType: sdpType,
    });
    expect((await alice.final(request)).status).toBe(488);
    const records = await gateway.closedCalls({ callId: request.callId });
    expect(records.map(({ event }) => event)).toEqual(['call.attempt', 'call.failure']);
  });

  test('is refused with 488 within a call too, which stays as it was', async () => {
    const { caller, callee } = await talkers();
    const call = await callWithMedia(caller, callee);
    const { status } = await alice.final(
      alice.inDialog(call.callerSide, 'INVITE', {
        body: sdpFor({ address: '239.1.1.1', port: 4_000 }),
        contentType: sdpType,
      }),
    );
    expect(status).toBe(488);
    await talk(caller.media, callee.media, call);
    await exchange(alice, bob, call.callerSide, 'BYE');
  });
});
