import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defaultCacheLimits, EmbeddedStore, IdentityOverlay, RedisStore } from '../../src/overlay/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startRedis, type TestRedis } from './redis-server.ts';
import { sampleBinding, sampleIdentity, startMs } from './samples.ts';

describe('what another process writes', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tibet-overlay-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('is noticed within a second, a name that nobody had included', async () => {
    const clock = new FakeClock(startMs);
    const gateway = new IdentityOverlay({ store: EmbeddedStore.open({ directory }), node: 'node-1', clock });
    const commandLine = new IdentityOverlay({ store: EmbeddedStore.open({ directory }), node: 'cli', clock });
    expect(gateway.lookup('alice')).toBeUndefined();
    const { token } = sampleIdentity('jis:alice');
    await commandLine.enrol(token);
    clock.advance(defaultCacheLimits.freshMs);
    expect(gateway.lookup('alice')).toMatchObject({ status: 'active' });
    await commandLine.revoke(token.fingerprint);
    expect(gateway.lookup('alice')).toMatchObject({ status: 'active' });
    clock.advance(defaultCacheLimits.freshMs);
    expect(gateway.lookup('alice')).toMatchObject({ status: 'revoked' });
    await gateway.close();
  });

  it('a revocation that was found among the late ones holds at once', async () => {
    const clock = new FakeClock(startMs);
    const gateway = new IdentityOverlay({ store: EmbeddedStore.open({ directory }), node: 'node-1', clock });
    const commandLine = new IdentityOverlay({ store: EmbeddedStore.open({ directory }), node: 'cli', clock });
    const { token } = sampleIdentity('jis:alice');
    await gateway.enrol(token);
    await commandLine.revoke(token.fingerprint);
    expect(gateway.identity(token.fingerprint)).toMatchObject({ status: 'active' });
    expect(await gateway.lateRevocations()).toHaveLength(1);
    expect(gateway.identity(token.fingerprint)).toMatchObject({ status: 'revoked' });
    await gateway.close();
  });

  it('alone has what was read looked up again', async () => {
    const clock = new FakeClock(startMs);
    const gateway = new IdentityOverlay({ store: EmbeddedStore.open({ directory }), node: 'node-1', clock });
    const commandLine = new IdentityOverlay({ store: EmbeddedStore.open({ directory }), node: 'cli', clock });
    const { token } = sampleIdentity('jis:alice');
    await gateway.enrol(token);
    const bytesLater = async (): Promise<Uint8Array | undefined> => {
      clock.advance(defaultCacheLimits.freshMs);
      return (await gateway.identity(token.fingerprint))?.token;
    };
    await bytesLater();
    await gateway.enrol(sampleIdentity('jis:bob').token);
    // What is asked for once in a while is read again each time; what comes twice stays in memory.
    const read = await bytesLater();
    await gateway.enrol(sampleIdentity('jis:dave').token);
    expect(await bytesLater()).toBe(read);
    await commandLine.enrol(sampleIdentity('jis:carol').token);
    const readAgain = await bytesLater();
    expect(readAgain).toEqual(read);
    expect(readAgain).not.toBe(read);
    await gateway.close();
  });
});

describe('two gateways on one Redis', () => {
  const timeouts = { connectMs: 1_000, silenceMs: 1_500, commandMs: 500, maxReconnectDelayMs: 50 };
  let server: TestRedis;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  it('share names and bindings, and remove only the flows of their own', async () => {
    const clock = new FakeClock(startMs);
    const [one, two] = await Promise.all(
      ['node-1', 'node-2'].map(
        async (node) =>
          new IdentityOverlay({ store: await RedisStore.open({ url: server.url, timeouts }), node, clock }),
      ),
    );
    if (!one || !two) throw new Error('two overlays');
    const { token } = sampleIdentity('jis:alice');
    await one.enrol(token);
    expect(await two.enrol(sampleIdentity('jis:alice').token)).toMatchObject({ code: 'name-taken' });
    await one.saveBindings(token.fingerprint, [
      { kind: 'added', binding: sampleBinding({ id: 'a', flowId: 'f' }) },
    ]);
    await two.saveBindings(token.fingerprint, [
      { kind: 'added', binding: sampleBinding({ id: 'b', flowId: 'f' }) },
    ]);
    expect(await two.removeBindingsOfFlow('f')).toMatchObject([{ binding: { id: 'b', node: 'node-2' } }]);
    clock.advance(defaultCacheLimits.freshMs);
    expect(await one.bindings(token.fingerprint)).toMatchObject([{ id: 'a', node: 'node-1' }]);
    await Promise.all([one.close(), two.close()]);
  });

  it('go on with what they know while Redis is gone, and accept nothing new', async () => {
    const own = await startRedis();
    const clock = new FakeClock(startMs);
    const store = await RedisStore.open({ url: own.url, timeouts });
    const overlay = new IdentityOverlay({ store, node: 'node-1', clock });
    const { token } = sampleIdentity('jis:alice');
    await overlay.enrol(token);
    await overlay.saveBindings(token.fingerprint, [
      { kind: 'added', binding: sampleBinding({ expiresAtMs: startMs + 3_600_000 }) },
    ]);
    expect(overlay.lookup('alice')).not.toBeInstanceOf(Promise);
    await own.stop();
    clock.advance(60_000);
    expect(await overlay.lookup('alice')).toMatchObject({ name: 'jis:alice' });
    expect(await overlay.bindings(token.fingerprint)).toHaveLength(1);
    await expect(overlay.lookup('bob')).rejects.toMatchObject({ code: 'store-unavailable' });
    const refused = overlay.enrol(sampleIdentity('jis:bob').token);
    await expect(refused).rejects.toMatchObject({ code: 'store-unavailable' });
    clock.advance(defaultCacheLimits.staleMs);
    await expect(overlay.lookup('alice')).rejects.toMatchObject({ code: 'store-unavailable' });
    await overlay.close();
  });
});
