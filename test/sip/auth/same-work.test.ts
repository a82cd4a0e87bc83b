import { beforeEach, expect, test, vi } from 'vitest';
import type { DigestAlgorithm } from '../../../src/sip/auth/index.ts';
import { alice, DigestFixture, onTheWire, realm, request } from './digest-fixture.ts';

/** What the code under test asked of node:crypto, in order. */
const work = vi.hoisted((): string[] => []);

vi.mock(import('node:crypto'), async (original) => {
  const crypto = await original();
  const counted = <F extends (...args: never[]) => unknown>(name: string, run: F): F =>
    ((...args: Parameters<F>) => {
      work.push(`${name} ${typeof args[0] === 'string' ? args[0] : ''}`.trim());
      return run(...args);
    }) as F;
  return {
    ...crypto,
    hash: counted('hash', crypto.hash),
    timingSafeEqual: counted('compare', crypto.timingSafeEqual),
  };
});

beforeEach(() => {
  work.length = 0;
});

/** Two for each MAC: the nonce that came is checked, another one is made. */
const hashesOfNonces = 4;
const unlimited = { maxFailuresPerUser: 1e9, maxFailuresPerSource: 1e9 };
const badPassword = { ...alice, password: 'wrong' };
const badName = { realm, username: 'nobody', password: 'wrong' };
const longName = { realm, username: 'n'.repeat(60), password: 'wrong' };

/** The operations that one refused answer costs. */
async function workFor(credential: typeof alice, algorithm: DigestAlgorithm): Promise<readonly string[]> {
  const fixture = new DigestFixture({ throttle: unlimited, algorithms: { udp: [algorithm] } });
  const message = fixture.answered(request(), credential);
  work.length = 0;
  await fixture.verify(message);
  return [...work];
}

test.each(['MD5', 'SHA-256', 'SHA-512-256'] as const)(
  'edge test 28: a bad password and names that nobody has cost the same operations under %s',
  async (algorithm) => {
    const known = await workFor(badPassword, algorithm);
    expect(known.filter((step) => step.startsWith('hash'))).toHaveLength(hashesOfNonces + 2);
    expect(known).toContain('compare');
    expect(await workFor(badName, algorithm)).toEqual(known);
    expect(await workFor(longName, algorithm)).toEqual(known);
  },
);

test('edge test 28: nothing is looked up, and no answer hashed, for a nonce that was not given to this flow', async () => {
  const fixture = new DigestFixture();
  const other = new DigestFixture({ nonces: fixture.otherMint() });
  const message = other.answered(request());
  work.length = 0;
  expect(await fixture.verify(message)).toMatchObject({ fault: 'foreign-nonce' });
  expect(work.filter((step) => step.startsWith('hash'))).toHaveLength(hashesOfNonces);
  expect(fixture.store.asked).toEqual([]);
});

test('edge test 28: the median times of a bad password and an unknown name are close', async () => {
  const fixture = new DigestFixture({ throttle: unlimited });
  const messages = [badPassword, badName].map((credential) => fixture.answered(request(), credential));
  const times: number[][] = [[], []];
  // Taken in turns, so that whatever else the machine does hits both alike.
  for (let round = 0; round < 400; round++) {
    for (const [which, message] of messages.entries()) {
      const start = performance.now();
      await fixture.verify(message);
      times[which]?.push(performance.now() - start);
    }
  }
  const [known = 0, unknown = 0] = times.map((list) => list.toSorted((a, b) => a - b)[list.length >> 1]);
  expect(Math.max(known, unknown) / Math.min(known, unknown)).toBeLessThan(2);
});

test('edge test 28: an answer names no reason but the challenge', async () => {
  const fixture = new DigestFixture();
  const known = await fixture.verify(fixture.answered(request(), badPassword));
  const unknown = await fixture.verify(fixture.answered(request(), badName));
  expect(onTheWire(known)).toEqual(onTheWire(unknown));
});
