import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AuditLog, verifyLog } from '../../src/provenance/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { alice, attempt, closing, collect, draft, openLog, scratch, settled } from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
let disk: SimulatedDisk;
let clock: FakeClock;
let log: AuditLog;
beforeEach(async () => {
  directory = scratch();
  disk = new SimulatedDisk();
  clock = new FakeClock();
  log = await openLog(directory.path, { storage: disk, clock });
});
afterEach(async () => {
  await log.close();
  directory.dispose();
});

const faults: readonly (readonly [string, () => void, () => void])[] = [
  [
    'full',
    () => {
      disk.freeBytes = 700;
    },
    () => {
      disk.freeBytes = Number.POSITIVE_INFINITY;
    },
  ],
  [
    'read-only',
    () => {
      disk.readOnly = true;
    },
    () => {
      disk.readOnly = false;
    },
  ],
  [
    'failing to sync',
    () => {
      disk.failSyncs = true;
    },
    () => {
      disk.failSyncs = false;
    },
  ],
];

describe.each(faults)('property 14 (fail-closed): a disk that is %s', (_, breakDisk, mend) => {
  test('fails what is pending, refuses what follows, and heals by itself', async () => {
    const changes: boolean[] = [];
    log.onHealthChange((healthy) => changes.push(healthy));
    const before = log.append(attempt('before'));
    expect(await settled(before)).toBe('durable');
    breakDisk();
    const lost = [log.append(attempt('lost')), log.append(closing('before'))];
    expect(await Promise.all(lost.map(settled))).toEqual(['failed', 'failed']);
    expect(log.healthy).toBe(false);
    expect(() => log.append(attempt('refused'))).toThrow(expect.objectContaining({ code: 'unhealthy' }));
    expect(log.openCalls().map(({ id }) => id)).toEqual(['before']);
    clock.advance(500);
    await expect.poll(() => clock.pendingTimers).toBe(1);
    expect(log.healthy).toBe(false);
    mend();
    clock.advance(500);
    await expect.poll(() => log.healthy).toBe(true);
    expect(changes).toEqual([false, true]);
    // A parent that never came to be is left out; the sequence of the identity has no hole.
    const after = log.append({ ...closing('before'), eraan: { parents: [before.id, lost[0]?.id ?? ''] } });
    expect(await settled(after)).toBe('durable');
    const records = await collect(log.query({ identity: alice }));
    expect(records.map(({ parties }) => parties[0]?.seq)).toEqual([1, 2]);
    expect(records[1]?.eraan).toMatchObject({ parents: [before.id], previous: before.id });
    await log.close();
    expect(await verifyLog({ directory: '', storage: disk, vkey: log.vkey })).toMatchObject({
      valid: true,
      openCalls: 0,
    });
  });

  test('while the tree is being extended: records stay durable, calls are refused until it heals', async () => {
    expect(await settled(log.append(attempt('one')))).toBe('durable');
    breakDisk();
    clock.advance(500);
    await expect.poll(() => log.healthy).toBe(false);
    mend();
    clock.advance(500);
    await expect.poll(() => log.healthy).toBe(true);
    expect(log.size).toBe(2);
    expect(await settled(log.append(closing('one')))).toBe('durable');
    await log.close();
    expect(await verifyLog({ directory: '', storage: disk, vkey: log.vkey })).toMatchObject({
      valid: true,
      size: 3,
    });
  });
});

test('a disk too full to start on is said to be so', async () => {
  const full = new SimulatedDisk();
  full.freeBytes = 600;
  const other = scratch();
  await expect(openLog(other.path, { storage: full })).rejects.toThrow();
  expect(await full.locked()).toBe(false);
  other.dispose();
});

test('a queue behind a disk that does not keep up is bounded', async () => {
  const other = scratch();
  const small = await openLog(other.path, {
    storage: new SimulatedDisk(),
    clock,
    limits: { maxWaitingRecords: 10 },
  });
  const results = Array.from({ length: 9 }, () => small.append(draft('x')));
  expect(() => small.append(draft('x'))).toThrow(expect.objectContaining({ code: 'unhealthy' }));
  expect(await Promise.all(results.map(settled))).not.toContain('failed');
  await small.close();
  other.dispose();
});

describe('property 14 (fail-closed): a disk that is slow', () => {
  test.each([
    ['refuses new calls until it has answered (slowDiskMs: 2000)', 2_000, false],
    ['lets them wait (slowDiskMs: 0)', 0, true],
  ] as const)('%s; what was under way waits, and is recorded', async (_, slowDiskMs, healthy) => {
    const other = scratch();
    const slow = new SimulatedDisk();
    const one = await openLog(other.path, { storage: slow, clock, limits: { slowDiskMs } });
    const { promise, resolve } = Promise.withResolvers<void>();
    slow.stalled = promise;
    const waiting = one.append(attempt('slow'));
    // The batch is under way once it has been handed to the disk.
    await expect.poll(() => slow.operations).toBeGreaterThan(0);
    await new Promise((next) => setImmediate(() => setImmediate(next)));
    clock.advance(2_000);
    await expect.poll(() => one.healthy).toBe(healthy);
    expect(waiting.durability.state).toBe('pending');
    slow.stalled = undefined;
    resolve();
    expect(await settled(waiting)).toBe('durable');
    expect(one.healthy).toBe(true);
    expect((await one.get(waiting.id))?.event).toBe('call.attempt');
    await one.close();
    other.dispose();
  });
});

test('a journal that an earlier build wrote is refused and left as it is, not taken for a torn write', async () => {
  expect(await settled(log.append(attempt('kept')))).toBe('durable');
  const survivor = disk.afterKill();
  const path = survivor.files().find((name) => name.startsWith('journal/')) ?? 'no journal';
  survivor.tamper(path, (bytes) => Buffer.concat([Buffer.from('TSJ1'), bytes.subarray(4)]));
  const before = await survivor.read(path);
  await expect(openLog(directory.path, { storage: survivor, clock })).rejects.toThrow(
    expect.objectContaining({ code: 'journal-damaged', message: expect.stringContaining('earlier build') }),
  );
  expect(await survivor.read(path)).toEqual(before);
});
