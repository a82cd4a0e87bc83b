import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpuSecondsOf } from '../../test/support/process-usage.ts';
import { run } from '../../test/support/processes.ts';
import { freePort, udpBound } from '../../test/support/sipp.ts';
import type { StockPhone } from '../../test/support/stock-phones.ts';
import { crowdNames, type System } from './system.ts';

const configuration = new URL('kamailio.cfg', import.meta.url).pathname;

export async function kamailioVersion(): Promise<string> {
  const { out } = await run('kamailio', ['-v']);
  return out.split('\n')[0]?.replace('version: ', '') ?? 'kamailio';
}

/** `children`: its UDP workers; one suits a machine with two cores best, where the load generator needs the other. */
export async function startKamailio(options: {
  readonly challenges: boolean;
  readonly children: number;
}): Promise<System> {
  const port = await freePort();
  const child = spawn(
    'kamailio',
    [
      ...['-f', configuration, '-DD', '-E', '-m', '512', '-M', '16', '-T'],
      ...['-n', String(options.children), '-l', `udp:127.0.0.1:${port}`],
      ...(options.challenges ? ['-A', 'AUTH'] : []),
    ],
    // A group of its own, so that no worker outlives its parent.
    { stdio: ['ignore', 'ignore', 'ignore'], detached: true },
  );
  const endGroup = (): void => endGroupOf(child);
  process.once('exit', endGroup);
  child.once('exit', () => process.off('exit', endGroup));
  await udpBound(port);
  const phone = (user: string): StockPhone => ({ user, password: `pass-${user}`, fingerprint: '' });
  return {
    name: 'kamailio',
    port,
    phones: { caller: phone('caller'), callee: phone('callee') },
    crowd: crowdNames.map(phone),
    challenges: options.challenges,
    cpuSeconds: () => processTree(child.pid ?? 0).reduce((sum, pid) => sum + cpuSecondsOf(pid), 0),
    stop: () => ended(child),
  };
}

function endGroupOf({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, 'SIGKILL');
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    endGroupOf(child);
  });
}

/** A process and its children, as Linux lists them. */
function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number),
  );
  return [pid, ...children.flatMap(processTree)];
}
