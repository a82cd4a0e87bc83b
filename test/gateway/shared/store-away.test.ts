import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerValue } from '../../../src/sip/index.ts';
import { startRedis, type TestRedis } from '../../overlay/redis-server.ts';
import type { SipAgent } from '../../support/sip-agent.ts';
import { establish, exchange } from '../../support/sip-call.ts';
import { TestGateway } from '../../support/test-gateway.ts';
import { until } from '../../support/until.ts';

let redis: TestRedis;
let gateway: TestGateway;
let alice: SipAgent;
let bob: SipAgent;
beforeAll(async () => {
  redis = await startRedis();
  gateway = await TestGateway.open({
    store: redis.url,
    set: ['overlay.node.secret=correct horse battery', 'limits.overlay.cache.freshMs=1'],
  });
  alice = await gateway.keyPhone('alice', 'ws');
  bob = await gateway.keyPhone('bob', 'ws');
  await alice.register();
  await bob.register();
});
afterAll(async () => {
  await gateway.close();
  await redis.stop();
});

/** A call as a phone makes it that signs over the gateway's nonce once it is asked to. */
async function callOnceMore(): Promise<void> {
  const { response } = await alice.ask('INVITE', bob.address);
  expect(response.status).toBe(403);
  expect(headerValue(response, 'intent-nonce')).toBeDefined();
  const call = await establish(alice, bob);
  await exchange(bob, alice, call.calleeSide, 'BYE', { signed: false });
}

async function plainCall(): Promise<void> {
  const call = await establish(alice, bob);
  await exchange(alice, bob, call.callerSide, 'BYE');
}

async function admin(...command: string[]): Promise<void> {
  const client = await createClient({ url: redis.url }).connect();
  await client.sendCommand(command);
  await client.close();
}

describe('while the shared store is away, phones of one gateway go on calling each other', () => {
  it('before that they do', plainCall);

  it("full: a token without the gateway's own nonce is not believed, one with it is; recovery needs no hand", async () => {
    await admin('CONFIG', 'SET', 'maxmemory', '1');
    await callOnceMore();
    expect((await bob.register()).status).toBe(403);
    const { status, headers } = await bob.register();
    expect([status, headers.find(({ name }) => name === 'retry-after')?.value]).toEqual([503, '5']);
    await admin('CONFIG', 'SET', 'maxmemory', '0');
    expect((await bob.register()).status).toBe(200);
    await plainCall();
  });

  it('failing over: a replica takes no writes, then becomes the primary', async () => {
    alice.signer?.reset();
    await admin('REPLICAOF', '127.0.0.1', '1');
    await callOnceMore();
    await admin('REPLICAOF', 'NO', 'ONE');
    await plainCall();
  });

  it('hanging: nobody but the first waits for it', async () => {
    alice.signer?.reset();
    redis.freeze();
    await callOnceMore();
    const began = performance.now();
    const call = await establish(alice, bob);
    expect(performance.now() - began).toBeLessThan(1_000);
    await exchange(alice, bob, call.callerSide, 'BYE');
    redis.thaw();
  });

  it('gone: until it is there again, empty even, and the phones have registered', async () => {
    alice.signer?.reset();
    const { port } = redis;
    await redis.stop();
    await callOnceMore();
    redis = await startRedis({ port });
    await until('the store is back', async () => (await bob.register()).status === 200);
    for (const phone of [alice, bob]) {
      phone.signer?.reset();
      expect((await phone.register()).status).toBe(200);
    }
    await plainCall();
  });
});
