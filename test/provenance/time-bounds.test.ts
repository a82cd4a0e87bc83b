import { afterEach, beforeEach, expect, test } from 'vitest';
import { verifyLog } from '../../src/provenance/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { draft, openLog, scratch, settled } from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
beforeEach(() => {
  directory = scratch();
});
afterEach(() => directory.dispose());

test.each([
  ['as it happened', 0, []],
  ['an hour before its seal', -3_600_000, ['time']],
  ['an hour after its seal', 3_600_000, ['time']],
] as const)(
  'property 11 (time-bounded both ways): a record that claims a time %s',
  async (_, offMs, kinds) => {
    const disk = new SimulatedDisk();
    const clock = new FakeClock();
    let lie = 0;
    // A node that lies about when: the first thing that asks for the time after `append` is the record itself.
    const lying = {
      now: () => {
        const now = clock.now() + lie;
        lie = 0;
        return now;
      },
      monotonicMs: () => clock.monotonicMs(),
      setTimer: clock.setTimer.bind(clock),
    };
    const log = await openLog(directory.path, { storage: disk, clock: lying });
    lie = offMs;
    await settled(log.append(draft('x')));
    await log.close();
    const { problems } = await verifyLog({ directory: '', storage: disk, vkey: log.vkey });
    expect(problems.map(({ kind }) => kind)).toEqual(kinds);
  },
);
