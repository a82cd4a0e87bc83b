import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LogVerdict, verifyLog } from '../../src/provenance/index.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { attempt, closing, openLog, scratch, settled } from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
beforeEach(() => {
  directory = scratch();
});
afterEach(() => directory.dispose());

const verify = (storage: SimulatedDisk, vkey: string): Promise<LogVerdict> =>
  verifyLog({ directory: '', storage, vkey });

async function closedLog(): Promise<{ readonly disk: SimulatedDisk; readonly vkey: string }> {
  const disk = new SimulatedDisk();
  const log = await openLog(directory.path, { storage: disk });
  log.append(attempt('one'));
  await settled(log.append(closing('one')));
  await log.close();
  return { disk, vkey: log.vkey };
}

test('seed 13: property 4 (single-bit), every flipped byte of every file of a closed log is found, and the verdict names the file', async () => {
  const { disk, vkey } = await closedLog();
  expect(await verify(disk, vkey)).toMatchObject({ valid: true, size: 3, openCalls: 0 });
  let flipped = 0;
  for (const path of disk.files()) {
    const length = (await disk.read(path))?.length ?? 0;
    for (let at = 0; at < length; at++) {
      const flip = (bytes: Buffer): Buffer => {
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
        return bytes;
      };
      disk.tamper(path, flip);
      const { valid, problems } = await verify(disk, vkey);
      disk.tamper(path, flip);
      const files = problems.map(({ file }) => file);
      // A flipped entry also lies in the partial bundles that begin alike; one of the problems names this file.
      if (valid || !files.includes(path)) expect.fail(`${path} byte ${at}: ${JSON.stringify(problems)}`);
      flipped += 1;
    }
  }
  expect(flipped).toBeGreaterThan(3000);
});

test('property 4 (single-bit): every flipped byte of the journal that a killed process left is found', async () => {
  const disk = new SimulatedDisk();
  const log = await openLog(directory.path, { storage: disk, limits: { checkpointDelayMs: 60_000 } });
  await settled(log.append(attempt('one')));
  await settled(log.append(closing('one')));
  const killed = disk.afterKill();
  await log.close();
  expect(await verify(killed, log.vkey)).toMatchObject({ valid: true, size: 0, journaled: 3 });
  const path = killed.files().find((file) => file.startsWith('journal/')) ?? '';
  const length = (await killed.read(path))?.length ?? 0;
  for (let at = 0; at < length; at++) {
    const flip = (bytes: Buffer): Buffer => {
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      return bytes;
    };
    killed.tamper(path, flip);
    const { valid } = await verify(killed, log.vkey);
    killed.tamper(path, flip);
    if (valid) expect.fail(`journal byte ${at}`);
  }
  expect(length).toBeGreaterThan(2000);
});
