import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RtpPhone } from '../media/support/rtp-phone.ts';
import { checkAtCallee } from '../support/intent-at-callee.ts';
import { callWithMedia, sdpFor, sdpType, type Talker, talk, textOf } from '../support/media-call.ts';
import { type Rtpengine, rtpengineInstalled, startRtpengine } from '../support/rtpengine.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { exchange } from '../support/sip-call.ts';
import { newIdentity, TestGateway } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';

const ports = [23_000, 23_099] as const;
const bobIdentity = newIdentity('jis:bob');
let media: Rtpengine;
let gateway: TestGateway;
let alice: SipAgent;
let bob: SipAgent;
const opened: RtpPhone[] = [];

beforeAll(async () => {
  if (!rtpengineInstalled) return;
  media = await startRtpengine({ ports });
  gateway = await TestGateway.open({
    set: [
      'media.mode=rtpengine',
      `media.rtpengine.instances=${media.control}`,
      'limits.rtpengine={pingIntervalMs: 50, answerTimeoutMs: 200, queryIntervalMs: 50, lostMs: 100}',
    ],
  });
  alice = await gateway.keyPhone('alice', 'udp');
  bob = await gateway.keyPhone('bob', 'tcp', { identity: bobIdentity });
  for (const phone of [alice, bob]) expect((await phone.register()).status).toBe(200);
});
afterAll(async () => {
  await gateway?.close();
  await media?.kill();
});
afterEach(() => {
  for (const phone of opened.splice(0)) phone.close();
});

async function talker(agent: SipAgent): Promise<Talker> {
  const phone = await RtpPhone.open();
  opened.push(phone);
  return { agent, media: phone };
}

describe.skipIf(!rtpengineInstalled)('a call through rtpengine', () => {
  test('carries audio both ways; its closing record says what was sent, and its ports are free', async () => {
    const [caller, callee] = [await talker(alice), await talker(bob)];
    const call = await callWithMedia(
      caller,
      callee,
      sdpFor({ address: '10.0.0.7', port: caller.media.port }),
    );
    await talk(caller.media, callee.media, call);
    await exchange(alice, bob, call.callerSide, 'BYE');
    const { media: quality } = await gateway.closingOf(call.invite.callId);
    expect(quality).toEqual([
      {
        from: 'caller',
        stream: 0,
        kind: 'audio',
        packets: expect.any(Number),
        bytes: expect.any(Number),
        dropped: 0,
      },
      {
        from: 'callee',
        stream: 0,
        kind: 'audio',
        packets: expect.any(Number),
        bytes: expect.any(Number),
        dropped: 0,
      },
    ]);
    for (const { packets } of quality as { packets: number }[]) expect(packets).toBeGreaterThanOrEqual(5);
    await until('the ports are free', () => media.mediaPorts() === 0);
  });

  test('frees its ports when the callee declines', async () => {
    const caller = await talker(alice);
    const { request } = await alice.begin('INVITE', bob.address, {
      body: sdpFor(caller.media),
      contentType: sdpType,
    });
    const invite = await bob.incoming('INVITE');
    expect(media.mediaPorts()).toBeGreaterThan(0);
    bob.reply(invite, 486);
    expect((await alice.final(request)).status).toBe(486);
    await until('the ports are free', () => media.mediaPorts() === 0);
  });

  test('that a browser makes binds the keys of its own: checked here, and past rtpengine the only thing not to be checked', async () => {
    const sdp = (byte: string): string =>
      [
        ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'm=audio 40000 UDP/TLS/RTP/SAVPF 0'],
        ...['c=IN IP4 127.0.0.1', 'a=mid:0', 'a=rtcp-mux', 'a=setup:actpass', 'a=ice-ufrag:abcd'],
        ...['a=ice-pwd:0123456789012345678901', 'a=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host'],
        ...[`a=fingerprint:sha-256 ${Array(32).fill(byte).join(':')}`, ''],
      ].join('\r\n');
    const changed = alice.build('INVITE', bob.address, { body: sdp('AA'), contentType: sdpType });
    alice.send({ ...changed, body: Buffer.from(sdp('BB')) });
    expect(await alice.final(changed)).toMatchObject({ status: 403, reason: 'Media Keys Changed' });

    const { request } = await alice.begin('INVITE', bob.address, { body: sdp('AA'), contentType: sdpType });
    const invite = await bob.incoming('INVITE');
    expect(textOf(invite)).toContain(' RTP/AVP 0\r\n');
    expect(checkAtCallee(invite, bobIdentity.token.fingerprint)).toBe('media');
    const asWritten = { ...invite, body: Buffer.from(sdp('AA')) };
    expect(checkAtCallee(asWritten, bobIdentity.token.fingerprint)).toBeUndefined();
    bob.reply(invite, 486);
    expect((await alice.final(request)).status).toBe(486);
  });

  test('is lost with its rtpengine; then calls get 503 and leave a record, until it is back', async () => {
    const [caller, callee] = [await talker(alice), await talker(bob)];
    const call = await callWithMedia(caller, callee);
    await talk(caller.media, callee.media, call);
    await media.kill();
    expect(await gateway.closingOf(call.invite.callId)).toMatchObject({ reason: 'the media relay was lost' });

    const { request } = await alice.begin('INVITE', bob.address, {
      body: sdpFor(caller.media),
      contentType: sdpType,
    });
    const refused = await alice.final(request);
    expect([refused.status, refused.reason]).toEqual([503, 'Media Server Unavailable']);
    const records = await gateway.closedCalls({ callId: request.callId });
    expect(records.map(({ event }) => event)).toEqual(['call.attempt', 'call.failure']);

    media = await startRtpengine({ ports, controlPort: media.port });
    await until('it is noticed', () => gateway.log.at(-1)?.message === 'rtpengine answers');
    await talk(caller.media, callee.media, await callWithMedia(caller, callee));
  });
});
