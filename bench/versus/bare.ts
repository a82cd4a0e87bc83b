import { fork } from 'node:child_process';
import { once } from 'node:events';
import { endWithTest } from '../../test/support/processes.ts';
import type { System } from './system.ts';

/** A Node process that does nothing but send on what it receives over UDP: see bare-process.ts. */
export async function startBare(duty?: 'sign' | 'verify' | 'challenge'): Promise<System> {
  const child = fork(new URL('bare-process.ts', import.meta.url), duty === undefined ? [] : [duty]);
  endWithTest(child);
  const [port] = (await once(child, 'message')) as [number];
  return {
    name: 'bare',
    port: () => port,
    challenges: duty === 'challenge',
    pids: () => [child.pid ?? 0],
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
