import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RtpPhone } from '../media/support/rtp-phone.ts';
import { callWithMedia, sdpFor, sdpType, type Talker, talk } from '../support/media-call.ts';
import { type Rtpengine, rtpengineInstalled, startRtpengine } from '../support/rtpengine.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { exchange } from '../support/sip-call.ts';
import { TestGateway } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';

const ports = [39_000, 39_099] as const;
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
  bob = await gateway.keyPhone('bob', 'tcp');
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

async function closingOf(callId: string): Promise<Readonly<Record<string, unknown>>> {
  let closing: Readonly<Record<string, unknown>> | undefined;
  await until('the closing record', async () => {
    const records = await gateway.records({ callId });
    closing = records.find(({ call }) => call?.phase === 'close')?.erin;
    return closing !== undefined;
  });
  return closing ?? {};
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
    const { media: quality } = await closingOf(call.invite.callId);
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

  test('is lost with its rtpengine; then calls get 503 and leave a record, until it is back', async () => {
    const [caller, callee] = [await talker(alice), await talker(bob)];
    const call = await callWithMedia(caller, callee);
    await talk(caller.media, callee.media, call);
    await media.kill();
    expect(await closingOf(call.invite.callId)).toMatchObject({ reason: 'the media relay was lost' });

    const { request } = await alice.begin('INVITE', bob.address, {
      body: sdpFor(caller.media),
      contentType: sdpType,
    });
    const refused = await alice.final(request);
    expect([refused.status, refused.reason]).toEqual([503, 'Media Server Unavailable']);
    const records = await gateway.records({ callId: request.callId });
    expect(records.map(({ event }) => event)).toEqual(['call.attempt', 'call.failure']);

    media = await startRtpengine({ ports, controlPort: media.port });
    await until('it is noticed', () => gateway.log.at(-1)?.message === 'rtpengine answers');
    await talk(caller.media, callee.media, await callWithMedia(caller, callee));
  });
});
