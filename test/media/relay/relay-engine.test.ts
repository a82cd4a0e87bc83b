import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger, systemClock } from '../../../src/base/index.ts';
import {
  defaultRelayLimits,
  type MediaParty,
  type MediaPeer,
  parseSdp,
  RelayEngine,
  type RelayEngineOptions,
  type RelayLimits,
  startRelayWorker,
} from '../../../src/media/index.ts';
import { until } from '../../support/until.ts';
import { RtpPhone, rtcpPacket, rtpPacket } from '../support/rtp-phone.ts';

const local: MediaPeer = { observed: '127.0.0.1', local: '127.0.0.1', transport: 'udp', trusted: false };
const ports = { first: 21_000, last: 21_999 };
const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Opened {
  readonly engine: RelayEngine;
  readonly silent: string[];
  readonly lost: string[];
  readonly workers: Worker[];
}

async function open(
  more: Partial<RelayEngineOptions> & { readonly limited?: Partial<RelayLimits> } = {},
): Promise<Opened> {
  const { limited, ...options } = more;
  const opened = { silent: [] as string[], lost: [] as string[], workers: [] as Worker[] };
  const engine = new RelayEngine({
    listen: [],
    address: [],
    ports,
    learnFrom: 'network',
    limits: { ...defaultRelayLimits, ...limited },
    clock: systemClock,
    logger: silentLogger,
    startWorker: (settings) => {
      const worker = startRelayWorker(settings);
      opened.workers.push(worker);
      return worker;
    },
    ...options,
  });
  closers.push(() => engine.close());
  await engine.start({
    onSilent: (session) => opened.silent.push(session),
    onLost: (sessions) => opened.lost.push(...sessions),
  });
  return { engine, ...opened };
}

async function phone(address?: string): Promise<RtpPhone> {
  const opened = await RtpPhone.open(address);
  closers.push(() => opened.close());
  return opened;
}

function sdpOf(address: string, port: number, ...more: string[]): Buffer {
  const family = address.includes(':') ? 'IP6' : 'IP4';
  return Buffer.from(
    [
      'v=0',
      `o=- 1 1 IN ${family} ${address}`,
      's=-',
      `c=IN ${family} ${address}`,
      't=0 0',
      `m=audio ${port} RTP/AVP 0`,
      ...more,
      '',
    ].join('\r\n'),
  );
}

interface Told {
  readonly port: number;
  readonly address: string;
  readonly text: string;
}

/** What the receiver of a description was told. */
async function exchange(
  engine: RelayEngine,
  kind: 'offer' | 'answer',
  from: MediaParty,
  sdp: Uint8Array,
  more: { readonly session?: string; readonly sender?: MediaPeer; readonly receiver?: MediaPeer } = {},
): Promise<Told> {
  const { session = 's1', sender = local, receiver = local } = more;
  const result = await engine[kind]({ session, calleeTag: 'b', from, sdp, sender, receiver });
  if (result.kind === 'refused') throw new Error(`refused: ${result.fault} ${result.reason}`);
  const description = parseSdp(result.sdp);
  const section = description.media[0];
  return {
    port: section?.port ?? 0,
    address: (section?.connection ?? description.connection)?.address ?? '',
    text: Buffer.from(result.sdp).toString('latin1'),
  };
}

/** A call between two phones on this machine that hear each other. */
async function call(
  engine: RelayEngine,
): Promise<{ alice: RtpPhone; bob: RtpPhone; toAlice: Told; toBob: Told }> {
  const [alice, bob] = [await phone(), await phone()];
  const toBob = await exchange(engine, 'offer', 'caller', sdpOf('127.0.0.1', alice.port));
  const toAlice = await exchange(engine, 'answer', 'callee', sdpOf('127.0.0.1', bob.port));
  return { alice, bob, toAlice, toBob };
}

/** Both speak until both have heard, and the sources are learned. */
async function talk({ alice, bob, toAlice, toBob }: Awaited<ReturnType<typeof call>>): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const speak = (): void => {
      alice.say(`alice ${i}`, toAlice.port);
      bob.say(`bob ${i}`, toBob.port);
    };
    await bob.hears(`alice ${i}`, speak);
    await alice.hears(`bob ${i}`, speak);
  }
}

describe('the built-in relay', () => {
  let opened: Opened;
  beforeEach(async () => {
    opened = await open();
  });

  test('carries RTP and RTCP both ways, each party by one pair of ports (RFC 3550 §11)', async () => {
    const { engine } = opened;
    const up = await call(engine);
    const { alice, bob, toAlice, toBob } = up;
    expect(toBob.port % 2).toBe(0);
    expect(toBob.port).not.toBe(toAlice.port);
    await talk(up);
    expect(bob.heard[0]?.from.port).toBe(toBob.port);
    const [aliceRtcp, bobRtcp] = [await phone(), await phone()];
    await until('RTCP at both ends', () => {
      aliceRtcp.send(rtcpPacket(alice.ssrc), toAlice.port + 1);
      bobRtcp.send(rtcpPacket(bob.ssrc), toBob.port + 1);
      return bobRtcp.heard.length > 0 && aliceRtcp.heard.length > 0;
    });
    expect(alice.texts.some((text) => text.includes('bob 4'))).toBe(true);
  });

  test('answers media of a phone behind a NAT where it comes from, whatever its description says', async () => {
    const { engine } = opened;
    const [alice, bob] = [await phone(), await phone()];
    const toBob = await exchange(engine, 'offer', 'caller', sdpOf('10.1.2.3', 4_000));
    const toAlice = await exchange(engine, 'answer', 'callee', sdpOf('10.9.9.9', 4_000));
    await talk({ alice, bob, toAlice, toBob });
  });

  test('counts what each party sent: packets, loss by sequence numbers, jitter (RFC 3550 §6.4.1, §A.8)', async () => {
    const { engine } = opened;
    const { alice, bob, toAlice, toBob } = await call(engine);
    for (let i = 0; i < 10; i++) alice.say(`${i}`, toAlice.port, undefined, i === 5 ? 2 : 0);
    await bob.hears('9');
    bob.say('x', toBob.port);
    await alice.hears('x');
    const report = await engine.release('s1');
    expect(report?.streams).toMatchObject([
      { index: 0, kind: 'audio', from: 'caller', packets: 10, lost: 2, moves: 0 },
      { index: 0, kind: 'audio', from: 'callee', packets: 1, lost: 0 },
    ]);
    expect(report?.streams[0]?.jitterMs).toBeGreaterThan(0);
    expect(report?.streams[0]?.bytes).toBe(130);
  });

  test('gives nothing to who sprays its ports, and holds on to the sources that it learned (CVE-2025-53399)', async () => {
    const { engine } = opened;
    const up = await call(engine);
    await talk(up);
    const { alice, bob, toAlice, toBob } = up;
    const sprayers = [await phone('127.0.0.1'), await phone('127.0.0.2')];
    for (const sprayer of sprayers)
      for (let i = 0; i < 50; i++)
        for (const { port } of [toAlice, toBob]) {
          sprayer.send(rtpPacket('spray', i, i * 160, 7), port, '127.0.0.1');
          sprayer.send(rtcpPacket(7), port + 1, '127.0.0.1');
          sprayer.send(Buffer.from('spray'), port, '127.0.0.1');
        }
    await bob.hears('still alice', () => alice.say('still alice', toAlice.port));
    await alice.hears('still bob', () => bob.say('still bob', toBob.port));
    expect([...alice.texts, ...bob.texts].filter((text) => text.includes('spray'))).toEqual([]);
    expect(sprayers.flatMap(({ heard }) => heard)).toEqual([]);
    const report = await engine.release('s1');
    expect(report?.streams.map(({ moves }) => moves)).toEqual([0, 0]);
    expect(report?.streams[0]?.dropped).toBeGreaterThanOrEqual(200);
  });

  test('lets a source move only after the party has spoken again (re-INVITE, UPDATE)', async () => {
    const { engine } = opened;
    const up = await call(engine);
    await talk(up);
    const { bob, toAlice } = up;
    const elsewhere = await phone();
    for (let i = 0; i < 20; i++) elsewhere.say('too early', toAlice.port);
    await bob.hears('and alice', () => up.alice.say('and alice', toAlice.port));
    expect(bob.texts.some((text) => text.includes('too early'))).toBe(false);

    const again = await exchange(engine, 'offer', 'caller', sdpOf('127.0.0.1', elsewhere.port));
    expect(again.port).toBe(up.toBob.port);
    await exchange(engine, 'answer', 'callee', sdpOf('127.0.0.1', bob.port));
    await bob.hears('moved', () => elsewhere.say('moved', toAlice.port));
    await elsewhere.hears('to the new place', () => bob.say('to the new place', up.toBob.port));
    const report = await engine.query('s1');
    expect(report?.streams[0]?.moves).toBe(1);
  });

  test('calls outlive the end of its thread: same ports, same sources', async () => {
    const { engine, workers, lost } = opened;
    const up = await call(engine);
    await talk(up);
    await workers[0]?.terminate();
    const { alice, bob, toAlice, toBob } = up;
    const stranger = await phone('127.0.0.2');
    await bob.hears('after', () => {
      stranger.say('stranger', toAlice.port, '127.0.0.1');
      alice.say('after', toAlice.port);
    });
    await alice.hears('after', () => bob.say('after', toBob.port));
    expect(bob.texts.some((text) => text.includes('stranger'))).toBe(false);
    expect(workers).toHaveLength(2);
    expect(lost).toEqual([]);
  });

  test('says so while it is not running, and runs again by itself', async () => {
    const { engine, workers } = opened;
    expect(engine.check(sdpOf('127.0.0.1', 4_000), local)).toBeUndefined();
    await workers[0]?.terminate();
    await until('the end of the thread', () => !engine.health.up);
    expect(engine.check(sdpOf('127.0.0.1', 4_000), local)).toMatchObject({ fault: 'unavailable' });
    await until('a new thread', () => engine.health.up);
    await talk(await call(engine));
  });
});

describe('the relay and its limits', () => {
  test('has no port left for one call more, and some again after a call ended', async () => {
    const { engine } = await open({ ports: { first: 22_000, last: 22_003 } });
    await call(engine);
    const sdp = sdpOf('127.0.0.1', 4_000);
    const another = {
      session: 's2',
      calleeTag: 'b',
      from: 'caller' as const,
      sdp,
      sender: local,
      receiver: local,
    };
    expect(await engine.offer(another)).toMatchObject({ kind: 'refused', fault: 'exhausted' });
    await engine.release('s2');
    await engine.release('s1');
    expect(await engine.offer({ ...another, session: 's3' })).toMatchObject({ kind: 'anchored' });
  });

  test('ends a session in which nothing comes, a held one later', async () => {
    const limited = { silenceMs: 100, holdMs: 60_000, sweepIntervalMs: 20 };
    const { engine, silent } = await open({ limited });
    await call(engine);
    const sdp = sdpOf('127.0.0.1', 4_000, 'a=sendonly');
    await exchange(engine, 'offer', 'caller', sdp, { session: 'held' });
    await exchange(engine, 'answer', 'callee', sdpOf('127.0.0.1', 4_000, 'a=recvonly'), { session: 'held' });
    await until('silence', () => silent.length > 0);
    expect(silent).toEqual(['s1']);
    expect(await engine.query('held')).toBeDefined();
    expect(await engine.query('s1')).toBeUndefined();
  });

  test('joins a phone that speaks IPv6 to one that speaks IPv4', async () => {
    const { engine } = await open();
    const ipv6: MediaPeer = { ...local, observed: '::1', local: '::1' };
    const [alice, bob] = [await phone('::1'), await phone()];
    const toBob = await exchange(engine, 'offer', 'caller', sdpOf('::1', alice.port), { sender: ipv6 });
    const toAlice = await exchange(engine, 'answer', 'callee', sdpOf('127.0.0.1', bob.port), {
      receiver: ipv6,
    });
    expect(toAlice.text).toContain('c=IN IP6 ::1\r\n');
    expect(toBob.text).toContain('c=IN IP4 127.0.0.1\r\n');
    await talk({ alice, bob, toAlice, toBob });
  });

  test('does not start at an address that is none of this machine', async () => {
    await expect(open({ listen: ['192.0.2.77'] })).rejects.toThrow('192.0.2.77');
  });

  test('tells phones the address by which it is known outside', async () => {
    const { engine } = await open({ address: ['203.0.113.7'] });
    const { address } = await exchange(engine, 'offer', 'caller', sdpOf('127.0.0.1', 4_000));
    expect(address).toBe('203.0.113.7');
  });

  test.each([
    ['multicast', '224.1.1.1/127', '192.0.2.1'],
    ['loopback', '127.0.0.1', '192.0.2.1'],
    ['link-local', '169.254.7.7', '192.0.2.1'],
    ['IPv6 loopback', '::1', '2001:db8::1'],
    ['IPv6 link-local', 'fe80::1', '2001:db8::1'],
    ['IPv6 multicast', 'ff0e::1', '2001:db8::1'],
    ['IPv4 loopback in IPv6', '::ffff:127.0.0.1', '2001:db8::1'],
  ])('refuses a %s address', async (_, address, observed) => {
    const { engine } = await open();
    expect(engine.check(sdpOf(address, 4_000), { ...local, observed })).toMatchObject({
      fault: 'unacceptable',
    });
  });
});
