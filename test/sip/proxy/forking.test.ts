import { beforeEach, describe, expect, it } from 'vitest';
import { headerField, headerValue, headerValues } from '../../../src/sip/message/index.ts';
import { cancelOf, ManualGate, ProxyBench } from './proxy-bench.ts';

let bench: ProxyBench;
beforeEach(() => {
  bench = new ProxyBench();
});

describe('forking (RFC 3261 §16.6, §16.7)', () => {
  it('tries equal q at the same time, lower q only after all of them failed', () => {
    const [alice, b1, b2, b3] = [
      bench.phone('alice'),
      bench.phone('b1'),
      bench.phone('b2'),
      bench.phone('b3'),
    ];
    bench.forwardTo([bench.target(b3, 200), bench.target(b1, 800), bench.target(b2, 800)]);
    alice.request('INVITE', 'sip:bob@example.com');
    expect([b1.methods, b2.methods, b3.methods]).toEqual([['INVITE'], ['INVITE'], []]);
    b1.reply(b1.lastRequest('INVITE'), 486);
    expect(b3.methods).toEqual([]);
    b2.reply(b2.lastRequest('INVITE'), 480);
    expect(b3.methods).toEqual(['INVITE']);
    b3.reply(b3.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100, 200]);
    bench.expectNothingLeft();
  });

  it('cancels the other branches on the first 2xx, says why, and relays no 487', () => {
    const [alice, b1, b2] = [bench.phone('alice'), bench.phone('b1'), bench.phone('b2')];
    bench.forwardTo([bench.target(b1), bench.target(b2)]);
    alice.request('INVITE', 'sip:bob@example.com');
    b1.reply(b1.lastRequest('INVITE'), 180);
    b2.reply(b2.lastRequest('INVITE'), 180);
    b1.reply(b1.lastRequest('INVITE'), 200);
    expect(b2.methods).toEqual(['INVITE', 'CANCEL']);
    expect(headerValue(b2.lastRequest('CANCEL'), 'reason')).toContain('cause=200');
    b2.reply(b2.lastRequest('CANCEL'), 200);
    b2.reply(b2.lastRequest('INVITE'), 487);
    expect(b2.methods).toEqual(['INVITE', 'CANCEL', 'ACK']);
    expect(alice.statuses).toEqual([100, 180, 180, 200]);
    expect(bench.observer.events.filter((event) => event.startsWith('final'))).toEqual(['final 200']);
    bench.expectNothingLeft();
  });

  it('forwards a 2xx of each branch that answered', () => {
    const [alice, b1, b2] = [bench.phone('alice'), bench.phone('b1'), bench.phone('b2')];
    bench.forwardTo([bench.target(b1), bench.target(b2)]);
    alice.request('INVITE', 'sip:bob@example.com');
    b1.reply(b1.lastRequest('INVITE'), 200);
    b2.reply(b2.lastRequest('INVITE'), 200);
    expect(alice.responses.map((response) => response.to.tag)).toEqual([undefined, 'b1-tag', 'b2-tag']);
    expect(bench.observer.events).toEqual(['final 200', 'final 200']);
    bench.expectNothingLeft();
  });

  it('lets a 6xx speak for all: the others are cancelled first, no lower q is tried', () => {
    const [alice, b1, b2, b3] = [
      bench.phone('alice'),
      bench.phone('b1'),
      bench.phone('b2'),
      bench.phone('b3'),
    ];
    bench.forwardTo([bench.target(b1), bench.target(b2), bench.target(b3, 1)]);
    alice.request('INVITE', 'sip:bob@example.com');
    b2.reply(b2.lastRequest('INVITE'), 180);
    b1.reply(b1.lastRequest('INVITE'), 603);
    expect(alice.statuses).toEqual([100, 180]);
    b2.reply(b2.lastRequest('INVITE'), 487);
    expect(alice.statuses).toEqual([100, 180, 603]);
    expect(b3.methods).toEqual([]);
    bench.expectNothingLeft();
  });

  it.each([
    [[486, 404], 486],
    [[500, 486], 486],
    [[302, 486], 302],
    [[486, 401], 401],
    [[503, 500], 500],
    [[503, 480], 480],
    [[486, 603], 603],
  ])('of %j the caller gets %i', (statuses, expected) => {
    const alice = bench.phone('alice');
    const phones = statuses.map((_status, index) => bench.phone(`b${index}`));
    bench.forwardTo(phones.map((phone) => bench.target(phone)));
    alice.request('INVITE', 'sip:bob@example.com');
    for (const [index, phone] of phones.entries())
      phone.reply(phone.lastRequest('INVITE'), statuses[index] ?? 0);
    expect(alice.statuses).toEqual([100, expected]);
  });

  it('gathers the challenges of all branches (§16.7 step 7)', () => {
    const [alice, b1, b2] = [bench.phone('alice'), bench.phone('b1'), bench.phone('b2')];
    bench.forwardTo([bench.target(b1), bench.target(b2)]);
    alice.request('INVITE', 'sip:bob@example.com');
    b1.reply(b1.lastRequest('INVITE'), 407, 'x', [headerField('Proxy-Authenticate', 'Digest realm="one"')]);
    b2.reply(b2.lastRequest('INVITE'), 401, 'y', [headerField('WWW-Authenticate', 'Digest realm="two"')]);
    const response = alice.lastResponse();
    expect(response.status).toBe(407);
    expect(headerValues(response, 'proxy-authenticate')).toEqual(['Digest realm="one"']);
    expect(headerValues(response, 'www-authenticate')).toEqual(['Digest realm="two"']);
  });

  it('turns a lone 503 into 500 (§16.7 step 6)', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 503);
    expect(alice.statuses).toEqual([100, 500]);
    expect(bench.observer.events).toEqual(['final 500 own']);
  });

  it('gives the call to a target that is added while it rings, and to none afterwards (late fork)', () => {
    const [alice, b1, b2] = [bench.phone('alice'), bench.phone('b1'), bench.phone('b2')];
    bench.forwardTo([bench.target(b1)]);
    alice.request('INVITE', 'sip:bob@example.com');
    b1.reply(b1.lastRequest('INVITE'), 180);
    expect(bench.observer.forwarded?.addTarget(bench.target(b2))).toBe(true);
    bench.flush();
    b2.reply(b2.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100, 180, 200]);
    expect(b1.methods).toEqual(['INVITE', 'CANCEL']);
    expect(bench.observer.forwarded?.addTarget(bench.target(b2))).toBe(false);
    b1.reply(b1.lastRequest('INVITE'), 487);
    bench.expectNothingLeft();
  });

  it('answers 480 when there is nobody to try', () => {
    const alice = bench.phone('alice');
    bench.forwardTo([]);
    alice.request('INVITE', 'sip:bob@example.com');
    expect(alice.statuses).toEqual([100, 480]);
    bench.expectNothingLeft();
  });
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

  it('ends with 487 when the callee never answers the CANCEL, or was never heard of', () => {
    const [alice, ringing, silent] = [bench.phone('alice'), bench.phone('ringing'), bench.phone('silent')];
    bench.forwardTo([bench.target(ringing), bench.target(silent)]);
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    ringing.reply(ringing.lastRequest('INVITE'), 180);
    alice.send(cancelOf(invite));
    for (let i = 0; i < 33; i++) bench.advance(1000);
    expect(alice.statuses.filter((status) => status === 487).length).toBeGreaterThan(0);
    expect(bench.observer.events.slice(1)).toEqual(['cancelled', 'final 487 own']);
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
    expect(alice.statuses).toEqual([100, 200, 487]);
    expect(bob.methods).toEqual([]);
    expect(bench.observer.events).toEqual(['cancelled', 'final 487 own']);
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

describe('a branch whose flow is gone (RFC 5626 §5.3.1)', () => {
  it('fails at once: the next target is tried', () => {
    const [alice, b1, b2] = [bench.phone('alice'), bench.phone('b1', 'ws'), bench.phone('b2')];
    bench.forwardTo([bench.target(b1, 1000), bench.target(b2, 500)]);
    alice.request('INVITE', 'sip:bob@example.com');
    b1.reply(b1.lastRequest('INVITE'), 180);
    b1.flow.close('gone');
    bench.flush();
    expect(b2.methods).toEqual(['INVITE']);
    b2.reply(b2.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100, 180, 200]);
    bench.expectNothingLeft();
  });

  it.each([
    [undefined, 430],
    [480, 480],
  ] as const)(
    'is answered at once when it was the only one (policy says %s: %i)',
    (flowFailedStatus, expected) => {
      const [alice, bob] = [bench.phone('alice'), bench.phone('bob', 'ws')];
      bench.forwardTo([bench.target(bob)], flowFailedStatus === undefined ? {} : { flowFailedStatus });
      bob.flow.close('gone');
      alice.request('INVITE', 'sip:bob@example.com');
      alice.request('MESSAGE', 'sip:bob@example.com');
      expect(alice.statuses).toEqual([100, expected, expected]);
      expect(bench.observer.events).toEqual([`final ${expected} own`, `final ${expected} own`]);
      bench.expectNothingLeft();
    },
  );

  it('says less than a callee that answered', () => {
    const [alice, b1, b2] = [bench.phone('alice'), bench.phone('b1', 'ws'), bench.phone('b2')];
    bench.forwardTo([bench.target(b1), bench.target(b2)]);
    b1.flow.close('gone');
    alice.request('INVITE', 'sip:bob@example.com');
    b2.reply(b2.lastRequest('INVITE'), 486);
    expect(alice.statuses).toEqual([100, 486]);
  });
});

describe('the response gate', () => {
  it('holds everything above 100 until it opens, then lets it pass in order', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    const gate = new ManualGate();
    bench.forwardTo([bench.target(bob)], { gate });
    alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 180);
    bob.reply(bob.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100]);
    expect(bench.observer.events).toEqual([]);
    gate.settle('open');
    bench.flush();
    expect(alice.statuses).toEqual([100, 180, 200]);
    expect(bench.observer.events).toEqual(['provisional 180', 'final 200']);
    bench.expectNothingLeft();
  });

  it.each([180, 200])(
    'answers 503 when it fails after a %i, cancels, and lets no answer through',
    (status) => {
      const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
      const gate = new ManualGate();
      bench.forwardTo([bench.target(bob)], { gate });
      alice.request('INVITE', 'sip:bob@example.com');
      bob.reply(bob.lastRequest('INVITE'), status);
      gate.settle('failed');
      bench.flush();
      expect(alice.statuses).toEqual([100, 503]);
      expect(bob.methods).toEqual(status === 180 ? ['INVITE', 'CANCEL'] : ['INVITE']);
      bob.reply(bob.lastRequest('INVITE'), 200);
      expect(alice.statuses).toEqual([100, 503]);
      expect(bench.observer.events).toEqual(['final 503 own']);
      bench.expectNothingLeft();
    },
  );

  it('that has failed before keeps the INVITE here', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    const gate = new ManualGate();
    gate.settle('failed');
    bench.forwardTo([bench.target(bob)], { gate });
    alice.request('INVITE', 'sip:bob@example.com');
    expect(alice.statuses).toEqual([100, 503]);
    expect(bob.methods).toEqual([]);
    bench.expectNothingLeft();
  });

  it("holds the proxy's own answers too, and a CANCEL while it is pending ends in 487", () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    const gate = new ManualGate();
    bench.forwardTo([bench.target(bob)], { gate });
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 180);
    alice.send(cancelOf(invite));
    bob.reply(bob.lastRequest('INVITE'), 487);
    expect(alice.statuses).toEqual([100, 200]);
    gate.settle('open');
    bench.flush();
    expect(alice.statuses).toEqual([100, 200, 180, 487]);
    bench.expectNothingLeft();
  });

  it('also holds a refusal that the policy made', () => {
    const alice = bench.phone('alice');
    const gate = new ManualGate();
    bench.decide = () => ({ kind: 'respond', status: 403, gate });
    alice.request('INVITE', 'sip:bob@example.com');
    expect(alice.statuses).toEqual([100]);
    gate.settle('open');
    bench.flush();
    expect(alice.statuses).toEqual([100, 403]);
    bench.expectNothingLeft();
  });
});
