import { describe, expect, test } from 'vitest';
import { type Evidence, Latch, type LearnFrom, learningPackets } from '../../../src/media/relay/latch.ts';
import { packetKind, packetKinds } from '../../../src/media/relay/packet.ts';
import { rtcpPacket, rtpPacket } from '../support/rtp-phone.ts';

const relearnMs = 10_000;
/** A phone behind a NAT: its description names an address that nobody sees. */
const natted: Evidence = {
  observed: '198.51.100.7',
  signalled: { address: '10.0.0.5', port: 4_000 },
  sendAhead: false,
};
const phone = { address: '198.51.100.7', port: 31_000 };
const neighbour = { address: '198.51.100.7', port: 32_000 };
const pool = { address: '198.51.100.9', port: 33_000 };
const stranger = { address: '203.0.113.66', port: 5_060 };

interface From {
  readonly address: string;
  readonly port: number;
}

class Scene {
  readonly latch: Latch;
  nowMs = 1_000;
  #sequence = 0;

  constructor(evidence: Evidence = natted, learnFrom: LearnFrom = 'network') {
    this.latch = new Latch(learnFrom, relearnMs);
    this.latch.authorize(evidence, this.nowMs);
  }

  /** How many of `count` packets, 20 ms apart, are let in. */
  hears(
    { address, port }: From,
    count = 1,
    packetAt = (n: number): Buffer => rtpPacket('x', n, n, 9),
  ): number {
    let accepted = 0;
    for (let i = 0; i < count; i++) {
      this.nowMs += 20;
      const packet = packetAt(++this.#sequence);
      if (this.latch.accept(packet, packetKind(packet), address, port, this.nowMs)) accepted += 1;
    }
    return accepted;
  }
}

describe('where media comes from (latching, RFC 7362)', () => {
  test('is learned from the first packet, and fixed within fewer than five (CVE-2025-53399)', () => {
    const scene = new Scene();
    expect(learningPackets).toBeLessThan(5);
    expect(scene.latch.target).toBeUndefined();
    expect(scene.hears(phone)).toBe(1);
    expect(scene.latch.target).toMatchObject(phone);
    expect(scene.hears(phone, learningPackets - 1)).toBe(learningPackets - 1);
    for (const other of [neighbour, pool, stranger]) expect(scene.hears(other, 50)).toBe(0);
    scene.nowMs += 3_600_000;
    for (const other of [neighbour, pool, stranger]) expect(scene.hears(other, 50)).toBe(0);
    expect(scene.latch.target).toMatchObject(phone);
    expect(scene.latch.moves).toBe(0);
  });

  test('is never an address that signalling knows nothing of', () => {
    expect(new Scene().hears(stranger, 100)).toBe(0);
    expect(new Scene(natted, 'address').hears(pool, 100)).toBe(0);
    expect(new Scene(natted, 'any').hears(stranger, 100)).toBe(100 - learningPackets + 1);
  });

  test('may be another address of the same NAT, when that proves itself by consecutive packets', () => {
    const scene = new Scene();
    expect(scene.hears(pool, 3)).toBe(0);
    expect(scene.latch.target).toBeUndefined();
    expect(scene.hears(pool, 2)).toBe(2);
    // The address that signalling comes from is still believed more.
    expect(scene.hears(phone)).toBe(1);
    expect(scene.latch.target).toMatchObject(phone);
  });

  test('is not learned from packets that jump, or from several SSRCs', () => {
    const jumps = new Scene();
    expect(jumps.hears(pool, 50, (n) => rtpPacket('x', (n * 1_000) & 0xffff, n, 9))).toBe(0);
    const many = new Scene();
    expect(many.hears(pool, 50, (n) => rtpPacket('x', n, n, n))).toBe(0);
  });

  test('is the signalled address itself rather than another port behind it', () => {
    const here = { observed: '198.51.100.7', signalled: phone, sendAhead: true };
    const scene = new Scene(here);
    expect(scene.latch.target).toEqual(phone);
    expect(scene.hears(neighbour)).toBe(1);
    expect(scene.hears(phone)).toBe(1);
    expect(scene.latch.target).toMatchObject(phone);
    expect(scene.hears(neighbour)).toBe(0);
  });
});

describe('a party that speaks again', () => {
  function settled(): Scene {
    const scene = new Scene();
    scene.hears(phone, 10);
    return scene;
  }

  test('may come from another port of its NAT: the old mapping is silent', () => {
    const scene = settled();
    scene.latch.authorize(natted, scene.nowMs);
    expect(scene.hears(neighbour, 5)).toBe(5);
    expect(scene.latch.moves).toBe(1);
    expect(scene.hears(phone, 5)).toBe(0);
  });

  test('may come from another network, even while packets from the old one still arrive', () => {
    const scene = settled();
    scene.latch.authorize({ ...natted, observed: stranger.address }, scene.nowMs);
    expect(scene.hears(phone, 10)).toBe(10);
    expect(scene.hears(stranger)).toBe(1);
    expect(scene.latch.target).toMatchObject(stranger);
    expect(scene.hears(phone, 5)).toBe(0);
  });

  test('stays where it is when it goes on speaking from there', () => {
    const scene = settled();
    scene.latch.authorize(natted, scene.nowMs);
    expect(scene.hears(phone, learningPackets)).toBe(learningPackets);
    expect(scene.hears(neighbour, 50)).toBe(0);
  });

  test('is not replaced by somebody else in its network while it is silent, as on hold', () => {
    const scene = settled();
    scene.latch.authorize(natted, scene.nowMs);
    expect(scene.hears(pool, 50)).toBe(0);
  });

  test('has only a while to move', () => {
    const scene = settled();
    scene.latch.authorize(natted, scene.nowMs);
    scene.nowMs += relearnMs + 1;
    expect(scene.hears(neighbour, 10)).toBe(0);
    expect(scene.latch.target).toMatchObject(phone);
  });

  test('is sent to at once at its new place when it is where it says it is', () => {
    const scene = new Scene({ observed: phone.address, signalled: phone, sendAhead: true });
    scene.hears(phone, 10);
    const elsewhere = { address: stranger.address, port: 7_000 };
    scene.latch.authorize({ observed: stranger.address, signalled: elsewhere, sendAhead: true }, scene.nowMs);
    expect(scene.latch.target).toEqual(elsewhere);
  });
});

describe('RTCP', () => {
  test('comes from where the RTP comes from, and of the same SSRC', () => {
    const latch = new Latch('network', relearnMs, () => ({ address: phone.address, ssrc: 9 }));
    latch.authorize(natted, 0);
    const { rtcp } = packetKinds;
    expect(latch.accept(rtcpPacket(8), rtcp, neighbour.address, neighbour.port, 1)).toBe(false);
    expect(latch.accept(rtcpPacket(9), rtcp, phone.address, 31_001, 2)).toBe(true);
  });
});

describe('checks of ICE', () => {
  test('may come from several places until media shows which one stays (RFC 8445)', () => {
    const scene = new Scene();
    const check = Buffer.from('000100002112a442000102030405060708090a0b', 'hex');
    expect(packetKind(check)).toBe(packetKinds.stun);
    for (const from of [phone, neighbour, phone]) {
      expect(scene.hears(from, 3, () => check)).toBe(3);
      expect(scene.latch.target).toMatchObject(from);
    }
    scene.hears(phone, learningPackets);
    expect(scene.hears(neighbour, 3, () => check)).toBe(0);
  });
});
