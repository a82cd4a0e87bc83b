import { readFileSync } from 'node:fs';
import { createClient, createCluster, createSentinel, RESP_TYPES } from 'redis';
import type { Logger } from '../base/index.ts';
import { OverlayError } from './errors.ts';

/** What comes back from a raw command. */
export type RedisReply = Buffer | string | number | null | readonly RedisReply[];

/** Sends raw commands to one server or to the right one of a cluster. */
export interface RedisConnection {
  /** `key` decides where the command goes. Throws OverlayError `store-unavailable`. */
  command(key: string, args: readonly (string | Buffer)[]): Promise<RedisReply>;
  close(): Promise<void>;
}

export interface RedisTimeouts {
  readonly connectMs: number;
  /** A silent server counts as gone: it is pinged more often than that. */
  readonly silenceMs: number;
  readonly commandMs: number;
  /** Longest pause between two attempts to connect again. */
  readonly maxReconnectDelayMs: number;
}

export const defaultRedisTimeouts: RedisTimeouts = {
  connectMs: 3_000,
  silenceMs: 5_000,
  commandMs: 2_000,
  maxReconnectDelayMs: 1_000,
};

/** PEM files for `rediss://`. */
export interface RedisTls {
  /** Absent: the system's authorities. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface RedisConnectionOptions {
  /** `redis://user:password@host:port/db`, or `rediss://` for TLS. */
  readonly url: string;
  /** `host:port` of sentinels that know where the primary is: the host in `url` is then the name they know it by. */
  readonly sentinels?: readonly string[];
  readonly timeouts: RedisTimeouts;
  readonly tls: RedisTls;
  readonly logger: Logger;
}

const sentinelPort = 26_379;

// Values are binary, whatever RESP version the server speaks.
const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer };

/**
 * Connects to one server, or to the whole cluster when that server is part of one. Throws OverlayError `store-open`
 * when nobody answers at first; later losses are waited out.
 */
export async function connectRedis(options: RedisConnectionOptions): Promise<RedisConnection> {
  try {
    if (options.sentinels !== undefined && options.sentinels.length > 0)
      return await connectBySentinels(options, options.sentinels);
    const server = await connectServer(options);
    const facts = String(await server.command('', ['INFO', 'cluster']));
    if (!facts.includes('cluster_enabled:1')) return server;
    await server.close();
    return await connectCluster(options);
  } catch (cause) {
    throw new OverlayError('store-open', `no Redis answers at ${withoutSecret(options.url)}`, { cause });
  }
}

async function connectServer(options: RedisConnectionOptions): Promise<RedisConnection> {
  let started = false;
  const client = createClient({ url: options.url, ...clientOptions(options, () => started) });
  client.on('error', (error: unknown) =>
    options.logger.warn({ error: text(error) }, 'Redis connection lost'),
  );
  try {
    await client.connect();
  } catch (error) {
    client.destroy();
    throw error;
  }
  started = true;
  return {
    command: (_key, args) =>
      available(client.sendCommand<RedisReply>(args, { typeMapping }), options.timeouts),
    close: () => inTime(client.close(), options.timeouts).catch(() => client.destroy()),
  };
}

/** Where the sentinels say that the primary is, now and after each failover. */
async function connectBySentinels(
  options: RedisConnectionOptions,
  sentinels: readonly string[],
): Promise<RedisConnection> {
  const { username, password, hostname, pathname } = new URL(options.url);
  const { timeouts } = options;
  const client = createSentinel({
    name: hostname,
    sentinelRootNodes: sentinels.map(addressOf),
    nodeClientOptions: {
      // The sentinels are asked again instead of waiting for a server that has failed.
      ...clientOptions(options, () => false),
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
      ...(pathname.length > 1 && { database: Number(pathname.slice(1)) }),
    },
    sentinelClientOptions: { socket: { connectTimeout: timeouts.connectMs } },
    commandOptions: { typeMapping },
    // A word from the sentinels is heard at once; this is for when it was missed.
    scanInterval: timeouts.maxReconnectDelayMs,
    passthroughClientErrorEvents: true,
  });
  client.on('error', (error: unknown) =>
    options.logger.warn({ error: text(error) }, 'Redis connection lost'),
  );
  try {
    await inTime(client.connect(), { ...timeouts, commandMs: timeouts.connectMs });
  } catch (error) {
    await client.destroy();
    throw error;
  }
  return {
    command: (_key, args) => available(client.sendCommand<RedisReply>(false, [...args]), timeouts),
    close: () => inTime(client.close(), timeouts).catch(() => client.destroy()),
  };
}

function addressOf(sentinel: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(`redis://${sentinel}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? sentinelPort : Number(port) };
}

async function connectCluster(options: RedisConnectionOptions): Promise<RedisConnection> {
  let started = false;
  const { username, password } = new URL(options.url);
  const cluster = createCluster({
    rootNodes: [{ url: options.url }],
    defaults: {
      ...clientOptions(options, () => started),
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
    },
  });
  cluster.on('error', (error: unknown) =>
    options.logger.warn({ error: text(error) }, 'Redis connection lost'),
  );
  await cluster.connect();
  started = true;
  return {
    command: (key, args) =>
      available(cluster.sendCommand<RedisReply>(key, false, [...args], { typeMapping }), options.timeouts),
    close: () => inTime(cluster.close(), options.timeouts).catch(() => cluster.destroy()),
  };
}

function clientOptions({ url, timeouts, tls }: RedisConnectionOptions, started: () => boolean) {
  const socket = {
    connectTimeout: timeouts.connectMs,
    socketTimeout: timeouts.silenceMs,
    // A wrong address shows at the start; a server that goes away later is waited for.
    reconnectStrategy: (retries: number) =>
      started() ? Math.min(50 * 2 ** Math.min(retries, 10), timeouts.maxReconnectDelayMs) : false,
  } as const;
  return {
    // Without a connection a command fails at once: a call must not wait for a server to come back.
    disableOfflineQueue: true,
    pingInterval: Math.floor(timeouts.silenceMs / 3),
    socket: url.startsWith('rediss:')
      ? {
          ...socket,
          tls: true as const,
          ...pem('ca', tls.ca),
          ...pem('cert', tls.cert),
          ...pem('key', tls.key),
        }
      : socket,
  };
}

/** Throws the system's error when the file cannot be read. */
function pem<Name extends string>(name: Name, path: string | undefined): { readonly [K in Name]?: Buffer } {
  return path === undefined ? {} : ({ [name]: readFileSync(path) } as { [K in Name]?: Buffer });
}

async function available(reply: Promise<RedisReply>, timeouts: RedisTimeouts): Promise<RedisReply> {
  try {
    return await inTime(reply, timeouts);
  } catch (cause) {
    throw new OverlayError('store-unavailable', 'the shared store does not answer', { cause });
  }
}

/**
 * The client's own limit ends when a command is written; a server that then hangs must not hold a call. A write that
 * was given up may still happen: whoever repeats it reads first.
 */
async function inTime<Result>(work: Promise<Result>, { commandMs }: RedisTimeouts): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no reply within ${commandMs} ms`)), commandMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function withoutSecret(url: string): string {
  try {
    const { protocol, host } = new URL(url);
    return `${protocol}//${host}`;
  } catch {
    return 'a malformed URL';
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
