import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NonceCounts } from '../../../src/sip/auth/index.ts';

const now = Date.UTC(2026, 0, 1);

test('RFC 7616 §5.5: each count of a nonce is accepted once', () => {
  const counts = new NonceCounts({ lifetimeMs: 60_000 });
  expect(counts.use('a', now, 1, now)).toBe(true);
  expect(counts.use('a', now, 1, now)).toBe(false);
  expect(counts.use('a', now, 2, now)).toBe(true);
  expect(counts.use('b', now, 1, now)).toBe(true);
  expect(counts.use('b', now, 0, now)).toBe(false);
});

test('counts that UDP reordered are accepted within the window, older ones are not', () => {
  const counts = new NonceCounts({ lifetimeMs: 60_000 });
  expect(counts.use('a', now, 40, now)).toBe(true);
  expect(counts.use('a', now, 9, now)).toBe(true);
  expect(counts.use('a', now, 9, now)).toBe(false);
  expect(counts.use('a', now, 8, now)).toBe(false);
  expect(counts.use('a', now, 0xffff_ffff, now)).toBe(true);
  expect(counts.use('a', now, 40, now)).toBe(false);
});

test('no order of counts lets one in twice', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 80 }), { maxLength: 200 }), (order) => {
      const counts = new NonceCounts({ lifetimeMs: 60_000 });
      const accepted = order.filter((count) => counts.use('a', now, count, now));
      expect(new Set(accepted).size).toBe(accepted.length);
    }),
  );
});

test('memory is bounded, and forgetting a nonce makes it used, never new', () => {
  const counts = new NonceCounts({ lifetimeMs: 60_000, maxNonces: 3 });
  for (let i = 0; i < 10; i++) expect(counts.use(`n${i}`, now + i, 1, now + i)).toBe(true);
  expect(counts.size).toBe(3);
  for (let i = 0; i < 10; i++) expect(counts.use(`n${i}`, now + i, 1, now + 10)).toBe(false);
  expect(counts.use('n9', now + 9, 2, now + 10)).toBe(true);
  expect(counts.use('n2', now + 2, 2, now + 10)).toBe(false);
});

test('nonces past their lifetime leave the memory', () => {
  const counts = new NonceCounts({ lifetimeMs: 60_000 });
  for (let i = 0; i < 10; i++) counts.use(`n${i}`, now, 1, now);
  expect(counts.use('later', now + 60_001, 1, now + 60_001)).toBe(true);
  expect(counts.size).toBe(1);
});

test('thousands of nonces at once are told apart while old ones make way', () => {
  const counts = new NonceCounts({ lifetimeMs: 60_000, maxNonces: 3_000 });
  for (let i = 0; i < 10_000; i++) {
    expect(counts.use(`nonce-${i}`, now + i, 1, now + i)).toBe(true);
    const before = Math.max(0, i - 2_500);
    expect(counts.use(`nonce-${before}`, now + before, 1, now + i)).toBe(false);
    if (i % 7 === 0) expect(counts.use(`nonce-${i}`, now + i, 2, now + i)).toBe(true);
  }
  expect(counts.size).toBe(3_000);
});
