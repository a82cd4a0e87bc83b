import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { endWithTest } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { LabNetwork } from './network.ts';
import { whyNoLab } from './permission.ts';
import { Sandbox } from './sandbox.ts';

const why = await whyNoLab();
if (why !== undefined) process.stderr.write(`skipped: test/lab/sandbox.test.ts: ${why}\n`);

const program = new URL('programs/held-lab.ts', import.meta.url).pathname;

describe.skipIf(why !== undefined)('a lab that is ended', () => {
  it.each(['SIGINT', 'SIGKILL'] as const)(
    'by %s leaves no program and no namespace behind',
    async (signal) => {
      const named = (): readonly string[] => (existsSync('/run/netns') ? readdirSync('/run/netns') : []);
      const before = named();
      const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
      endWithTest(child);
      const [line] = await once(createInterface({ input: child.stdout }), 'line');
      const [directory = '', pid = ''] = String(line).split(' ');
      expect(existsSync(directory)).toBe(true);
      expect(existsSync(`/proc/${pid}`)).toBe(true);
      expect(named()).toEqual(before);
      expect(insiders(directory)).not.toEqual([]);
      child.kill(signal);
      await until('the program is gone', () => !existsSync(`/proc/${pid}`));
      await until('nobody is in its namespaces', () => insiders(directory).length === 0);
      // What a killed lab can't take away itself, the next one does.
      await (await Sandbox.open()).close();
      expect(existsSync(directory)).toBe(false);
    },
  );
});

it.skipIf(why !== undefined)('a program does not begin once its lab has ended', async () => {
  const { sandbox } = await LabNetwork.build();
  // As whoever inherits it would find it: the parent is not the lab's process.
  const begin = [...sandbox.launcher('gateway'), 'echo', 'begun'];
  const heir = spawn('sh', ['-c', '"$@"; :', 'sh', ...begin], { stdio: ['ignore', 'pipe', 'inherit'] });
  expect((await heir.stdout.toArray()).toString()).toBe('');
  expect(
    (
      await sandbox
        .spawn('gateway', ['echo', 'begun'], { stdio: ['ignore', 'pipe', 'inherit'] })
        .stdout?.toArray()
    )?.toString(),
  ).toBe('begun\n');
  await sandbox.close();
});

/** The processes that see what only this lab mounts. */
function insiders(directory: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return Number(pid) > 0 && readFileSync(`/proc/${pid}/mounts`, 'utf8').includes(basename(directory));
    } catch {
      return false;
    }
  });
}
