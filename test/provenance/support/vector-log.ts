import { type Clock, encodeHex } from '../../../src/base/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { attempt, closing, countingRandom, openLog, scratch, settled } from './test-log.ts';

/** The same log each time: fixed keys, clock and randomness. */
export async function vectorLog(): Promise<{ readonly disk: SimulatedDisk; readonly vkey: string }> {
  const directory = scratch();
  const disk = new SimulatedDisk();
  const clock: Clock = new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5, 678));
  const log = await openLog(directory.path, { storage: disk, clock, random: countingRandom() });
  const first = log.append(attempt('call-1'));
  const second = log.append({ ...closing('call-1'), eraan: { parents: [first.id], tokens: ['dG9rZW4'] } });
  await settled(second);
  await log.close();
  directory.dispose();
  return { disk, vkey: log.vkey };
}

/** Every file of the log but the lock, in hex: what `test/vectors/audit-log.json` holds. */
export async function vectorFiles(disk: SimulatedDisk): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const path of [...disk.files()].sort())
    if (path.startsWith('public/') || path.startsWith('openings/') || path === 'party-keys')
      files[path] = encodeHex((await disk.read(path)) ?? new Uint8Array(0));
  return files;
}
