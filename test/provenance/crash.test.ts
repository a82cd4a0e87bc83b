import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeHex } from '../../src/base/index.ts';
import { splitBundle } from '../../src/provenance/bundle.ts';
import { openCheckpoint } from '../../src/provenance/checkpoint.ts';
import { type AuditLog, type RecordDraft, verifyLog } from '../../src/provenance/index.ts';
import { leafHash, rootOf } from '../../src/provenance/merkle-tree.ts';
import { bundlePath, checkpointPath, tilePath, tileWidth } from '../../src/provenance/tile-layout.ts';
import { Crash, SimulatedDisk, seeded } from './support/simulated-disk.ts';
import {
  attempt,
  checkpointKey,
  closing,
  collect,
  draft,
  openLog,
  origin,
  scratch,
} from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
beforeEach(() => {
  directory = scratch();
});
afterEach(() => directory.dispose());

/** Small segments and quick checkpoints: every kind of write comes within a few dozen records. */
const limits = { checkpointDelayMs: 1, journalSegmentBytes: 3_000, healDelayMs: 1, healProbeBytes: 512 };

const drafts: readonly RecordDraft[] = Array.from({ length: 6 }, (_, call) => [
  attempt(`call-${call}`),
  closing(`call-${call}`),
]).flat();

interface Witness {
  /** Records that somebody was told are durable. */
  readonly acknowledged: Set<string>;
}

/** A run of the gateway until it ends or dies. */
async function run(disk: SimulatedDisk, witness: Witness): Promise<void> {
  let log: AuditLog | undefined;
  try {
    log = await openLog(directory.path, { storage: disk, limits });
    for (const call of log.openCalls()) await appended(log, closing(call.id), witness);
    for (const [at, one] of drafts.entries()) {
      const done = appended(log, one, witness);
      if (at % 3 === 2) await done;
      if (at % 6 === 5) await takenIn(log, disk);
    }
    await log.close();
  } catch (error) {
    if (disk.operations < disk.crashAt) throw error;
    await log?.close().catch(() => undefined);
  }
}

/** So many records more, taken in together, each run with an index of its own; or the process dies. */
async function filled(disk: SimulatedDisk, count: number, witness: Witness): Promise<void> {
  directory.dispose();
  directory = scratch();
  try {
    const log = await openLog(directory.path, { storage: disk, limits: { checkpointDelayMs: 60_000 } });
    await Promise.all(Array.from({ length: count }, (_, at) => appended(log, draft(`event ${at}`), witness)));
    await log.close();
  } catch (error) {
    if (disk.operations < disk.crashAt) throw error;
  }
}

/** What is durable is in the tree, and the journal has let go of it; or the process is dead. */
async function takenIn(log: AuditLog, disk: SimulatedDisk): Promise<void> {
  const before = log.size;
  for (let waits = 0; waits < 20 && log.size === before && disk.operations < disk.crashAt; waits++)
    await new Promise((resolve) => setTimeout(resolve, 1));
}

function appended(log: AuditLog, draft: RecordDraft, { acknowledged }: Witness): Promise<unknown> {
  const { id, durability } = log.append(draft);
  return new Promise((resolve) =>
    durability.whenSettled((state) => {
      if (state === 'durable') acknowledged.add(id);
      resolve(state);
    }),
  );
}

/** Root of the first `size` entries as they lie on the disk. */
async function rootOn(disk: SimulatedDisk, size: number, total: number): Promise<string> {
  const leaves: Uint8Array[] = [];
  for (let index = 0; index * tileWidth < total; index++) {
    const width = Math.min(tileWidth, total - index * tileWidth);
    leaves.push(
      ...splitBundle((await disk.read(bundlePath(index, width))) ?? Buffer.alloc(0), 2).map(leafHash),
    );
  }
  return encodeHex(rootOf(leaves.slice(0, size)));
}

async function checkSurvivor(
  disk: SimulatedDisk,
  before: SimulatedDisk,
  witness: Witness,
  at: string,
): Promise<void> {
  const log = await openLog(directory.path, { storage: disk, limits });
  const ids = new Set((await collect(log.query())).map(({ id }) => id));
  for (const id of witness.acknowledged)
    expect(ids.has(id), `${at}: an acknowledged record is lost`).toBe(true);
  const open = log.openCalls();
  for (const call of open) await appended(log, closing(call.id), { acknowledged: new Set() });
  await log.close();
  const verdict = await verifyLog({ directory: '', storage: disk, vkey: log.vkey });
  expect(verdict.problems, at).toEqual([]);
  expect(verdict.openCalls, at).toBe(0);
  const signer = { name: origin, publicKey: checkpointKey.publicKey };
  for (const note of before.published.get(checkpointPath) ?? []) {
    const { size, root } = openCheckpoint(note.toString(), signer);
    expect(size, `${at}: a signed checkpoint is contradicted`).toBeLessThanOrEqual(verdict.size);
    expect(await rootOn(disk, size, verdict.size), `${at}: a signed checkpoint is contradicted`).toBe(
      encodeHex(root),
    );
  }
}

async function stepsOfARun(): Promise<number> {
  const disk = new SimulatedDisk();
  await run(disk, { acknowledged: new Set() });
  const reused = [...disk.published.keys()].filter((path) => path.endsWith('.journal'));
  expect(reused.length, 'segments in files of earlier ones').toBeGreaterThan(0);
  directory.dispose();
  directory = scratch();
  return disk.operations;
}

describe('property 14 (crash-safe): a crash at any write, sync or rename', () => {
  test('kill -9: nothing acknowledged is lost, no signed checkpoint is contradicted', async () => {
    const steps = await stepsOfARun();
    expect(steps).toBeGreaterThan(60);
    for (let step = 1; step <= steps; step++) {
      const disk = new SimulatedDisk();
      disk.crashAt = step;
      const witness = { acknowledged: new Set<string>() };
      await run(disk, witness);
      await checkSurvivor(disk.afterKill(), disk, witness, `step ${step}`);
      directory.dispose();
      directory = scratch();
    }
  }, 120_000);

  test('power cut: the same, whatever of the unsynced bytes and names is missing or torn', async () => {
    const steps = await stepsOfARun();
    for (let round = 0; round < 3; round++)
      for (let step = 1; step <= steps; step++) {
        const disk = new SimulatedDisk();
        disk.crashAt = step;
        const witness = { acknowledged: new Set<string>() };
        await run(disk, witness);
        const survivor = disk.afterPowerCut(seeded(step * 7919 + round * 104_729));
        await checkSurvivor(survivor, disk, witness, `round ${round} step ${step}`);
        directory.dispose();
        directory = scratch();
      }
  }, 120_000);

  test('while whole bundles are written: what is half there accuses nobody, and the next start repeats it', async () => {
    const few = new SimulatedDisk();
    await filled(few, tileWidth - 6, { acknowledged: new Set() });
    const whole = few.afterKill();
    await filled(whole, tileWidth, { acknowledged: new Set() });
    const notes = new Set<string>();
    for (let step = 1; step <= whole.operations; step++) {
      const disk = few.afterKill();
      disk.crashAt = step;
      const witness = { acknowledged: new Set<string>() };
      await filled(disk, tileWidth, witness);
      const survivor = step % 2 === 0 ? disk.afterKill() : disk.afterPowerCut(seeded(step * 7919));
      const verdict = await verifyLog({ directory: '', storage: survivor });
      // A torn write of the journal may have been somebody's change: that stays said.
      expect(
        verdict.problems.filter(({ kind }) => kind !== 'journal'),
        `step ${step}`,
      ).toEqual([]);
      for (const note of verdict.notes) notes.add(note);
      await checkSurvivor(survivor, disk, witness, `step ${step}`);
    }
    const repeated = 'is a write that did not finish; the next start repeats it';
    for (const path of ['openings/001', tilePath(0, 0, tileWidth), bundlePath(0, tileWidth)])
      expect(notes).toContain(`${path} ${repeated}`);
  }, 120_000);

  test('a crash during recovery from a crash loses nothing either', async () => {
    const steps = await stepsOfARun();
    for (let step = 20; step <= steps; step += 17) {
      const witness = { acknowledged: new Set<string>() };
      let disk = new SimulatedDisk();
      const published: Buffer[] = [];
      for (const crashAt of [step, 3, 8, 15]) {
        disk.crashAt = crashAt;
        await run(disk, witness);
        published.push(...(disk.published.get(checkpointPath) ?? []));
        disk = disk.afterPowerCut(seeded(step + crashAt));
      }
      const before = new SimulatedDisk();
      before.published.set(checkpointPath, published);
      await checkSurvivor(disk, before, witness, `step ${step}`);
      directory.dispose();
      directory = scratch();
    }
  }, 120_000);

  test('the simulated disk itself forgets what was not synced', async () => {
    const disk = new SimulatedDisk();
    const file = await disk.openAppend('name');
    await file.append(Buffer.from('synced '));
    await file.sync();
    await disk.syncDirectory('.');
    await file.append(Buffer.from('not'));
    disk.crashAt = disk.operations + 1;
    await expect(file.append(Buffer.from('never'))).rejects.toThrow(Crash);
    const survivor = disk.afterPowerCut(() => 0);
    expect(Buffer.from((await survivor.read('name')) ?? []).toString()).toBe('synced ');
  });
});
