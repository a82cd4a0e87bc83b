import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { freePort } from './free-port.ts';
import { endWithTest } from './processes.ts';
import { until } from './until.ts';

/** Debian's rtpengine-daemon is there. */
export const rtpengineInstalled: boolean = spawnSync('rtpengine', ['--version']).status === 0;
if (!rtpengineInstalled)
  process.stderr.write('skipped: tests with a real rtpengine: install the Debian package rtpengine-daemon\n');

/** rtpengine in user space, in a process of its own. */
export interface Rtpengine {
  /** `127.0.0.1:22222`, as the configuration has it. */
  readonly control: string;
  readonly port: number;
  /** How many of its media ports it holds. */
  mediaPorts(): number;
  /** Ends it as a power cut does. */
  kill(): Promise<void>;
}

export interface RtpengineOptions {
  /**
   * The range of its media ports: no two of them may overlap, nor any with the ports that the kernel
   * gives to others (32768 and above).
   */
  readonly ports: readonly [first: number, last: number];
  readonly controlPort?: number;
  readonly options?: readonly string[];
}

/** Resolves when it answers. */
export async function startRtpengine(options: RtpengineOptions): Promise<Rtpengine> {
  const [first, last] = options.ports;
  const port = options.controlPort ?? (await freePort());
  const child = spawn(
    'rtpengine',
    [
      // Debian's own configuration has ports in it that a second instance would want as well.
      '--config-file=none',
      '--foreground',
      '--log-stderr',
      '--log-level=3',
      '--table=-1',
      '--num-threads=2',
      '--interface=127.0.0.1',
      `--listen-ng=127.0.0.1:${port}`,
      `--port-min=${first}`,
      `--port-max=${last}`,
      ...(options.options ?? []),
    ],
    { stdio: 'ignore' },
  );
  endWithTest(child);
  const exited = once(child, 'exit');
  await answering(port);
  return {
    control: `127.0.0.1:${port}`,
    port,
    mediaPorts: () => udpPortsOf(child.pid).filter((held) => held >= first && held <= last).length,
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function answering(port: number): Promise<void> {
  const socket = createSocket('udp4');
  let answered = false;
  socket.on('message', () => {
    answered = true;
  });
  try {
    await until('rtpengine answers', () => {
      socket.send('test d7:command4:pinge', port, '127.0.0.1', () => {});
      return answered;
    });
  } finally {
    socket.close();
  }
}

/** Those of IPv4 that a process holds: others' sockets may have ports from the same range. */
function udpPortsOf(pid: number | undefined): number[] {
  const held = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => socketInode(`/proc/${pid}/fd/${fd}`)));
  return readFileSync('/proc/net/udp', 'latin1')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => held.has(columns[9]))
    .map((columns) => Number.parseInt(columns[1]?.split(':')[1] ?? '', 16));
}

/** None if it is no socket, or closed by now. */
function socketInode(fd: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(fd))?.[1];
  } catch {
    return undefined;
  }
}
