import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { TestAuthority } from '../../test/support/certificates.ts';
import { freePort } from '../../test/support/free-port.ts';
import { run } from '../../test/support/processes.ts';
import { udpBound } from '../../test/support/sipp.ts';
import { until } from '../../test/support/until.ts';
import type { System } from './system.ts';

const configuration = new URL('kamailio.cfg', import.meta.url).pathname;
/** Debian keeps the modules in a folder for each architecture. */
const [modules = '/usr/lib/kamailio/modules'] = globSync('/usr/lib/*/kamailio/modules');

export async function kamailioVersion(): Promise<string> {
  const { out } = await run('kamailio', ['-v']);
  return out.split('\n')[0]?.replace('version: ', '') ?? 'kamailio';
}

export interface KamailioOptions {
  /** Whether a REGISTER needs a digest. */
  readonly challenges?: boolean;
  /** TCP, TLS and WebSocket besides UDP. */
  readonly streams?: boolean;
}

/** One UDP worker (and one for streams) suits a machine with two cores best, where the load generator needs the other. */
export async function startKamailio({
  challenges = false,
  streams = false,
}: KamailioOptions = {}): Promise<System> {
  const [port, tlsPort] = [await freePort(), await freePort()];
  const authority = new TestAuthority();
  const { cert, key } = authority.issue({ commonName: 'localhost' });
  const listeners = [
    `udp:127.0.0.1:${port}`,
    ...(streams ? [`tcp:127.0.0.1:${port}`, `tls:127.0.0.1:${tlsPort}`] : []),
  ];
  const defines = [
    ...(challenges ? ['AUTH'] : []),
    ...(streams ? ['STREAMS', `CERT="${cert}"`, `KEY="${key}"`] : []),
  ];
  const child = spawn(
    'kamailio',
    [
      ...['-f', configuration, '-L', modules, '-DD', '-E', '-m', '4096', '-M', '16', '-n', '1'],
      ...listeners.flatMap((listener) => ['-l', listener]),
      ...(streams ? [] : ['-T']),
      ...defines.flatMap((define) => ['-A', define]),
    ],
    // A group of its own, so that no worker outlives its parent.
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  let log = '';
  child.stderr.setEncoding('latin1').on('data', (text: string) => {
    log = (log + text).slice(-2_000);
  });
  const endGroup = (): void => endGroupOf(child);
  process.once('exit', endGroup);
  child.once('exit', () => process.off('exit', endGroup));
  const listening = async (): Promise<void> => {
    await udpBound(port);
    if (streams) await until('kamailio listens for TLS', () => listensOn(tlsPort));
  };
  await Promise.race([
    listening(),
    once(child, 'exit').then(() => Promise.reject(new Error(`kamailio did not start: ${log}`))),
  ]);
  return {
    name: 'kamailio',
    port: (transport) => (transport === 'tls' ? tlsPort : port),
    challenges,
    pids: () => processTree(child.pid ?? 0),
    stop: async () => {
      await ended(child);
      authority.remove();
    },
  };
}

function listensOn(port: number): boolean {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`;
  return readFileSync('/proc/net/tcp', 'latin1').includes(hex);
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
