import { beforeEach, describe, expect, it } from 'vitest';
import { headerValue, headerValues } from '../../../src/sip/message/index.ts';
import type { TransportName } from '../../../src/sip/transport/index.ts';
import { LayerBench, RecordingHandler } from './layer-bench.ts';

let bench: LayerBench;
beforeEach(() => {
  bench = new LayerBench();
});

describe('client transactions (RFC 3261 §17.1)', () => {
  it('retransmits an INVITE over UDP on Timer A and gives up at Timer B', () => {
    const bob = bench.phone('bob');
    const handler = new RecordingHandler();
    bench.send('INVITE', bob, handler);
    for (let i = 0; i < 3200; i++) bench.advance(10);
    // at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s
    expect(bob.methods).toEqual(new Array(7).fill('INVITE'));
    expect(handler.events).toEqual(['timeout']);
    bench.expectNothingLeft();
  });

  it('sends once over a reliable transport', () => {
    const bob = bench.phone('bob', 'tcp');
    const handler = new RecordingHandler();
    bench.send('INVITE', bob, handler);
    bench.send('MESSAGE', bob, handler);
    bench.advance(32_000);
    expect(bob.methods).toEqual(['INVITE', 'MESSAGE']);
    expect(handler.events).toEqual(['timeout', 'timeout']);
    bench.expectNothingLeft();
  });

  it('stops retransmitting on a provisional and waits without limit for the final', () => {
    const bob = bench.phone('bob');
    const handler = new RecordingHandler();
    bench.send('INVITE', bob, handler);
    bob.reply(bob.lastRequest('INVITE'), 180);
    bench.advance(100_000);
    expect(bob.methods).toEqual(['INVITE']);
    expect(handler.events).toEqual(['180']);
    expect(bench.clock.pendingTimers).toBe(0);
    bob.reply(bob.lastRequest('INVITE'), 200);
    bench.advance(32_000);
    bench.expectNothingLeft();
  });

  it('acknowledges a non-2xx final and each of its retransmissions (§17.1.1.3)', () => {
    const bob = bench.phone('bob');
    const handler = new RecordingHandler();
    bench.send('INVITE', bob, handler);
    const request = bob.lastRequest('INVITE');
    bob.reply(bob.lastRequest('INVITE'), 486);
    bob.reply(bob.lastRequest('INVITE'), 486);
    expect(bob.methods).toEqual(['INVITE', 'ACK', 'ACK']);
    expect(handler.events).toEqual(['486']);
    const ack = bob.lastRequest('ACK');
    expect(ack.uri).toBe(request.uri);
    expect(ack.via.branch).toBe(request.via.branch);
    expect(ack.to.tag).toBe('bob-tag');
    expect(headerValue(ack, 'cseq')).toBe('1 ACK');
    expect(headerValues(ack, 'via')).toHaveLength(1);
    bench.advance(32_000);
    bench.expectNothingLeft();
  });

  it('hands every 2xx up and keeps Accepted for Timer M (RFC 6026 §7.2)', () => {
    const bob = bench.phone('bob', 'ws');
    const handler = new RecordingHandler();
    bench.send('INVITE', bob, handler);
    bob.reply(bob.lastRequest('INVITE'), 200);
    bench.advance(31_000);
    bob.reply(bob.lastRequest('INVITE'), 200, 'another');
    expect(handler.events).toEqual(['200', '200']);
    bench.advance(1000);
    bench.expectNothingLeft();
    bob.reply(bob.lastRequest('INVITE'), 200);
    expect(bench.user.events).toEqual(['stray 200']);
  });

  it('retransmits other requests on Timer E, at T2 after a provisional, and ends at Timer F (§17.1.2)', () => {
    const bob = bench.phone('bob');
    const handler = new RecordingHandler();
    bench.send('MESSAGE', bob, handler);
    bench.advance(500);
    expect(bob.requests).toHaveLength(2);
    bob.reply(bob.lastRequest('MESSAGE'), 100);
    for (let i = 0; i < 3150; i++) bench.advance(10);
    // 0, 0.5, 1.5 (already running), then every 4 s until 32 s
    expect(bob.requests).toHaveLength(3 + 7);
    expect(handler.events).toEqual(['100', 'timeout']);
    bench.expectNothingLeft();
  });

  it('absorbs retransmitted finals of other requests for Timer K', () => {
    const bob = bench.phone('bob');
    const handler = new RecordingHandler();
    bench.send('MESSAGE', bob, handler);
    bob.reply(bob.lastRequest('MESSAGE'), 200);
    bob.reply(bob.lastRequest('MESSAGE'), 200);
    expect(handler.events).toEqual(['200']);
    expect(bench.user.events).toEqual([]);
    bench.advance(5000);
    bench.expectNothingLeft();
  });

  it('fails at once when the flow is closed, before or during the transaction', () => {
    const bob = bench.phone('bob', 'ws');
    const handler = new RecordingHandler();
    bench.send('INVITE', bob, handler);
    bob.reply(bob.lastRequest('INVITE'), 180);
    bench.send('MESSAGE', bob, handler);
    bob.flow.close('gone');
    expect(handler.events).toEqual(['180', 'transport error', 'transport error']);
    bench.send('INVITE', bob, handler);
    expect(handler.events).toHaveLength(4);
    bench.expectNothingLeft();
  });

  it('holds a CANCEL back until a provisional came, and gives up 64*T1 after it (§9.1)', () => {
    const bob = bench.phone('bob');
    const handler = new RecordingHandler();
    const transaction = bench.send('INVITE', bob, handler);
    transaction.cancel();
    expect(bob.methods).toEqual(['INVITE']);
    bob.reply(bob.lastRequest('INVITE'), 100);
    expect(bob.methods).toEqual(['INVITE', 'CANCEL']);
    const cancel = bob.lastRequest('CANCEL');
    expect(cancel.via.branch).toBe(bob.lastRequest('INVITE').via.branch);
    expect(headerValue(cancel, 'cseq')).toBe('1 CANCEL');
    bob.reply(cancel, 200);
    transaction.cancel();
    bench.advance(32_000);
    expect(bob.methods).toEqual(['INVITE', 'CANCEL']);
    expect(handler.events).toEqual(['100', 'timeout']);
    bench.expectNothingLeft();
  });

  it('gives a callee up that says nothing for 16*T1: to the CANCEL, or at all', () => {
    for (const heard of [true, false]) {
      const bob = bench.phone('bob');
      const handler = new RecordingHandler();
      const transaction = bench.send('INVITE', bob, handler);
      if (heard) bob.reply(bob.lastRequest('INVITE'), 180);
      transaction.cancel();
      bench.advance(7_990);
      expect(handler.events).not.toContain('timeout');
      bench.advance(10);
      expect(handler.events).toContain('timeout');
    }
    bench.advance(32_000);
    bench.expectNothingLeft();
  });

  it('takes a response only from where the request went, whoever knows its branch (§17.1.3, RFC 3581 §4)', () => {
    const [bob, mallory] = [bench.phone('bob'), bench.phone('mallory')];
    const handler = new RecordingHandler();
    bench.send('INVITE', bob, handler);
    const request = bob.lastRequest('INVITE');
    for (const status of [180, 200, 486]) mallory.reply(request, status);
    expect(handler.events).toEqual([]);
    expect(bench.user.events).toEqual(['stray 180', 'stray 200', 'stray 486']);
    bob.reply(request, 180);
    expect(handler.events).toEqual(['180']);
  });

  it.each<[TransportName, TransportName, string[]]>([
    ['udp', 'udp', ['200']],
    ['udp', 'tcp', ['200']],
    ['tcp', 'tcp', ['200']],
    ['tls', 'tls', ['200']],
    ['tls', 'udp', []],
    ['tls', 'tcp', []],
  ])(
    'of what went over %s, takes the answer that comes from the same address over %s: %j (§18.2.2)',
    (asked, answered, taken) => {
      const bob = bench.phone('bob', asked);
      const other = bench.phone('bob', answered, bob.flow.remote.address);
      const handler = new RecordingHandler();
      bench.send('MESSAGE', bob, handler);
      other.reply(bob.lastRequest('MESSAGE'), 200);
      expect(handler.events).toEqual(taken);
    },
  );

  it('takes a response from another address of the same party', () => {
    bench = new LayerBench({ isSameParty: () => true });
    const [bob, sbc] = [bench.phone('bob'), bench.phone('sbc')];
    const handler = new RecordingHandler();
    bench.send('MESSAGE', bob, handler);
    sbc.reply(bob.lastRequest('MESSAGE'), 200);
    expect(handler.events).toEqual(['200']);
  });

  it('sends no CANCEL when the final response was first', () => {
    const bob = bench.phone('bob');
    const handler = new RecordingHandler();
    const transaction = bench.send('INVITE', bob, handler);
    transaction.cancel();
    bob.reply(bob.lastRequest('INVITE'), 200);
    expect(bob.methods).toEqual(['INVITE']);
    expect(handler.events).toEqual(['200']);
  });
});
