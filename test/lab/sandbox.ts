import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const scratchPrefix = 'tibet-sip-lab-';

/** This process may have ended before its end was going to be told. */
const unlessOrphaned = 'test "$PPID" = "$0" && exec "$@"';

/**
 * A private set of network namespaces. They are named in a mount namespace that one process holds, a shell that
 * reads from this process: when this process ends, however it ends, that one ends too and the kernel takes the
 * namespaces, links and rules away. Programs that run inside are killed with this process in the same way.
 */
export class Sandbox {
  /** For configurations, recordings and logs; goes away with the sandbox. */
  readonly directory: string;
  readonly #holder: ChildProcess;
  readonly #children = new Set<ChildProcess>();

  private constructor(holder: ChildProcess, directory: string) {
    this.#holder = holder;
    this.directory = directory;
  }

  /** Fails with the reason where namespaces are not permitted. */
  static async open(): Promise<Sandbox> {
    removeLeftOvers();
    const directory = mkdtempSync(join(tmpdir(), `${scratchPrefix}${process.pid}-`));
    const asRoot = isRoot() ? [] : ['--user', '--map-root-user'];
    const holder = spawn(
      'unshare',
      [
        ...asRoot,
        '--mount',
        '--net',
        'sh',
        '-ec',
        // The mount is named after the directory, so that one can see whose it is.
        `mount -t tmpfs ${basename(directory)} /run; mkdir /run/netns; echo ready; exec cat`,
      ],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    await new Promise<void>((resolve, reject) => {
      let complaint = '';
      holder.stderr.setEncoding('utf8').on('data', (part: string) => {
        complaint += part;
      });
      holder.once('error', ({ message }) => reject(new Error(`unshare: ${message}`)));
      holder.once('exit', () => reject(new Error(`no network namespaces here: ${complaint.trim()}`)));
      holder.stdout.once('data', () => resolve());
    }).catch((error: unknown) => {
      rmSync(directory, { recursive: true });
      throw error;
    });
    return new Sandbox(holder, directory);
  }

  /** What stands before a program's own words so that it runs in a namespace, and ends with this process. */
  launcher(namespace: string): readonly [string, ...string[]] {
    const inside = ['ip', 'netns', 'exec', namespace, 'setpriv', '--pdeathsig', 'KILL'];
    return ['nsenter', ...this.#enter(), ...inside, 'sh', '-c', unlessOrphaned, String(process.pid)];
  }

  spawn(namespace: string, words: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [command, ...args] = this.launcher(namespace);
    const child = spawn(command, [...args, ...words], { cwd: this.directory, ...options });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Runs lines of shell, in a namespace or beside them all; fails with the first that fails. */
  async shell(lines: string, namespace?: string): Promise<string> {
    const within = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
    const child = spawn('nsenter', [...this.#enter(), ...within, 'sh', '-e'], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      out += part;
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      err += part;
    });
    child.stdin.end(lines);
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`lab: ${err.trim()}`);
    return out;
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    const ended = once(this.#holder, 'exit');
    this.#holder.stdin?.end();
    await ended;
    rmSync(this.directory, { recursive: true, force: true });
  }

  #enter(): readonly string[] {
    const ofUser = isRoot() ? [] : ['--user', '--preserve-credentials'];
    return ['--target', String(this.#holder.pid), ...ofUser, '--mount', '--net', `--wd=${this.directory}`];
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** A lab that was killed leaves its directory behind, nothing else. */
function removeLeftOvers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(scratchPrefix) ? Number(name.split('-')[3]) : Number.NaN;
    if (Number.isInteger(pid) && !isAlive(pid))
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
