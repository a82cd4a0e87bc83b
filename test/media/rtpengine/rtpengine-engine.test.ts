import { setTimeout } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { silentLogger, systemClock, systemRandom } from '../../../src/base/index.ts';
import {
  defaultRtpengineLimits,
  defaultSdpLimits,
  type MediaParty,
  type MediaPeer,
  type MediaRefusal,
  type MediaReport,
  parseSdp,
  RtpengineEngine,
  type RtpengineEngineOptions,
  type RtpengineLimits,
} from '../../../src/media/index.ts';
import { sdpFor, talk } from '../../support/media-call.ts';
import {
  type Rtpengine,
  type RtpengineOptions,
  rtpengineInstalled,
  startRtpengine,
} from '../../support/rtpengine.ts';
import { until } from '../../support/until.ts';
import { RtpPhone, rtpPacket } from '../support/rtp-phone.ts';

const phone: MediaPeer = { observed: '127.0.0.1', local: '127.0.0.1', transport: 'udp', trusted: false };
const browser: MediaPeer = { ...phone, transport: 'wss' };
const closers: (() => Promise<void> | void)[] = [];
let firstPort = 24_000;

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function daemon(options: Partial<RtpengineOptions> = {}): Promise<Rtpengine> {
  const ports = [firstPort, firstPort + 99] as const;
  firstPort += 100;
  const started = await startRtpengine({ ports, ...options });
  closers.push(() => started.kill());
  return started;
}

interface Opened {
  readonly engine: RtpengineEngine;
  readonly silent: Map<string, MediaReport>;
  readonly lost: string[];
}

async function open(
  daemons: readonly Pick<Rtpengine, 'port'>[],
  more: Partial<RtpengineEngineOptions> & { readonly limited?: Partial<RtpengineLimits> } = {},
): Promise<Opened> {
  const { limited, ...options } = more;
  const opened = { silent: new Map<string, MediaReport>(), lost: [] as string[] };
  const engine = new RtpengineEngine({
    instances: daemons.map(({ port }) => ({ host: '127.0.0.1', port })),
    flags: [],
    limits: {
      ...defaultRtpengineLimits,
      pingIntervalMs: 100,
      answerTimeoutMs: 300,
      retransmitMs: 50,
      ...limited,
    },
    sdpLimits: defaultSdpLimits,
    silenceMs: 60_000,
    holdMs: 60_000,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    ...options,
  });
  closers.push(() => engine.close());
  await engine.start({
    onSilent: (session, report) => opened.silent.set(session, report),
    onLost: (sessions) => opened.lost.push(...sessions),
  });
  return { engine, ...opened };
}

async function rtpPhone(address?: string): Promise<RtpPhone> {
  const opened = await RtpPhone.open(address);
  closers.push(() => opened.close());
  return opened;
}

interface Told {
  readonly port: number;
  readonly address: string;
  readonly text: string;
}

interface ExchangeOptions {
  readonly session?: string;
  readonly sender?: MediaPeer;
  readonly receiver?: MediaPeer;
}

async function tell(
  engine: RtpengineEngine,
  kind: 'offer' | 'answer',
  from: MediaParty,
  sdp: string,
  { session = 's1', sender = phone, receiver = phone }: ExchangeOptions = {},
): Promise<Told | MediaRefusal> {
  const result = await engine[kind]({
    session,
    calleeTag: 'b',
    from,
    sdp: Buffer.from(sdp),
    sender,
    receiver,
  });
  if (result.kind === 'refused') return result;
  const description = parseSdp(result.sdp);
  const section = description.media[0];
  const address = (section?.connection ?? description.connection)?.address ?? '';
  return { port: section?.port ?? 0, address, text: Buffer.from(result.sdp).toString('latin1') };
}

async function told(...exchange: Parameters<typeof tell>): Promise<Told> {
  const result = await tell(...exchange);
  if ('kind' in result) throw new Error(`refused: ${result.fault} ${result.reason}`);
  return result;
}

interface Call {
  readonly alice: RtpPhone;
  readonly bob: RtpPhone;
  readonly toCaller: Told;
  readonly toCallee: Told;
}

/** Two phones behind NATs: their descriptions name addresses that nobody can reach. */
async function call(engine: RtpengineEngine, session = 's1'): Promise<Call> {
  const [alice, bob] = [await rtpPhone(), await rtpPhone()];
  const toCallee = await told(engine, 'offer', 'caller', natted(alice), { session });
  const toCaller = await told(engine, 'answer', 'callee', natted(bob), { session });
  return { alice, bob, toCaller, toCallee };
}

function natted({ port }: RtpPhone, ...more: string[]): string {
  return sdpFor({ address: '10.0.0.7', port }, ...more);
}

const browserSdp = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0',
  'm=audio 40000 UDP/TLS/RTP/SAVPF 111 0',
  'c=IN IP4 127.0.0.1',
  'a=rtpmap:111 opus/48000/2',
  'a=mid:0',
  'a=rtcp-mux',
  'a=setup:actpass',
  `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => 'AB').join(':')}`,
  'a=ice-ufrag:abcd',
  'a=ice-pwd:0123456789012345678901',
  'a=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host',
  'a=sendrecv',
  '',
].join('\r\n');

describe.skipIf(!rtpengineInstalled)('with Debian’s rtpengine in user space', () => {
  test('phones behind NATs hear each other, the query counts what they said, and the ports are free again', async () => {
    const media = await daemon();
    const { engine } = await open([media]);
    const { alice, bob, ...told } = await call(engine);
    expect(told.toCallee).toMatchObject({ address: '127.0.0.1' });
    expect(told.toCallee.text).not.toContain('10.0.0.7');
    await talk(alice, bob, told);
    expect(await engine.query('s1')).toMatchObject({
      streams: [
        { index: 0, kind: 'audio', from: 'caller', dropped: 0 },
        { index: 0, kind: 'audio', from: 'callee', dropped: 0 },
      ],
    });
    expect(media.mediaPorts()).toBeGreaterThan(0);
    const report = await engine.release('s1');
    for (const { packets, bytes } of report?.streams ?? []) {
      expect(packets).toBeGreaterThanOrEqual(5);
      expect(bytes).toBeGreaterThan(100);
    }
    expect(report?.streams).toHaveLength(2);
    await until('the ports are free', () => media.mediaPorts() === 0);
    expect(engine.health).toMatchObject({ up: true, sessions: 0 });
    expect(await engine.release('s1')).toBeUndefined();
  });

  test('a stranger hears nothing, and is not heard once sources are learned (RTP bleed, CVE-2025-53399)', async () => {
    const { engine } = await open([await daemon()]);
    const [alice, bob, stranger] = [await rtpPhone(), await rtpPhone(), await rtpPhone('127.0.0.2')];
    // Behind NATs that change ports as well.
    const elsewhere = sdpFor({ address: '10.0.0.7', port: 4_000 });
    const toCallee = await told(engine, 'offer', 'caller', elsewhere);
    const toCaller = await told(engine, 'answer', 'callee', elsewhere);
    await talk(alice, bob, { toCaller, toCallee });
    let sequence = 0;
    const spray = async (packets: number, round: string): Promise<void> => {
      for (let i = 0; i < packets; i++) {
        for (const { port } of [toCaller, toCallee])
          stranger.send(rtpPacket(`injected ${round}`, ++sequence, sequence * 160, 7), port, '127.0.0.1');
        if (i % 10 === 0) await talk(alice, bob, { toCaller, toCallee }, `${round} ${i}`);
      }
    };
    await spray(50, 'early');
    // rtpengine learns for three seconds after the answer, by its own clock.
    await setTimeout(4_000);
    await talk(alice, bob, { toCaller, toCallee }, 'settled');
    await spray(50, 'late');
    expect(stranger.heard).toEqual([]);
    expect([...alice.texts, ...bob.texts].filter((text) => text.includes('injected late'))).toEqual([]);
    const { streams = [] } = (await engine.query('s1')) ?? {};
    for (const { dropped } of streams) expect(dropped).toBeGreaterThan(20);
  });

  test('a re-INVITE moves a phone’s media to another port, hold stays hold', async () => {
    const { engine } = await open([await daemon()]);
    const { alice, bob, ...first } = await call(engine);
    await talk(alice, bob, first);
    const held = await told(engine, 'offer', 'callee', natted(bob, 'a=sendonly'));
    expect(held).toMatchObject({ port: first.toCaller.port });
    expect(held.text).toContain('a=sendonly');
    expect((await told(engine, 'answer', 'caller', natted(alice, 'a=recvonly'))).text).toContain(
      'a=recvonly',
    );
    const elsewhere = await rtpPhone();
    const toCallee = await told(engine, 'offer', 'caller', natted(elsewhere));
    const toCaller = await told(engine, 'answer', 'callee', natted(bob));
    await talk(elsewhere, bob, { toCallee, toCaller }, 'moved');
  });

  test('an offer may come with the answer (delayed offer)', async () => {
    const { engine } = await open([await daemon()]);
    const [alice, bob] = [await rtpPhone(), await rtpPhone()];
    const toCaller = await told(engine, 'offer', 'callee', natted(bob));
    const toCallee = await told(engine, 'answer', 'caller', natted(alice));
    await talk(alice, bob, { toCaller, toCallee });
  });

  test('a phone that proves its identity at another address is heard from there', async () => {
    const { engine } = await open([await daemon()]);
    const { alice, bob, ...places } = await call(engine);
    await talk(alice, bob, places);
    const moved = await rtpPhone('127.0.0.3');
    // rtpengine tells one signal from the next by seconds.
    await setTimeout(1_100);
    engine.reauthorize('s1', 'caller', { ...phone, observed: '127.0.0.3' });
    await engine.query('s1');
    const toCaller = { ...places.toCaller, address: '127.0.0.1' };
    await talk(moved, bob, { ...places, toCaller }, 'from elsewhere');
  });

  test('a browser is spoken to in WebRTC, a phone in plain RTP, and none hears of the other’s keys', async () => {
    const { engine } = await open([await daemon()]);
    const toPhone = await told(engine, 'offer', 'caller', browserSdp, { sender: browser });
    expect(toPhone.text).toContain(' RTP/AVP 111 0\r\n');
    expect(toPhone.text).not.toMatch(/a=(fingerprint|ice-|candidate|rtcp-mux|setup|crypto)/);
    const bob = await rtpPhone();
    const toBrowser = await told(engine, 'answer', 'callee', natted(bob), { receiver: browser });
    expect(toBrowser.text).toContain(' UDP/TLS/RTP/SAVPF 0\r\n');
    for (const line of [
      'a=ice-lite',
      'a=rtcp-mux',
      'a=setup:passive',
      'a=ice-ufrag:',
      'a=fingerprint:sha-256 ',
    ])
      expect(toBrowser.text).toContain(line);
    expect(toBrowser.text).not.toContain('a=crypto');
    expect(toBrowser.text.match(/a=candidate:.*/g)).toHaveLength(1);

    const called = await told(engine, 'offer', 'caller', natted(bob), { session: 's2', receiver: browser });
    expect(called.text).toContain(' UDP/TLS/RTP/SAVPF 0\r\n');
    for (const line of ['a=ice-lite', 'a=rtcp-mux', 'a=setup:actpass', 'a=fingerprint:sha-256 '])
      expect(called.text).toContain(line);
    expect(called.text).not.toContain('a=crypto');
  });

  test('descriptions at fault and want of ports have their own refusals', async () => {
    const { engine } = await open([await daemon({ options: ['--max-sessions=1'] })]);
    expect(engine.check(Buffer.from('garbage'), phone)).toMatchObject({ fault: 'unacceptable' });
    const group = sdpFor({ address: '224.2.0.1', port: 4_000 });
    expect(await tell(engine, 'offer', 'caller', group)).toMatchObject({ fault: 'unacceptable' });
    await call(engine);
    const one = sdpFor({ address: '10.0.0.7', port: 4_000 });
    const refused = { kind: 'refused', fault: 'exhausted', reason: 'No Media Ports Left' };
    expect(await tell(engine, 'offer', 'caller', one, { session: 's2' })).toEqual(refused);
  });
});

describe.skipIf(!rtpengineInstalled)('several instances', () => {
  test('share the calls; when one ends its calls are given up, and new ones go to the other', async () => {
    const [one, two] = [await daemon(), await daemon()];
    const { engine, lost } = await open([one, two], { limited: { queryIntervalMs: 50, lostMs: 200 } });
    await call(engine, 's1');
    await call(engine, 's2');
    for (const { mediaPorts } of [one, two]) expect(mediaPorts()).toBeGreaterThan(0);
    await one.kill();
    // At once, though nobody has noticed yet: the instance that is silent is passed over.
    const { alice, bob, ...told } = await call(engine, 's3');
    await talk(alice, bob, told);
    await until('the calls of the one are lost', () => lost.length > 0);
    expect(lost).toEqual(['s1']);
    expect(engine.health).toMatchObject({ up: true, sessions: 2 });
    expect(engine.health.detail).toContain('1 of 2');
  });

  test('a re-INVITE anchors a call anew at another instance when its own is gone', async () => {
    const [one, two] = [await daemon(), await daemon()];
    const { engine } = await open([one, two]);
    const { alice, bob } = await call(engine);
    await one.kill();
    await until('it is noticed', () => engine.health.detail.startsWith('1 of 2'));
    const toCallee = await told(engine, 'offer', 'caller', natted(alice));
    const toCaller = await told(engine, 'answer', 'callee', natted(bob));
    await talk(alice, bob, { toCallee, toCaller }, 'again');
  });

  test('none answers: refused as unavailable, until one is back; what a restarted one has forgotten is lost', async () => {
    const ports = [firstPort, firstPort + 99] as const;
    const media = await daemon();
    const { engine, lost } = await open([media], { limited: { queryIntervalMs: 50 } });
    await call(engine);
    await media.kill();
    const unavailable = { kind: 'refused', fault: 'unavailable', reason: 'Media Server Unavailable' };
    const one = sdpFor({ address: '10.0.0.7', port: 4_000 });
    expect(await tell(engine, 'offer', 'caller', one, { session: 's2' })).toEqual(unavailable);
    expect(engine.check(Buffer.from(one), phone)).toEqual(unavailable);
    expect(lost).toEqual([]);
    await daemon({ ports, controlPort: media.port });
    await until('it is back', () => engine.health.up);
    await until('the call is known to be lost', () => lost.length > 0);
    await call(engine, 's3');
  });

  test('a call in which nobody speaks any more is released, with its counters', async () => {
    const media = await daemon();
    const { engine, silent } = await open([media], { silenceMs: 300, limited: { queryIntervalMs: 50 } });
    const { alice, bob, ...told } = await call(engine);
    await talk(alice, bob, told);
    await until('it is given up', () => silent.size > 0);
    expect(silent.get('s1')?.streams).toHaveLength(2);
    await until('the ports are free', () => media.mediaPorts() === 0);
  });
});
