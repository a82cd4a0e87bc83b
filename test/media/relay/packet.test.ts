import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { packetKind, packetKinds } from '../../../src/media/relay/packet.ts';
import { PortPool } from '../../../src/media/relay/port-pool.ts';
import { Reception } from '../../../src/media/relay/reception.ts';
import { rtcpPacket, rtpPacket } from '../support/rtp-phone.ts';

const { rtp, rtcp, stun, dtls, other } = packetKinds;
const hex = (text: string): Buffer => Buffer.from(text, 'hex');

describe('the kind of a packet (RFC 7983 §7)', () => {
  test.each([
    ['RTP', rtpPacket('x', 1, 2, 3), rtp],
    ['RTP without payload', rtpPacket('', 1, 2, 3), rtp],
    ['RTP that is cut off', rtpPacket('', 1, 2, 3).subarray(0, 11), other],
    ['RTP whose CSRC list is longer than the packet', hex('8f000001000000020000000300000004'), other],
    ['RTP whose extension is longer than the packet', hex('90000001000000020000000300000005'), other],
    ['RTP with an extension', hex('9000000100000002000000030000000100000000'), rtp],
    ['RTCP', rtcpPacket(1), rtcp],
    ['RTCP that is cut off', rtcpPacket(1).subarray(0, 7), other],
    ['RTCP that says it is longer', hex('80c9000200000001'), other],
    ['STUN', hex('000100002112a442000102030405060708090a0b'), stun],
    ['STUN without its cookie', hex('000100002112a443000102030405060708090a0b'), other],
    ['STUN of another length', hex('000100042112a442000102030405060708090a0b'), other],
    ['DTLS', hex('16feff000000000000000000020102'), dtls],
    ['DTLS that is cut off', hex('16feff0000000000000000000201'), other],
    ['TLS', hex('16030100020102000000000000'), other],
    ['DTLS 1.3', hex('2c0102'), dtls],
    ['nothing', hex(''), other],
    ['text', Buffer.from('hello'), other],
  ])('is told of %s', (_, packet, kind) => {
    expect(packetKind(packet)).toBe(kind);
  });

  test('is one of them, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (packet) => {
        expect([rtp, rtcp, stun, dtls, other]).toContain(packetKind(packet));
      }),
    );
  });
});

describe('reception (RFC 3550)', () => {
  test('counts loss over a wrap of the sequence numbers, and what comes late or twice', () => {
    const reception = new Reception(new Map());
    for (const sequence of [65_533, 65_534, 0, 65_535, 2, 2])
      reception.rtp(rtpPacket('x', sequence, 0, 1), 0);
    expect(reception).toMatchObject({ packets: 6, lost: 0 });
    reception.rtp(rtpPacket('x', 10, 0, 1), 0);
    expect(reception.lost).toBe(7);
  });

  test('begins anew with another SSRC, and keeps what was lost before', () => {
    const reception = new Reception(new Map());
    for (const [sequence, ssrc] of [
      [1, 1],
      [3, 1],
      [40_000, 2],
      [40_001, 2],
    ] as const)
      reception.rtp(rtpPacket('x', sequence, 0, ssrc), 0);
    expect(reception).toMatchObject({ packets: 4, lost: 1 });
  });

  test('has no jitter when packets come as evenly as they were sent (§A.8)', () => {
    const even = new Reception(new Map());
    for (let i = 0; i < 50; i++) even.rtp(rtpPacket('x', i, i * 160, 1), i * 20);
    expect(even.jitterMs).toBeCloseTo(0);
    // Each packet 10 ms early or late: the estimate goes towards the mean difference.
    const uneven = new Reception(new Map());
    for (let i = 0; i < 500; i++) uneven.rtp(rtpPacket('x', i, i * 160, 1), i * 20 + (i % 2) * 10);
    expect(uneven.jitterMs).toBeCloseTo(10, 1);
  });

  test('goes by the clock rate of the payload type, and is silent without one', () => {
    const withType = (payloadType: number, sequence: number, timestamp: number): Buffer => {
      const packet = rtpPacket('x', sequence, timestamp, 1);
      packet[1] = payloadType;
      return packet;
    };
    const opus = new Reception(new Map([[96, 48_000]]));
    for (let i = 0; i < 50; i++) opus.rtp(withType(96, i, i * 960), i * 20);
    expect(opus.jitterMs).toBeCloseTo(0);
    const unknown = new Reception(new Map());
    for (let i = 0; i < 50; i++) unknown.rtp(withType(96, i, i * 960), i * 20);
    expect(unknown.jitterMs).toBeUndefined();
  });
});

describe('pairs of ports', () => {
  test('are even, each handed out once, and come back behind all others', () => {
    const pool = new PortPool({ first: 1_001, last: 1_010 }, () => 0);
    const taken = Array.from({ length: 4 }, () => pool.take());
    expect(new Set(taken)).toEqual(new Set([1_002, 1_004, 1_006, 1_008]));
    expect(pool.take()).toBeUndefined();
    pool.give(1_006);
    pool.give(1_002);
    expect([pool.take(), pool.take(), pool.take()]).toEqual([1_006, 1_002, undefined]);
  });

  test('can be asked for by name after a restart', () => {
    const pool = new PortPool({ first: 1_000, last: 1_009 }, (below) => below - 1);
    expect(pool.takeThis(1_006)).toBe(true);
    expect(pool.takeThis(1_006)).toBe(false);
    const rest = Array.from({ length: pool.free }, () => pool.take());
    expect(new Set(rest)).toEqual(new Set([1_000, 1_002, 1_004, 1_008]));
  });
});
