import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedStore, IdentityOverlay, type OverlayStore, RedisStore } from '../../src/overlay/index.ts';
import {
  createIdentityToken,
  createTombstone,
  encodeSuccession,
  generateSigningKey,
  type IdentityToken,
  signSuccession,
} from '../../src/tokens/index.ts';
import { startRedis, type TestRedis } from './redis-server.ts';
import { sampleBinding } from './samples.ts';

let redis: TestRedis;
let directory: string;
beforeAll(async () => {
  redis = await startRedis({});
  directory = mkdtempSync(join(tmpdir(), 'tibet-ended-'));
});
afterAll(async () => {
  await redis.stop();
  rmSync(directory, { recursive: true });
});

interface Someone {
  readonly key: ReturnType<typeof generateSigningKey>;
  readonly token: IdentityToken;
}

const now = Math.floor(Date.now() / 1000);

function someone(subject: string, issuer?: Someone): Someone {
  const key = generateSigningKey();
  const times = { notBefore: now - 10, expires: now + 1000, now };
  const parent = issuer && { issuer: { key: issuer.key, fingerprint: issuer.token.fingerprint } };
  return { key, token: createIdentityToken({ key, subject, ...times, ...parent }) };
}

const stores: Readonly<Record<string, () => () => Promise<OverlayStore>>> = {
  embedded: () => {
    const path = join(directory, randomUUID());
    return async () => EmbeddedStore.open({ directory: path });
  },
  redis: () => {
    const prefix = randomUUID();
    return () => RedisStore.open({ url: redis.url, prefix });
  },
};

describe.each(Object.keys(stores))('identities that end, in a store that two processes share: %s', (kind) => {
  async function pair(): Promise<[IdentityOverlay, IdentityOverlay]> {
    const open = stores[kind]?.();
    if (!open) throw new Error(kind);
    // A cache that is never fresh stands for the second that a change may go unnoticed.
    const limits = { cache: { maxEntries: 100, maxLocalEntries: 100, freshMs: 0, staleMs: 0 } };
    const make = async (node: string) => new IdentityOverlay({ store: await open(), node, limits });
    return [await make('node-1'), await make('node-2')];
  }

  it('seed 34: a tombstone that the key has signed ends it for both, and for ever', async () => {
    const [here, there] = await pair();
    const alice = someone('jis:alice');
    await here.enrol(alice.token);
    const { bytes } = createTombstone({ ...alice, reason: 'phone stolen', now });
    await here.revokeSigned(bytes);
    expect(await there.lookup('jis:alice')).toMatchObject({ status: 'revoked' });
    expect(await there.enrol(alice.token)).toMatchObject({ kind: 'refused', code: 'revoked' });
    expect(await there.lateRevocations()).toHaveLength(1);
    await Promise.all([here.close(), there.close()]);
  });

  it('seed 34: a tombstone holds before anybody has seen the identity', async () => {
    const [here, there] = await pair();
    const bob = someone('jis:bob');
    await there.revokeSigned(createTombstone({ ...bob, reason: 'never used', now }).bytes);
    expect(await here.enrol(bob.token)).toMatchObject({ kind: 'refused', code: 'revoked' });
    await Promise.all([here.close(), there.close()]);
  });

  it('a successor has the name, the numbers and the old fingerprint, and calls reach the old phone meanwhile', async () => {
    const [here, there] = await pair();
    const [old, next] = [someone('jis:alice'), someone('jis:alice')];
    await here.enrol(old.token);
    await here.addAlias(old.token.fingerprint, '1001');
    const binding = { ...sampleBinding(), expiresAtMs: Date.now() + 60_000 };
    await here.saveBindings(old.token.fingerprint, [{ kind: 'added', binding }]);
    const signed = encodeSuccession(signSuccession(old, next, now));
    await here.succeed(signed, next.token);
    await here.succeed(signed, next.token);
    for (const address of ['jis:alice', 'alice', '1001', old.token.fingerprint, next.token.fingerprint])
      expect(await there.lookup(address), address).toMatchObject({
        fingerprint: next.token.fingerprint,
        status: 'active',
        predecessors: [old.token.fingerprint],
      });
    expect(await there.routes(next.token.fingerprint)).toHaveLength(1);
    // The old key has nothing to say any more.
    expect(await there.enrol(old.token)).toMatchObject({ kind: 'refused', code: 'name-taken' });
    const third = someone('jis:alice');
    const again = encodeSuccession(signSuccession(old, third, now));
    await expect(there.succeed(again, third.token)).rejects.toMatchObject({ code: 'superseded' });
    await Promise.all([here.close(), there.close()]);
  });

  it('an old change of key, repeated after a newer one, takes nothing back', async () => {
    const [here, there] = await pair();
    const [first, second, third] = [someone('jis:alice'), someone('jis:alice'), someone('jis:alice')];
    await here.enrol(first.token);
    const toSecond = encodeSuccession(signSuccession(first, second, now));
    await here.succeed(toSecond, second.token);
    await here.succeed(encodeSuccession(signSuccession(second, third, now)), third.token);
    await expect(there.succeed(toSecond, second.token)).rejects.toMatchObject({ code: 'name-taken' });
    for (const address of ['jis:alice', first.token.fingerprint, second.token.fingerprint])
      expect(await there.lookup(address)).toMatchObject({ fingerprint: third.token.fingerprint });
    await Promise.all([here.close(), there.close()]);
  });

  it('a successor that the old key has not signed, or a revoked key, changes nothing', async () => {
    const [here, there] = await pair();
    const [old, thief] = [someone('jis:alice'), someone('jis:alice')];
    await here.enrol(old.token);
    const forged = { ...signSuccession(old, thief, now), oldSignature: new Uint8Array(64) };
    await expect(here.succeed(encodeSuccession(forged), thief.token)).rejects.toMatchObject({
      code: 'succession-invalid',
    });
    const signed = encodeSuccession(signSuccession(old, thief, now));
    await here.revokeSigned(createTombstone({ ...old, reason: 'stolen', now }).bytes);
    await expect(there.succeed(signed, thief.token)).rejects.toMatchObject({ code: 'revoked' });
    await Promise.all([here.close(), there.close()]);
  });

  it('seed 29: a pseudonym that shows its parent needs the approval of a parent that is known and valid', async () => {
    const [here, there] = await pair();
    const [alice, mallory] = [someone('jis:alice'), someone('jis:mallory')];
    const night = someone('jis:night', alice);
    expect(await here.enrol(night.token)).toMatchObject({ code: 'issuer-unknown' });
    await here.enrol(alice.token);
    // Whoever knows the parent's fingerprint can write it down, but not sign for it.
    const posed = { key: mallory.key, token: alice.token };
    expect(await here.enrol(someone('jis:posed', posed).token)).toMatchObject({ code: 'issuer-invalid' });
    expect(await there.enrol(night.token)).toMatchObject({ kind: 'enrolled' });
    await here.revoke(alice.token.fingerprint);
    const late = someone('jis:late', alice);
    expect(await there.enrol(late.token)).toMatchObject({ code: 'issuer-invalid' });
    await Promise.all([here.close(), there.close()]);
  });
});
