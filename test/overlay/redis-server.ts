import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { freePort } from '../support/free-port.ts';

/** Debian's redis-server on a free loopback port, without persistence. */
export interface TestRedis {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Connections stay open, answers stay away. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export interface TestRedisOptions {
  /** One node that holds every slot: keys of two slots in one command are refused. */
  readonly cluster?: boolean;
  readonly password?: string;
  /** TLS only, with this certificate and this authority, which must vouch for clients. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  /** Where it was before. */
  readonly port?: number;
}

export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const redis = await startNode(options);
  if (options.cluster === true) await giveSlots([redis.url]);
  return redis;
}

/** Three nodes that hold a third of the slots each. */
export async function startRedisCluster(): Promise<readonly TestRedis[]> {
  const nodes = await Promise.all([1, 2, 3].map(() => startNode({ cluster: true })));
  await giveSlots(nodes.map(({ url }) => url));
  return nodes;
}

/** A sentinel on a port of its own that watches `primary` as `mymaster`, and fails over to a replica by itself. */
export async function startSentinel(primary: TestRedis): Promise<Pick<TestRedis, 'port' | 'stop'>> {
  const directory = await mkdtemp(join(tmpdir(), 'tibet-sentinel-'));
  const port = await freePort();
  const file = join(directory, 'sentinel.conf');
  const lines = [
    ...[`port ${port}`, 'bind 127.0.0.1', `dir ${directory}`],
    `sentinel monitor mymaster 127.0.0.1 ${primary.port} 1`,
    ...['sentinel down-after-milliseconds mymaster 300', 'sentinel failover-timeout mymaster 1000'],
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const sentinel = spawn('redis-server', [file, '--sentinel'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await ready(sentinel, '+monitor');
  return {
    port,
    stop: async () => {
      const gone = once(sentinel, 'exit');
      sentinel.kill('SIGKILL');
      await gone;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function startNode({
  cluster = false,
  password,
  tls,
  port: before,
}: TestRedisOptions): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'tibet-redis-'));
  const port = before ?? (await freePort());
  const args = [
    ...(tls === undefined
      ? ['--port', String(port)]
      : [
          ...['--port', '0', '--tls-port', String(port)],
          ...['--tls-cert-file', tls.cert, '--tls-key-file', tls.key, '--tls-ca-cert-file', tls.ca],
        ]),
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
  const scheme = tls === undefined ? 'redis' : 'rediss';
  const url = `${scheme}://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port}`;
  return {
    url,
    port,
    pid: server.pid ?? 0,
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

function ready(server: ChildProcess, sign = 'Ready to accept connections'): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    server.once('exit', () => reject(new Error(`redis-server did not start: ${output}`)));
    server.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes(sign)) resolve();
    });
  });
}

const slotCount = 16_384;

async function giveSlots(urls: readonly string[]): Promise<void> {
  const clients = await Promise.all(urls.map((url) => createClient({ url }).connect()));
  const share = Math.ceil(slotCount / urls.length);
  const busPorts = await Promise.all(
    clients.map(async (client) => String((await client.configGet('cluster-port'))['cluster-port'])),
  );
  for (const [at, client] of clients.entries()) {
    const last = Math.min((at + 1) * share, slotCount) - 1;
    await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', String(at * share), String(last)]);
    // Two nodes with one epoch would quarrel about it first.
    await client.sendCommand(['CLUSTER', 'SET-CONFIG-EPOCH', String(at + 1)]);
    if (at > 0) {
      const { hostname, port } = new URL(urls[0] ?? '');
      await client.sendCommand(['CLUSTER', 'MEET', hostname, port, busPorts[0] ?? '']);
    }
  }
  for (const client of clients) {
    for (;;) {
      const info = await client.clusterInfo();
      if (info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${urls.length}`)) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await client.close();
  }
}
