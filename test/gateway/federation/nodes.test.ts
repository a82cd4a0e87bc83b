import { afterAll, beforeAll, expect, it } from 'vitest';
import { headerValue } from '../../../src/sip/index.ts';
import { decodeIntentToken } from '../../../src/tokens/index.ts';
import { startRedis, type TestRedis } from '../../overlay/redis-server.ts';
import { establish, exchange } from '../../support/sip-call.ts';
import { newIdentity, type TestGateway } from '../../support/test-gateway.ts';
import { Operators } from './operators.ts';

let redis: TestRedis;
let operators: Operators;
let a: TestGateway;
let entrance: TestGateway;
let inner: TestGateway;
beforeAll(async () => {
  redis = await startRedis();
  operators = await Operators.open();
  const shared = {
    store: redis.url,
    set: ['overlay.node.secret=correct horse battery', 'limits.overlay.cache.freshMs=1'],
  };
  a = await operators.gateway('a.example');
  entrance = await operators.gateway('b.example', shared);
  inner = await operators.gateway('b.example', shared);
});
afterAll(async () => {
  await operators.close();
  await redis.stop();
});

it('a caller of another operator reaches a phone at whichever gateway of the shared store it is registered', async () => {
  const alice = newIdentity('jis:alice');
  const [caller, callee] = [
    await a.keyPhone('alice', 'ws', { identity: alice }),
    await inner.keyPhone('bob', 'ws'),
  ];
  await caller.register();
  await callee.register();
  const call = await establish(caller, callee, 'sip:bob@b.example', { intent: 'about the delivery' });
  expect(headerValue(call.invite, 'hop-token')).toBeUndefined();
  const token = decodeIntentToken(headerValue(call.invite, 'intent-token') ?? '');
  expect([token.signer, token.intent.text]).toEqual([alice.token.fingerprint, 'about the delivery']);
  await exchange(caller, callee, call.callerSide, 'INFO');
  await exchange(callee, caller, call.calleeSide, 'INFO');
  await exchange(callee, caller, call.calleeSide, 'BYE');
  for (const gateway of [entrance, inner]) {
    const attempt = (await gateway.records()).find(({ event }) => event === 'call.attempt');
    expect(attempt?.erin).toMatchObject({ caller: 'jis:alice@a.example', assurance: 3, signedBy: 'device' });
  }
});

it('and its phone there may call out', async () => {
  const [caller, callee] = [await inner.keyPhone('carol', 'tcp'), await a.keyPhone('dave', 'ws')];
  await caller.register();
  await callee.register();
  const call = await establish(caller, callee, 'sip:dave@a.example');
  await exchange(callee, caller, call.calleeSide, 'BYE');
});
