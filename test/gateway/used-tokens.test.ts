import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SingleUse } from '../../src/gateway/single-use.ts';
import { type Use, UsedTokens } from '../../src/gateway/used-tokens.ts';
import { RedisStore } from '../../src/overlay/index.ts';
import { startRedis } from '../overlay/redis-server.ts';

const windowMs = 60_000;
// A busy machine makes Redis slow, and nobody unsure.
const timeouts = { connectMs: 10_000, silenceMs: 15_000, commandMs: 20_000, maxReconnectDelayMs: 50 };

describe('tokens are used once at all gateways of one store', () => {
  it('100,000 replays of one token at once over two gateways: one is accepted', async () => {
    const redis = await startRedis();
    const directories = [1, 2].map(() => mkdtempSync(join(tmpdir(), 'tibet-used-')));
    const prefix = randomUUID();
    const gateways = await Promise.all(
      directories.map(async (directory) => {
        const shared = await RedisStore.open({ url: redis.url, prefix, timeouts });
        const own = SingleUse.open(directory, windowMs, 0);
        return { shared, own, used: new UsedTokens({ own, shared, windowMs }) };
      }),
    );
    const id = new Uint8Array(32).fill(7);
    const uses = await Promise.all(
      Array.from(
        { length: 100_000 },
        async (_, at): Promise<Use> => (await gateways[at % 2]?.used.use(id, at % 1_000)) ?? 'again',
      ),
    );
    expect(uses.filter((use) => use === 'first')).toHaveLength(1);
    expect(uses.filter((use) => use === 'again')).toHaveLength(99_999);

    await redis.stop();
    // Nobody can say whether the other gateway has seen it.
    expect(await gateways[0]?.used.use(new Uint8Array(32).fill(8), 0)).toBe('unsure');
    expect(gateways[0]?.used.useHere(new Uint8Array(32).fill(9), 0)).toBe('first');
    for (const { shared, own } of gateways) {
      own.close();
      await shared.close();
    }
    for (const directory of directories) rmSync(directory, { recursive: true });
  });
});
