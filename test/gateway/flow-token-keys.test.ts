import { expect, test } from 'vitest';
import { systemRandom } from '../../src/base/index.ts';
import {
  FlowTokenRotation,
  flowTokenKeyLifetimeMs,
  flowTokenKeys,
} from '../../src/gateway/flow-token-keys.ts';
import { FlowTokens } from '../../src/sip/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

const secret = new Uint8Array(32).fill(7);
const week = 7 * 86_400_000;
const flows = { callerFlow: 'a', calleeFlow: 'b' };

test('a flow token outlives one change of keys and not two; each week mints with another key (RFC 5626 §5)', () => {
  const clock = new FakeClock();
  const keys = flowTokenKeys(secret, clock.now(), week);
  const tokens = new FlowTokens({ keys, node: 'node', random: systemRandom });
  const rotation = new FlowTokenRotation({ tokens, secret, lifetimeMs: week, clock });
  const first = tokens.mint(flows);
  clock.advance(week);
  expect(tokens.open(first)).toMatchObject(flows);
  const second = tokens.mint(flows);
  expect(keyIdOf(second)).toBe((keyIdOf(first) + 1) % 256);
  clock.advance(week);
  expect(tokens.open(first)).toBe('unknown-key');
  expect(tokens.open(second)).toMatchObject(flows);
  rotation.close();
  expect(clock.pendingTimers).toBe(0);
});

test('a restart finds the same keys', () => {
  const clock = new FakeClock();
  const before = new FlowTokens({
    keys: flowTokenKeys(secret, clock.now(), week),
    node: 'node',
    random: systemRandom,
  });
  const token = before.mint(flows);
  clock.advance(week / 2);
  const after = new FlowTokens({
    keys: flowTokenKeys(secret, clock.now(), week),
    node: 'node',
    random: systemRandom,
  });
  expect(after.open(token)).toMatchObject(flows);
});

test('no key is dropped while a call of the longest kind goes on', () => {
  expect(flowTokenKeyLifetimeMs(3_600_000)).toBe(week);
  expect(flowTokenKeyLifetimeMs(30 * 86_400_000)).toBe(30 * 86_400_000);
});

function keyIdOf(token: string): number {
  return Buffer.from(token, 'base64url')[1] ?? -1;
}
