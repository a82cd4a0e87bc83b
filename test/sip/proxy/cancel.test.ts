import { beforeEach, describe, expect, it } from 'vitest';
import { headerField, headerValue } from '../../../src/sip/message/index.ts';
import { cancelOf, ProxyBench } from './proxy-bench.ts';

let bench: ProxyBench;
beforeEach(() => {
  bench = new ProxyBench();
});

describe('CANCEL (RFC 3261 §16.10)', () => {
  it('reaches every ringing branch with its Reason, and the caller gets 200 and 487', () => {
    const [alice, b1, b2] = [bench.phone('alice'), bench.phone('b1'), bench.phone('b2')];
    bench.forwardTo([bench.target(b1), bench.target(b2), bench.target(bench.phone('b3'), 1)]);
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    b1.reply(b1.lastRequest('INVITE'), 180);
    b2.reply(b2.lastRequest('INVITE'), 180);
    alice.send(cancelOf(invite, [headerField('Reason', 'SIP;cause=487')]));
    expect(alice.statuses.slice(3)).toEqual([200]);
    for (const phone of [b1, b2]) {
      expect(headerValue(phone.lastRequest('CANCEL'), 'reason')).toBe('SIP;cause=487');
      phone.reply(phone.lastRequest('CANCEL'), 200);
      phone.reply(phone.lastRequest('INVITE'), 487);
    }
    expect(alice.statuses.slice(3)).toEqual([200, 487]);
    expect(bench.observer.events.slice(2)).toEqual(['cancelled', 'final 487']);
    bench.expectNothingLeft();
  });

  it('waits for a provisional response, as §9.1 demands', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    alice.send(cancelOf(invite));
    expect(bob.methods).toEqual(['INVITE']);
    bob.reply(bob.lastRequest('INVITE'), 100);
    expect(bob.methods).toEqual(['INVITE', 'CANCEL']);
    bob.reply(bob.lastRequest('INVITE'), 487);
    expect(alice.statuses).toEqual([100, 200, 487]);
    bench.expectNothingLeft();
  });

  it('forwards a 2xx that crossed the CANCEL', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 180);
    alice.send(cancelOf(invite));
    bob.reply(bob.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100, 180, 200, 200]);
    expect(bench.observer.events.slice(1)).toEqual(['cancelled', 'final 200']);
    bench.expectNothingLeft();
  });

  it('ends with 487 after 16*T1 when the callee never answers the CANCEL, or was never heard of', () => {
    const [alice, ringing, silent] = [bench.phone('alice'), bench.phone('ringing'), bench.phone('silent')];
    bench.forwardTo([bench.target(ringing), bench.target(silent)]);
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    ringing.reply(ringing.lastRequest('INVITE'), 180);
    alice.send(cancelOf(invite));
    for (let i = 0; i < 8; i++) {
      expect(alice.statuses).not.toContain(487);
      bench.advance(1000);
    }
    expect(alice.statuses).toContain(487);
    expect(bench.observer.events.slice(1)).toEqual(['cancelled', 'final 487 own']);
    for (let i = 0; i < 33; i++) bench.advance(1000);
    bench.expectNothingLeft();
  });

  it('is honoured while the policy is still deciding', async () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.decide = async () => ({
      kind: 'forward',
      targets: [bench.target(bob)],
      recordRoute: true,
      observer: bench.observer,
    });
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    alice.send(cancelOf(invite));
    await Promise.resolve();
    await Promise.resolve();
    bench.flush();
    // Over UDP the 100 has waited, and was not needed.
    expect(alice.statuses).toEqual([200, 487]);
    expect(bob.methods).toEqual([]);
    expect(bench.observer.events).toEqual(['cancelled', 'final 487 own']);
    bench.advance(200);
    bench.expectNothingLeft();
  });

  it('is sent for the caller whose connection closes while it rings', () => {
    const [alice, bob] = [bench.phone('alice', 'ws'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 180);
    alice.flow.close('gone');
    bench.flush();
    expect(bob.methods).toEqual(['INVITE', 'CANCEL']);
    bob.reply(bob.lastRequest('INVITE'), 487);
    expect(bench.observer.events.slice(1)).toEqual(['cancelled', 'final 487']);
    bench.expectNothingLeft();
  });
});

describe('Timer C (RFC 3261 §16.8)', () => {
  it('ends a call that rings for too long with 408, and each provisional but 100 starts it anew', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com');
    const invite = bob.lastRequest('INVITE');
    bob.reply(invite, 180);
    bench.advance(180_000);
    bob.reply(invite, 183);
    bench.advance(180_000);
    bob.reply(invite, 100);
    expect(bob.methods).toEqual(['INVITE']);
    bench.advance(5_000);
    expect(bob.methods).toEqual(['INVITE', 'CANCEL']);
    expect(alice.statuses).toEqual([100, 180, 183, 408]);
    bob.reply(bob.lastRequest('CANCEL'), 200);
    bob.reply(invite, 487);
    expect(bench.observer.events.at(-1)).toBe('final 408 own');
    bench.expectNothingLeft();
  });

  it('still forwards a 2xx that comes after it', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 180);
    bench.advance(185_000);
    bob.reply(bob.lastRequest('INVITE'), 200);
    expect(alice.statuses.slice(-2)).toEqual([408, 200]);
  });

  it('leaves a callee that never answers to Timer B: 408 after 32 s', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com');
    bench.advance(32_000);
    expect(alice.statuses).toEqual([100, 408]);
    bench.expectNothingLeft();
  });
});
