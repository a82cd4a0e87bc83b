import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const repository = new URL('../../', import.meta.url).pathname;
const main = `${repository}src/cli/main.ts`;

/** The command line in a process of its own: program and first arguments. */
export const tibetSipCommand: readonly [string, string] = [process.execPath, main];

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a program to its end; it is killed by pid after `timeoutMs`, or when `signal` says so. */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly timeoutMs?: number; readonly cwd?: string; readonly signal?: AbortSignal } = {},
): Promise<Finished> {
  const child = spawn(command, args, { cwd: options.cwd ?? repository, stdio: ['ignore', 'pipe', 'pipe'] });
  const out = collect(child, 'stdout');
  const err = collect(child, 'stderr');
  endWithTest(child);
  const kill = (): void => void child.kill('SIGKILL');
  const timer = setTimeout(kill, options.timeoutMs ?? 30_000);
  options.signal?.addEventListener('abort', kill, { once: true });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, out: out.join(''), err: err.join('') });
    });
  });
}

/** One command line of tibet-sip, in a process of its own. */
export function tibetSip(args: readonly string[], timeoutMs = 20_000): Promise<Finished> {
  return run(process.execPath, [main, ...args], { timeoutMs });
}

export interface GatewayProcess {
  readonly pid: number;
  readonly dataDir: string;
  /** `udp://127.0.0.1:40000`, as `ready` printed them. */
  readonly addresses: readonly string[];
  /** Standard error so far: the log. */
  readonly log: () => string;
  port(scheme: string): number;
  /** Ends it as Ctrl-C does; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** Ends it as a power cut does. */
  kill(): Promise<void>;
}

/** A gateway on free loopback ports, in a process of its own; resolves when it says `ready`. */
export async function startGateway(options: {
  readonly dataDir: string;
  /** A configuration file. */
  readonly config?: string;
  readonly set?: readonly string[];
  /** What stands before the command, to run it elsewhere: `ip netns exec …`. */
  readonly launcher?: readonly string[];
  /** Of Node, in front of the program. */
  readonly nodeOptions?: readonly string[];
}): Promise<GatewayProcess> {
  const set = [
    'listen=udp://127.0.0.1:0, tcp://127.0.0.1:0, ws://127.0.0.1:0',
    'admin.listen=http://127.0.0.1:0',
    ...(options.set ?? []),
  ].flatMap((value) => ['--set', value]);
  const [command = process.execPath, ...args] = [
    ...(options.launcher ?? []),
    process.execPath,
    ...(process.env['GATEWAY_NODE_OPTIONS']?.split(' ') ?? []),
    ...(options.nodeOptions ?? []),
    main,
    'serve',
    '--json',
    '--data-dir',
    options.dataDir,
    ...(options.config === undefined ? [] : ['--config', options.config]),
    ...set,
  ];
  const child = spawn(command, args, { cwd: repository, stdio: ['ignore', 'pipe', 'pipe'] });
  endWithTest(child);
  const log = collect(child, 'stderr');
  const exited = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
  const addresses = await new Promise<string[]>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(addressesOf(line)));
    void exited.then((code) => reject(new Error(`gateway ended with ${code}: ${log.join('')}`)));
  });
  return {
    pid: child.pid ?? 0,
    dataDir: options.dataDir,
    addresses,
    log: () => log.join(''),
    port: (scheme) => {
      const found = addresses.find((address) => address.startsWith(`${scheme}://`));
      return Number(found?.slice(found.lastIndexOf(':') + 1));
    },
    stop: () => {
      child.kill('SIGINT');
      return exited;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Whatever becomes of the test, a program that it started does not outlive it. */
export function endWithTest(child: ChildProcess): void {
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
}

function addressesOf(line: string): string[] {
  const ready: unknown = JSON.parse(line);
  if (typeof ready === 'object' && ready !== null && 'addresses' in ready && Array.isArray(ready.addresses))
    return ready.addresses.map(String);
  throw new Error(`not a ready line: ${line}`);
}

function collect(child: ChildProcess, stream: 'stdout' | 'stderr'): string[] {
  const parts: string[] = [];
  child[stream]?.setEncoding('utf8').on('data', (part: string) => parts.push(part));
  return parts;
}
