import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OverlayError, RedisStore } from '../../src/overlay/index.ts';
import { TestAuthority } from '../support/certificates.ts';
import { startRedis, startRedisCluster, type TestRedis } from './redis-server.ts';
import { describeStore, type StorePair } from './store-contract.ts';

const timeouts = { connectMs: 1_000, silenceMs: 1_500, commandMs: 500, maxReconnectDelayMs: 50 };

let server: TestRedis;
let cluster: TestRedis;
let three: readonly TestRedis[];
beforeAll(async () => {
  server = await startRedis({ password: 'se/cret' });
  cluster = await startRedis({ cluster: true });
  three = await startRedisCluster();
});
afterAll(async () => {
  await server.stop();
  await cluster.stop();
  await Promise.all(three.map((node) => node.stop()));
});

/** Each test has a prefix of its own, so that one server does for all. */
async function openPair(url: string): Promise<StorePair> {
  const options = { url, prefix: randomUUID(), timeouts };
  const store = await RedisStore.open(options);
  const other = await RedisStore.open(options);
  return { store, other, dispose: async () => void (await Promise.all([store.close(), other.close()])) };
}

describeStore('RedisStore on one server with a password', () => openPair(withPassword(server.url)));
describeStore('RedisStore on a Redis Cluster of one node', () => openPair(cluster.url));
describeStore('RedisStore on a Redis Cluster of three nodes', () => openPair(three[1]?.url ?? ''));

function withPassword(url: string): string {
  return url.replace('se/cret', encodeURIComponent('se/cret'));
}

describe('RedisStore', () => {
  it('refuses to open where nobody answers, and does not say the password', async () => {
    const opened = RedisStore.open({ url: 'redis://:hush@127.0.0.1:1', timeouts });
    await expect(opened).rejects.toMatchObject({ code: 'store-open' });
    await expect(opened).rejects.not.toThrow('hush');
  });

  it('speaks TLS with a certificate of its own, and with nobody whom its authority does not vouch for', async () => {
    const authority = new TestAuthority();
    const files = authority.issue({ commonName: 'redis', altNames: ['IP:127.0.0.1'] });
    const own = await startRedis({ tls: { ...files, ca: authority.ca } });
    await expect(RedisStore.open({ url: own.url, timeouts })).rejects.toMatchObject({ code: 'store-open' });
    const client = authority.issue({ commonName: 'gateway' });
    const store = await RedisStore.open({ url: own.url, timeouts, tls: { ca: authority.ca, ...client } });
    await store.update('alias', '1007', () => ({ fingerprint: 'a' }));
    expect(await store.get('alias', '1007')).toEqual({ fingerprint: 'a' });
    await store.close();
    await own.stop();
    authority.remove();
  });

  it('gives a claim to one of many who ask, over both doors', async () => {
    const pair = await openPair(three[2]?.url ?? '');
    const claims = await Promise.all(
      Array.from({ length: 1_000 }, async (_, at) =>
        (at % 2 ? pair.store : pair.other).claimOnce?.('id', 60_000),
      ),
    );
    expect(claims.filter((first) => first === true)).toHaveLength(1);
    await pair.dispose();
  });

  it('refuses a wrong password', async () => {
    const url = server.url.replace('se/cret', 'wrong');
    await expect(RedisStore.open({ url, timeouts })).rejects.toMatchObject({ code: 'store-open' });
  });

  it('says at once that the server is gone', async () => {
    const own = await startRedis();
    const store = await RedisStore.open({ url: own.url, timeouts });
    await own.stop();
    const read = store.get('alias', '1007');
    await expect(read).rejects.toBeInstanceOf(OverlayError);
    await expect(read).rejects.toMatchObject({ code: 'store-unavailable' });
    await store.close();
  });

  it('gives up on a server that hangs, and goes on with it when it wakes up', async () => {
    const own = await startRedis();
    const store = await RedisStore.open({ url: own.url, timeouts });
    await store.update('alias', '1007', () => ({ fingerprint: 'a' }));
    own.freeze();
    await expect(store.get('alias', '1007')).rejects.toMatchObject({ code: 'store-unavailable' });
    own.thaw();
    await expect.poll(() => store.get('alias', '1007').catch(() => undefined)).toEqual({ fingerprint: 'a' });
    own.freeze();
    await store.close();
    await own.stop();
  });
});
