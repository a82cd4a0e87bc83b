import { createClient } from 'redis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, startSentinel, type TestRedis } from '../../overlay/redis-server.ts';
import { establish, exchange } from '../../support/sip-call.ts';
import { TestGateway } from '../../support/test-gateway.ts';
import { until } from '../../support/until.ts';

let primary: TestRedis;
let replica: TestRedis;
let sentinel: Awaited<ReturnType<typeof startSentinel>>;
let gateway: TestGateway;
beforeAll(async () => {
  primary = await startRedis();
  replica = await startRedis();
  const client = await createClient({ url: replica.url }).connect();
  await client.sendCommand(['REPLICAOF', '127.0.0.1', String(primary.port)]);
  await until('the replica is in step', async () =>
    (await client.info('replication')).includes('link_status:up'),
  );
  await client.close();
  sentinel = await startSentinel(primary);
  // The replica is known once the sentinel has asked the primary.
  const asking = await createClient({ url: `redis://127.0.0.1:${sentinel.port}` }).connect();
  await until('the sentinel knows the replica', async () => {
    return (await asking.info('sentinel')).includes('slaves=1');
  });
  await asking.close();
  gateway = await TestGateway.open({
    set: [
      'overlay.store=redis://mymaster',
      `overlay.sentinels=127.0.0.1:${sentinel.port}`,
      'overlay.node.secret=correct horse battery',
      'limits.overlay.cache.freshMs=1',
    ],
  });
}, 30_000);
afterAll(async () => {
  await gateway.close();
  await sentinel.stop();
  await replica.stop();
});

it('a primary that dies is replaced by the one that the sentinels name: nothing is lost, and nobody lends a hand', async () => {
  const [alice, bob] = [await gateway.keyPhone('alice', 'ws'), await gateway.keyPhone('bob', 'ws')];
  await alice.register();
  expect((await bob.register()).status).toBe(200);
  const call = await establish(alice, bob);
  await primary.stop();
  // The call goes on meanwhile, and a phone that is asked to signs over the gateway's own nonce.
  await exchange(bob, alice, call.calleeSide, 'INFO', { signed: false });
  await until(
    'the next primary takes registrations',
    async () => (await bob.register()).status === 200,
    20_000,
  );
  await exchange(alice, bob, call.callerSide, 'BYE');
  // Whoever was enrolled with the old primary still is.
  const thief = await gateway.keyPhone('alice', 'tcp');
  expect(await thief.register()).toMatchObject({ status: 403, reason: 'Name Held By Another Key' });
  alice.signer?.reset();
  const again = await establish(alice, bob);
  await exchange(alice, bob, again.callerSide, 'BYE');
}, 40_000);
