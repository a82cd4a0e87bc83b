import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Finished, run } from './processes.ts';
import { domain as defaultDomain, type StockPhone } from './stock-phones.ts';
import { until } from './until.ts';

const scenarios = new URL('../sipp-scenarios/', import.meta.url).pathname;

export interface SippOptions {
  /** A file of `test/sipp-scenarios` without its `.xml`, or one of SIPp's own as `-sn NAME`. */
  readonly scenario: string;
  /** The gateway's port of that transport, on the loopback address. */
  readonly gatewayPort: number;
  /** `udp`: one socket for all calls; `tcp`: one connection. */
  readonly transport?: 'udp' | 'tcp';
  /** Default is 127.0.0.1. */
  readonly localAddress?: string;
  readonly localPort: number;
  /** Whose password answers a challenge. */
  readonly phone?: StockPhone;
  /** Who is called; without it `phone` itself is meant. */
  readonly callee?: string;
  /** The gateway's; default is that of one on its defaults. */
  readonly domain?: string;
  /** The user in From; default is the phone's own. */
  readonly from?: string;
  /** Whom a scenario with a transfer names as its target. */
  readonly third?: string;
  readonly expiresSeconds?: number;
  readonly calls?: number;
  readonly callsPerSecond?: number;
  /** Calls at one time; the next one waits for the end of another. */
  readonly concurrent?: number;
  /** How long an answered call lasts. */
  readonly holdMs?: number;
  /** Where it receives RTP, which it sends back as it came. */
  readonly echoesMediaAt?: number;
  /** SIPp's `-cid_str`: for scenarios whose two sides must agree on it. */
  readonly callIds?: string;
  readonly timeoutSeconds?: number;
  /** Lines for `[field0]`, `[field1]` …, one a call, from the first again after the last. */
  readonly lines?: readonly string[];
  /** Ends the run early. */
  readonly signal?: AbortSignal;
}

export interface SippResult extends Finished {
  readonly successful: number;
  readonly failed: number;
  /** Messages sent or received once more than the scenario wants. */
  readonly retransmissions: number;
}

/** One SIPp run; `code` 0 means that no call failed. */
export async function sipp(options: SippOptions): Promise<SippResult> {
  const { scenario, gatewayPort, localPort, phone, calls = 1, callsPerSecond = 10, holdMs = 0 } = options;
  const timeoutSeconds = options.timeoutSeconds ?? 20;
  const user = phone?.user ?? 'nobody';
  const cwd = mkdtempSync(join(tmpdir(), 'tibet-sip-sipp-'));
  const errorFile = join(cwd, 'errors.log');
  const settings: Readonly<Record<string, string | number>> = {
    i: options.localAddress ?? '127.0.0.1',
    p: localPort,
    t: options.transport === 'tcp' ? 't1' : 'u1',
    m: calls,
    r: callsPerSecond,
    l: options.concurrent ?? 2_000,
    d: holdMs,
    s: options.callee ?? user,
    au: user,
    ap: phone?.password ?? '',
    cid_str: options.callIds ?? `%u-%p-${localPort}`,
    timeout: `${timeoutSeconds}s`,
    recv_timeout: 10_000,
    // What this side of the measurement drops says nothing about the other.
    buff_size: 4_194_304,
    error_file: errorFile,
    // SIPp gives up when the machine was busy with something else for a moment.
    watchdog_interval: 0,
  };
  const { domain = defaultDomain } = options;
  if (options.lines !== undefined)
    writeFileSync(join(cwd, 'lines.csv'), ['SEQUENTIAL', ...options.lines, ''].join('\n'));
  const keys = {
    domain,
    caller: options.from ?? user,
    expires: options.expiresSeconds ?? 300,
    third: options.third ?? '',
  };
  const args = [
    `127.0.0.1:${gatewayPort}`,
    ...(scenario.startsWith('-sn ') ? scenario.split(' ') : ['-sf', `${scenarios}${scenario}.xml`]),
    ...Object.entries(settings).flatMap(([name, value]) => [`-${name}`, String(value)]),
    ...(options.lines === undefined ? [] : ['-inf', join(cwd, 'lines.csv')]),
    ...(options.echoesMediaAt === undefined ? [] : ['-rtp_echo', '-mp', String(options.echoesMediaAt)]),
    ...['-nostdin', '-timeout_error', '-trace_err'],
    ...Object.entries(keys).flatMap(([name, value]) => ['-key', name, String(value)]),
  ];
  const finished = await run('sipp', args, {
    timeoutMs: (timeoutSeconds + 10) * 1_000,
    cwd,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const err = existsSync(errorFile) ? readFileSync(errorFile, 'latin1') : finished.err;
  rmSync(cwd, { recursive: true, force: true });
  return {
    ...finished,
    err,
    successful: lastNumber(finished.out, 'Successful call'),
    failed: lastNumber(finished.out, 'Failed call'),
    retransmissions: retransmissionsOn(finished.out),
  };
}

/** The second number of each step on SIPp's last screen: `INVITE ---------->  B-RTD1 4000      0         0`. */
function retransmissionsOn(screen: string): number {
  const lines = screen.split('\n');
  const title = lines.findLastIndex((line) => line.includes('Messages  Retrans'));
  const column = lines[title]?.indexOf('Messages') ?? 0;
  let sum = 0;
  for (const line of lines.slice(title + 1)) {
    if (line.startsWith('---')) break;
    // A pause has other columns.
    if (line.includes('----')) sum += Number(line.slice(column).trim().split(/\s+/)[1] ?? 0);
  }
  return sum;
}

/** The cumulative column of a line on SIPp's last screen. */
function lastNumber(screen: string, title: string): number {
  const line = screen.split('\n').findLast((text) => text.includes(title));
  return Number(line?.split('|').at(-1)?.trim() ?? Number.NaN);
}

/** Resolves once a program of this machine has bound the UDP port: SIPp says so nowhere. */
export function udpBound(port: number): Promise<void> {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  return until(`UDP port ${port} is bound`, () => readFileSync('/proc/net/udp', 'latin1').includes(hex));
}
