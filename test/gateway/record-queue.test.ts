import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RecordQueue } from '../../src/gateway/record-queue.ts';
import { type AuditLog, verifyLog } from '../../src/provenance/index.ts';
import { SimulatedDisk } from '../provenance/support/simulated-disk.ts';
import {
  attempt,
  closing,
  collect,
  draft,
  openLog,
  scratch,
  settled,
} from '../provenance/support/test-log.ts';
import { FakeClock } from '../support/fake-clock.ts';

let directory: ReturnType<typeof scratch>;
let disk: SimulatedDisk;
let clock: FakeClock;
let log: AuditLog;
let queue: RecordQueue;
beforeEach(async () => {
  directory = scratch();
  disk = new SimulatedDisk();
  clock = new FakeClock();
  log = await openLog(directory.path, { storage: disk, clock });
  queue = new RecordQueue({ audit: log, clock });
});
afterEach(async () => {
  await log.close();
  directory.dispose();
});

const ringing = (id: string): ReturnType<typeof draft> =>
  draft('call.ringing', { call: { id, phase: 'progress' } });
const answer = (id: string): ReturnType<typeof draft> =>
  draft('call.answer', { call: { id, phase: 'answer' } });

async function eventsOf(callId: string): Promise<readonly (readonly [string, unknown])[]> {
  const records = await collect(log.query({ callId }));
  return records.map(({ event, eromheen }) => [event, eromheen['occurred']]);
}

/** The log looks at the disk every 500 ms. */
async function heal(): Promise<void> {
  disk.freeBytes = Number.POSITIVE_INFINITY;
  clock.advance(500);
  await expect.poll(() => log.healthy).toBe(true);
}

describe('property 14 (fail-closed): what a call leaves while the disk is full', () => {
  test('is written when there is room again, in order, and says when it happened', async () => {
    const failing = log.append(attempt('up'));
    expect(await settled(failing)).toBe('durable');
    disk.freeBytes = 0;
    const rangAt = new Date(clock.now()).toISOString();
    // Under way when the disk fails.
    queue.write(ringing('up'));
    await expect.poll(() => log.healthy).toBe(false);
    clock.advance(100);
    const answeredAt = new Date(clock.now()).toISOString();
    // Refused at once.
    queue.write(answer('up'));
    await heal();
    // Comes when the log is healthy again, and must not overtake.
    const endedAt = new Date(clock.now()).toISOString();
    queue.write(closing('up'));
    clock.advance(1_000);
    await expect.poll(async () => (await eventsOf('up')).length).toBe(4);
    expect(await eventsOf('up')).toEqual([
      ['call.attempt', undefined],
      ['call.ringing', rangAt],
      ['call.answer', answeredAt],
      ['call.end', endedAt],
    ]);
    queue.stop();
    await log.close();
    expect(await verifyLog({ directory: '', storage: disk, vkey: log.vkey })).toMatchObject({
      valid: true,
      openCalls: 0,
    });
  });

  test('is offered again as often as it takes', async () => {
    await settled(log.append(attempt('up')));
    disk.freeBytes = 0;
    queue.write(ringing('up'));
    queue.write(closing('up'));
    for (let round = 0; round < 3; round++) {
      await expect.poll(() => log.healthy).toBe(false);
      clock.advance(1_000);
    }
    await heal();
    clock.advance(1_000);
    await expect
      .poll(async () => (await eventsOf('up')).map(([event]) => event))
      .toEqual(['call.attempt', 'call.ringing', 'call.end']);
  });

  test('does not follow an attempt that was lost with the disk', async () => {
    disk.freeBytes = 0;
    const lost = log.append(attempt('lost'));
    queue.write(ringing('lost'));
    queue.write(closing('lost'));
    expect(await settled(lost)).toBe('failed');
    await heal();
    clock.advance(1_000);
    expect(await settled(log.append(attempt('after')))).toBe('durable');
    expect(await eventsOf('lost')).toEqual([]);
  });

  test('is offered a last time when the gateway stops', async () => {
    await settled(log.append(attempt('up')));
    disk.freeBytes = 0;
    queue.write(closing('up'));
    await expect.poll(() => log.healthy).toBe(false);
    await heal();
    queue.stop();
    await log.close();
    expect(await verifyLog({ directory: '', storage: disk, vkey: log.vkey })).toMatchObject({
      valid: true,
      openCalls: 0,
    });
  });
});
