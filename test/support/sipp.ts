import { type Finished, run } from './processes.ts';

const scenarios = new URL('../sipp-scenarios/', import.meta.url).pathname;

export interface SippOptions {
  readonly scenario: string;
  /** `127.0.0.1:5060` of the gateway. */
  readonly remote: string;
  /** `u1`: one UDP socket; `t1`: one TCP connection. */
  readonly transport?: 'u1' | 't1';
  readonly localPort: number;
  /** Who is called, or registers. */
  readonly service?: string;
  readonly username?: string;
  readonly password?: string;
  readonly keys?: Readonly<Record<string, string>>;
  readonly calls?: number;
  readonly rate?: number;
  /** How long an answered call lasts. */
  readonly holdMs?: number;
  readonly timeoutSeconds?: number;
}

/** One SIPp run; `code` 0 means that no call failed. */
export function sipp(options: SippOptions): Promise<Finished> {
  const { remote, localPort, service, username, password, calls = 1, rate = 10, holdMs = 0 } = options;
  const timeoutSeconds = options.timeoutSeconds ?? 20;
  const args = [
    remote,
    ...['-sf', `${scenarios}${options.scenario}.xml`, '-i', '127.0.0.1', '-p', String(localPort)],
    ...[
      '-m',
      String(calls),
      '-r',
      String(rate),
      '-l',
      '2000',
      '-d',
      String(holdMs),
      '-t',
      options.transport ?? 'u1',
    ],
    ...['-nostdin', '-timeout', `${timeoutSeconds}s`, '-timeout_error', '-recv_timeout', '10000'],
    ...(service === undefined ? [] : ['-s', service]),
    ...(username === undefined ? [] : ['-au', username]),
    ...(password === undefined ? [] : ['-ap', password]),
    ...Object.entries(options.keys ?? {}).flatMap(([name, value]) => ['-key', name, value]),
  ];
  return run('sipp', args, { timeoutMs: (timeoutSeconds + 10) * 1000, cwd: '/tmp' });
}
