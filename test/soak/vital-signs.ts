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
  readonly memoryBytes: number;
  /** The log opens its next files; whoever looks has a connection of its own. Handles and timers too. */
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
    ['timers', start.timers],
    ['loopTimers', start.loopTimers + allowance.descriptors],
    ['loopHandles', start.loopHandles + allowance.descriptors],
  ];
  return bounds
    .filter(([sign, bound]) => end[sign] > bound)
    .map(([sign, bound]) => `${sign}: ${end[sign]}, at most ${bound} expected (${start[sign]} at the start)`);
}

export function signsLine(signs: VitalSigns): string {
  const { anonymousBytes, descriptors, connections, udpFlows, transactions, callsUp } = signs;
  const { timers, loopTimers, loopHandles } = signs;
  const sip = `${connections} connections, ${udpFlows} UDP flows, ${transactions} transactions, ${timers} timers, ${callsUp} calls`;
  return `${Math.round(anonymousBytes / 1e6)} MB, ${descriptors} descriptors, ${loopHandles} handles, ${loopTimers} timers; ${sip}`;
}
