import { expect, test } from 'vitest';
import { FailureThrottle } from '../../../src/sip/auth/index.ts';

const now = Date.UTC(2026, 0, 1);

function fail(throttle: FailureThrottle, times: number, source: string, username: string, at = now): void {
  for (let i = 0; i < times; i++) throttle.recordFailure(source, username, at);
}

test('edge test 29: twenty failures in a minute close the pair of source and name until the minute is over', () => {
  const throttle = new FailureThrottle();
  fail(throttle, 19, '192.0.2.1', 'alice');
  expect(throttle.waitMs('192.0.2.1', 'alice', now)).toBe(0);
  fail(throttle, 1, '192.0.2.1', 'alice', now + 30_000);
  expect(throttle.waitMs('192.0.2.1', 'alice', now + 30_000)).toBe(30_000);
  expect(throttle.waitMs('192.0.2.1', 'alice', now + 60_000)).toBe(0);
});

test('the owner on another source, and other names on the same one, are not locked out', () => {
  const throttle = new FailureThrottle();
  fail(throttle, 100, '192.0.2.1', 'alice');
  expect(throttle.waitMs('192.0.2.2', 'alice', now)).toBe(0);
  expect(throttle.waitMs('192.0.2.1', 'bob', now)).toBe(0);
});

test('a sweep over names from one source is stopped by the limit per source', () => {
  const throttle = new FailureThrottle({ maxFailuresPerSource: 50 });
  for (let i = 0; i < 50; i++) throttle.recordFailure('192.0.2.1', `user${i}`, now);
  expect(throttle.waitMs('192.0.2.1', 'never-tried', now)).toBe(60_000);
  expect(throttle.waitMs('192.0.2.2', 'never-tried', now)).toBe(0);
});

test('one IPv6 subscriber is one source; its neighbour and IPv4 in IPv6 clothes are told apart', () => {
  const throttle = new FailureThrottle();
  fail(throttle, 20, '2001:db8::1', 'alice');
  expect(throttle.waitMs('2001:db8:0:0:ffff::2', 'alice', now)).toBe(60_000);
  expect(throttle.waitMs('2001:db8:0:1::1', 'alice', now)).toBe(0);
  expect(throttle.waitMs('::1', 'alice', now)).toBe(0);
  fail(throttle, 20, '::ffff:192.0.2.1', 'alice');
  expect(throttle.waitMs('::ffff:192.0.2.2', 'alice', now)).toBe(0);
});

test('a right answer forgives what was mistyped before', () => {
  const throttle = new FailureThrottle();
  fail(throttle, 19, '192.0.2.1', 'alice');
  throttle.recordSuccess('192.0.2.1', 'alice');
  fail(throttle, 19, '192.0.2.1', 'alice');
  expect(throttle.waitMs('192.0.2.1', 'alice', now)).toBe(0);
});

test('memory is bounded: by count whatever is sent, and by time when nothing more fails', () => {
  const throttle = new FailureThrottle({ maxCounters: 100 });
  for (let i = 0; i < 1000; i++) throttle.recordFailure(`10.0.${i >> 8}.${i & 255}`, 'x'.repeat(5000), now);
  expect(throttle.size).toBe(100);
  throttle.recordFailure('192.0.2.1', 'alice', now + 60_000);
  expect(throttle.size).toBe(2);
});
