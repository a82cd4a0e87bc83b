import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeClock } from '../support/fake-clock.ts';
import { attempt, closing, draft, openLog, scratch, settled } from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
beforeEach(() => {
  directory = scratch();
});
afterEach(() => directory.dispose());

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe('records that nobody waits for', () => {
  test('become durable together with the next one that somebody waits for', async () => {
    const log = await openLog(directory.path, { clock: new FakeClock() });
    const unhurried = log.append({ ...attempt('c1'), unhurried: true });
    await turns();
    expect(unhurried.durability.state).toBe('pending');
    const hurried = log.append(draft('somebody waits'));
    expect(await settled(hurried)).toBe('durable');
    expect(unhurried.durability.state).toBe('durable');
    await log.close();
  });

  test('go by themselves after unhurriedDelayMs', async () => {
    const clock = new FakeClock();
    const log = await openLog(directory.path, { clock });
    const unhurried = log.append({ ...attempt('c1'), unhurried: true });
    clock.advance(39);
    await turns();
    expect(unhurried.durability.state).toBe('pending');
    clock.advance(1);
    expect(await settled(unhurried)).toBe('durable');
    await log.close();
  });

  test('are written when the log closes', async () => {
    const log = await openLog(directory.path, { clock: new FakeClock() });
    await settled(log.append(attempt('c1')));
    const last = log.append({ ...closing('c1'), unhurried: true });
    await log.close();
    expect(last.durability.state).toBe('durable');
    const again = await openLog(directory.path);
    expect(again.openCalls()).toEqual([]);
    await again.close();
  });
});

describe('records that somebody waits for', () => {
  test('share a batch that begins commitIntervalMs after the one before', async () => {
    const clock = new FakeClock();
    const log = await openLog(directory.path, { clock, limits: { commitIntervalMs: 10 } });
    clock.advance(10);
    const first = log.append(draft('after a pause'));
    expect(await settled(first)).toBe('durable');
    const second = log.append(draft('under load'));
    clock.advance(9);
    const third = log.append(draft('under load'));
    await turns();
    expect(second.durability.state).toBe('pending');
    clock.advance(1);
    expect(await Promise.all([settled(second), settled(third)])).toEqual(['durable', 'durable']);
    await log.close();
  });
});
