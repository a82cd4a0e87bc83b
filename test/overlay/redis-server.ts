import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';

/** Debian's redis-server on a free loopback port, without persistence. */
export interface TestRedis {
  readonly url: string;
  /** Connections stay open, answers stay away. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export interface TestRedisOptions {
  /** One node that holds every slot: keys of two slots in one command are refused. */
  readonly cluster?: boolean;
  readonly password?: string;
}

export async function startRedis({ cluster = false, password }: TestRedisOptions = {}): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'tibet-redis-'));
  const port = await freePort();
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    directory,
  ];
  // The bus port would be port + 10000, which may be out of range.
  if (cluster) args.push('--cluster-enabled', 'yes', '--cluster-port', String(await freePort()));
  if (password !== undefined) args.push('--requirepass', password);
  const server = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await ready(server);
  const url = `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port}`;
  if (cluster) await takeAllSlots(url);
  return {
    url,
    freeze: () => void server.kill('SIGSTOP'),
    thaw: () => void server.kill('SIGCONT'),
    stop: async () => {
      const gone = once(server, 'exit');
      server.kill('SIGKILL');
      await gone;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function ready(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    server.once('exit', () => reject(new Error(`redis-server did not start: ${output}`)));
    server.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('Ready to accept connections')) resolve();
    });
  });
}

async function takeAllSlots(url: string): Promise<void> {
  const client = createClient({ url });
  await client.connect();
  await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383']);
  while (!(await client.clusterInfo()).includes('cluster_state:ok'))
    await new Promise((resolve) => setImmediate(resolve));
  await client.close();
}
