import fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemRandom } from '../../../src/base/index.ts';
import { NonceMint, nonceMintedAtMs } from '../../../src/sip/auth/index.ts';

const now = Date.UTC(2026, 0, 1);
const mint = new NonceMint({ secret: new Uint8Array(32).fill(7), random: systemRandom, lifetimeMs: 60_000 });

test('RFC 7616 §5.4: a nonce is fresh on its own flow for its lifetime, then stale', () => {
  const nonce = mint.mint('flow-1', now);
  expect(nonce).toMatch(/^[A-Za-z0-9_-]{36}$/);
  expect(mint.check(nonce, 'flow-1', now)).toBe('fresh');
  expect(mint.check(nonce, 'flow-1', now + 60_000)).toBe('fresh');
  expect(mint.check(nonce, 'flow-1', now + 60_001)).toBe('stale');
  expect(nonceMintedAtMs(nonce)).toBe(now);
});

test('a clock that was set back makes nonces stale, not eternal', () => {
  expect(mint.check(mint.mint('flow-1', now), 'flow-1', now - 1)).toBe('stale');
});

test('a nonce of another flow or of another secret is foreign', () => {
  const other = new NonceMint({ secret: new Uint8Array(32).fill(8), random: systemRandom });
  expect(mint.check(mint.mint('flow-1', now), 'flow-2', now)).toBe('foreign');
  expect(other.check(mint.mint('flow-1', now), 'flow-1', now)).toBe('foreign');
});

test('two nonces of one flow and one millisecond differ', () => {
  expect(mint.mint('flow-1', now)).not.toBe(mint.mint('flow-1', now));
});

test('each flipped bit is refused', () => {
  const bytes = Buffer.from(mint.mint('flow-1', now), 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(mint.check(flipped.toString('base64url'), 'flow-1', now)).toBe('foreign');
  }
});

test('any text at all gets a verdict, and never a good one', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 80 }), (text) => {
      expect(['foreign', 'malformed']).toContain(mint.check(text, 'flow-1', now));
    }),
  );
});
