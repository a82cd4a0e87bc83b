import { beforeEach, describe, expect, it } from 'vitest';
import { headerField, headerValue, headerValues } from '../../../src/sip/message/index.ts';
import { ProxyBench } from './proxy-bench.ts';

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
