import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { failure, LocatingBench } from './locating-bench.ts';

let bench: LocatingBench;
beforeEach(async () => {
  bench = await LocatingBench.open();
});
afterEach(() => bench.close());

describe('the cache', () => {
  it('keeps addresses for their TTL', async () => {
    bench.dns.a('example.com', '192.0.2.1', 30);
    const locator = bench.locator();
    for (let i = 0; i < 3; i++) await bench.located('sip:example.com:5060', locator);
    expect(bench.asked('A example.com')).toBe(1);
    bench.clock.advance(29_000);
    await bench.located('sip:example.com:5060', locator);
    expect(bench.asked('A example.com')).toBe(1);
    bench.clock.advance(1_001);
    await bench.located('sip:example.com:5060', locator);
    expect(bench.asked('A example.com')).toBe(2);
  });

  it('asks once for what several want at the same time', async () => {
    bench.dns.a('example.com', '192.0.2.1');
    const locator = bench.locator();
    await Promise.all([1, 2, 3].map(() => bench.located('sip:example.com:5060', locator)));
    expect(bench.asked('A example.com')).toBe(1);
  });

  it('keeps a no for a short while only', async () => {
    const locator = bench.locator({ negativeTtlMs: 5_000 });
    for (let i = 0; i < 2; i++)
      expect(await failure(bench.located('sip:new.example:5060', locator))).toBe('not-found');
    expect(bench.asked('A new.example')).toBe(1);
    bench.dns.a('new.example', '192.0.2.1');
    bench.clock.advance(5_001);
    expect(await bench.located('sip:new.example:5060', locator)).toEqual(['udp 192.0.2.1:5060']);
  });

  it('is bounded: the oldest answer makes room', async () => {
    const locator = bench.locator({ maxCachedAnswers: 8 });
    for (const name of ['a', 'b', 'c']) bench.dns.a(`${name}.example`, '192.0.2.1');
    for (const name of ['a', 'b', 'c', 'a']) await bench.located(`sip:${name}.example:5060`, locator);
    expect(bench.asked('A a.example')).toBe(2);
    expect(bench.asked('A c.example')).toBe(1);
  });
});

describe('addresses that failed (RFC 3263 §4.3)', () => {
  it('come last until their time is over', async () => {
    bench.dns.a('example.com', '192.0.2.1', 600);
    bench.dns.a('example.com', '192.0.2.2', 600);
    const locator = bench.locator({ deadTargetMs: 10_000 });
    const both = ['udp 192.0.2.1:5060', 'udp 192.0.2.2:5060'];
    const first = { transport: 'udp', address: '192.0.2.1', port: 5060 } as const;
    expect((await bench.located('sip:example.com:5060', locator)).toSorted()).toEqual(both);
    locator.markDead(first);
    expect(await bench.located('sip:example.com:5060', locator)).toEqual(both.toReversed());
    bench.clock.advance(10_001);
    expect((await bench.located('sip:example.com:5060', locator)).toSorted()).toEqual(both);
    expect(locator.isDead(first)).toBe(false);
    locator.markDead(first, 60_000);
    bench.clock.advance(59_000);
    expect(locator.isDead(first)).toBe(true);
    locator.markAlive(first);
    expect(locator.isDead(first)).toBe(false);
  });

  it('are remembered up to a bound', () => {
    const locator = bench.locator({ maxDeadTargets: 2 });
    const targets = [1, 2, 3].map(
      (last) => ({ transport: 'tcp', address: `192.0.2.${last}`, port: 5060 }) as const,
    );
    for (const target of targets) locator.markDead(target);
    expect(targets.map((target) => locator.isDead(target))).toEqual([false, true, true]);
  });
});
