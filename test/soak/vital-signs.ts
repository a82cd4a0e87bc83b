import { readdirSync, readFileSync } from 'node:fs';
import type { GatewayProcess } from '../support/processes.ts';

/** What a gateway holds at one moment, seen from outside. */
export interface VitalSigns {
  /** Memory of its own: without the log's index, which is a mapped file and grows with the log. */
  readonly anonymousBytes: number;
  /** Open files and sockets. */
  readonly descriptors: number;
  readonly connections: number;
  readonly udpFlows: number;
  readonly transactions: number;
  readonly callsUp: number;
}

export async function vitalSignsOf(gateway: GatewayProcess): Promise<VitalSigns> {
  const answer = await fetch(`http://127.0.0.1:${gateway.port('http')}/status`);
  const status: unknown = await answer.json();
  return {
    anonymousBytes: anonymousBytesOf(gateway.pid),
    descriptors: readdirSync(`/proc/${gateway.pid}/fd`).length,
    connections: numberIn(status, 'flows', 'connections'),
    udpFlows: numberIn(status, 'flows', 'udp'),
    transactions: numberIn(status, 'transactions'),
    callsUp: numberIn(status, 'callsUp'),
  };
}

function anonymousBytesOf(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, 'latin1')
    .split('\n')
    .find((text) => text.startsWith('RssAnon:'));
  return Number(line?.split(/\s+/)[1]) * 1_024;
}

function numberIn(value: unknown, ...path: readonly string[]): number {
  let at = value;
  for (const name of path)
    at =
      typeof at === 'object' && at !== null
        ? Object.entries(at).find(([key]) => key === name)?.[1]
        : undefined;
  if (typeof at !== 'number') throw new Error(`the status has no ${path.join('.')}`);
  return at;
}

/** What may be more than at the start without being a leak. */
export interface Allowance {
  readonly memoryBytes: number;
  /** The log opens its next files. */
  readonly descriptors: number;
  /** UDP has no end of a flow: as many as the limit says are remembered. */
  readonly udpFlows: number;
}

/** What did not come back to where it was, one line each. */
export function leaks(start: VitalSigns, end: VitalSigns, allowance: Allowance): readonly string[] {
  const bounds: readonly (readonly [keyof VitalSigns, number])[] = [
    ['anonymousBytes', start.anonymousBytes + allowance.memoryBytes],
    ['descriptors', start.descriptors + allowance.descriptors],
    ['connections', start.connections],
    ['udpFlows', Math.max(start.udpFlows, allowance.udpFlows)],
    ['transactions', start.transactions],
    ['callsUp', start.callsUp],
  ];
  return bounds
    .filter(([sign, bound]) => end[sign] > bound)
    .map(([sign, bound]) => `${sign}: ${end[sign]}, at most ${bound} expected (${start[sign]} at the start)`);
}

export function signsLine(signs: VitalSigns): string {
  const { anonymousBytes, descriptors, connections, udpFlows, transactions, callsUp } = signs;
  return `${Math.round(anonymousBytes / 1e6)} MB, ${descriptors} descriptors, ${connections} connections, ${udpFlows} UDP flows, ${transactions} transactions, ${callsUp} calls`;
}
