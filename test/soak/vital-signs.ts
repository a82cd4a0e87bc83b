import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayProcess } from '../support/processes.ts';
import { until } from '../support/until.ts';

const collectionMs = 60_000;

/** What a gateway holds at one moment, seen from outside. */
export interface VitalSigns {
  /** Memory of its own: without the log's index, which is a mapped file and grows with the log. */
  readonly anonymousBytes: number;
  /** Of that, what the program's objects and buffers take; garbage too, unless it has just been collected. */
  readonly heapBytes: number;
  /** Open files and sockets. */
  readonly descriptors: number;
  readonly connections: number;
  readonly udpFlows: number;
  readonly transactions: number;
  readonly callsUp: number;
  /** Timers of the SIP core, on its own wheel. */
  readonly timers: number;
  /** Timers and handles of the event loop, all others included. */
  readonly loopTimers: number;
  readonly loopHandles: number;
}

export async function vitalSignsOf(gateway: GatewayProcess): Promise<VitalSigns> {
  const answer = await fetch(`http://127.0.0.1:${gateway.port('http')}/metrics`);
  const metrics = metricsIn(await answer.text());
  const read = (name: string): number => {
    const value = metrics.get(name);
    if (value === undefined) throw new Error(`no metric ${name}`);
    return value;
  };
  return {
    anonymousBytes: anonymousBytesOf(gateway.pid),
    heapBytes: read('nodejs_heap_size_used_bytes') + read('nodejs_external_memory_bytes'),
    descriptors: readdirSync(`/proc/${gateway.pid}/fd`).length,
    connections: read('tibet_sip_flows{transport="connections"}'),
    udpFlows: read('tibet_sip_flows{transport="udp"}'),
    transactions: read('tibet_sip_transactions'),
    callsUp: read('tibet_sip_calls_up'),
    timers: read('tibet_sip_timers'),
    loopTimers: metrics.get('nodejs_active_resources{type="Timeout"}') ?? 0,
    loopHandles: read('nodejs_active_handles_total'),
  };
}

/** Node's own way to make another process collect all garbage: it precedes a snapshot of the heap, in `directory`. */
export function collecting(directory: string): readonly string[] {
  return ['--heapsnapshot-signal=SIGUSR2', `--diagnostic-dir=${directory}`];
}

/** The signs when nothing but what is still needed is in memory; the gateway was started with `collecting`. */
export async function signsAfterCollection(gateway: GatewayProcess, directory: string): Promise<VitalSigns> {
  process.kill(gateway.pid, 'SIGUSR2');
  const snapshots = (): string[] => readdirSync(directory).filter((name) => name.endsWith('.heapsnapshot'));
  await until('the heap is collected', () => snapshots().length > 0, collectionMs);
  // It is written while nothing else runs: whoever gets an answer comes after it.
  const signs = await vitalSignsOf(gateway);
  for (const name of snapshots()) rmSync(join(directory, name));
  return signs;
}

/** Prometheus' text: a name with its labels, a blank and the value. */
function metricsIn(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

function anonymousBytesOf(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, 'latin1')
    .split('\n')
    .find((text) => text.startsWith('RssAnon:'));
  return Number(line?.split(/\s+/)[1]) * 1_024;
}

/** What may be more than at the start without being a leak. */
export interface Allowance {
  readonly heapBytes: number;
  /** The log opens its next files; whoever looks has a connection of its own. Handles and timers too. */
  readonly descriptors: number;
  /** UDP has no end of a flow: as many as the limit says are remembered. */
  readonly udpFlows: number;
}

/** What did not come back to where it was, one line each. */
export function leaks(start: VitalSigns, end: VitalSigns, allowance: Allowance): readonly string[] {
  const bounds: readonly (readonly [keyof VitalSigns, number])[] = [
    ['heapBytes', start.heapBytes + allowance.heapBytes],
    ['descriptors', start.descriptors + allowance.descriptors],
    ['connections', start.connections],
    ['udpFlows', Math.max(start.udpFlows, allowance.udpFlows)],
    ['transactions', start.transactions],
    ['callsUp', start.callsUp],
    ['timers', start.timers],
    ['loopTimers', start.loopTimers + allowance.descriptors],
    ['loopHandles', start.loopHandles + allowance.descriptors],
  ];
  return bounds
    .filter(([sign, bound]) => end[sign] > bound)
    .map(([sign, bound]) => `${sign}: ${end[sign]}, at most ${bound} expected (${start[sign]} at the start)`);
}

export function signsLine(signs: VitalSigns): string {
  const { anonymousBytes, heapBytes, descriptors, connections, udpFlows, transactions, callsUp } = signs;
  const { timers, loopTimers, loopHandles } = signs;
  const sip = `${connections} connections, ${udpFlows} UDP flows, ${transactions} transactions, ${timers} timers, ${callsUp} calls`;
  const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
  return `${megabytes(anonymousBytes)} MB, ${megabytes(heapBytes)} of them in use, ${descriptors} descriptors, ${loopHandles} handles, ${loopTimers} timers; ${sip}`;
}
