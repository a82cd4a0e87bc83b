import { readFileSync } from 'node:fs';
import { cpuSecondsOf } from '../../test/support/process-usage.ts';
import type { WireTransport } from './phones/wire.ts';

/** What is measured: a proxy and registrar, with all processes that it needs. */
export interface System {
  readonly name: string;
  /** On the loopback address. */
  port(transport: WireTransport): number;
  /** Whether a phone has to prove itself when it registers. */
  readonly challenges: boolean;
  /** Of all its processes. */
  pids(): readonly number[];
  stop(): Promise<void>;
}

/** From here the caller calls: a named peer, known by its address as Kamailio knows everybody. */
export const peerAddress = '127.0.0.2';

export const namesOf = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}-${at}`);

/** Processor time of all its processes so far, user and system, in seconds. */
export function cpuSeconds(system: System): number {
  return system.pids().reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
}

/** Memory of its own, shared memory of its processes counted once, in bytes; mapped files are left out. */
export function memoryBytes(system: System): number {
  const kilobytes = system.pids().flatMap((pid) =>
    readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
      .split('\n')
      .filter((line) => line.startsWith('Pss_Anon:') || line.startsWith('Pss_Shmem:'))
      .map((line) => Number(line.split(/\s+/)[1])),
  );
  return kilobytes.reduce((sum, each) => sum + each, 0) * 1_024;
}

/** How many files a process may open here, sockets included. */
export function maxDescriptors(): number {
  const line = readFileSync('/proc/self/limits', 'latin1')
    .split('\n')
    .find((text) => text.startsWith('Max open files'));
  return Number(line?.split(/\s+/)[4]);
}
