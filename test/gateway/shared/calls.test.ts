import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock, systemRandom } from '../../../src/base/index.ts';
import { HopTokens } from '../../../src/gateway/hops/hop-token.ts';
import { SingleUse } from '../../../src/gateway/single-use.ts';
import { IdentityOverlay, RedisStore } from '../../../src/overlay/index.ts';
import { appendHeaders, headerField, headerValue } from '../../../src/sip/index.ts';
import { decodeIntentToken } from '../../../src/tokens/index.ts';
import { startRedis, type TestRedis } from '../../overlay/redis-server.ts';
import { establish, exchange } from '../../support/sip-call.ts';
import { newIdentity, TestGateway } from '../../support/test-gateway.ts';
import { until } from '../../support/until.ts';
import { Link } from './link.ts';

const secret = 'overlay.node.secret=correct horse battery';
let redis: TestRedis;
let link: Link;
let one: TestGateway;
let two: TestGateway;
beforeAll(async () => {
  redis = await startRedis();
  link = await Link.open();
  const set = [secret, 'limits.overlay.cache.freshMs=1'];
  one = await TestGateway.open({ store: redis.url, set });
  two = await TestGateway.open({
    store: redis.url,
    set: [...set, `overlay.node.address=tcp://127.0.0.1:${link.port}`],
    devices: [{ name: 'desk', password: 'pw', extension: '1001' }],
  });
  link.target = two.port('tcp');
});
afterAll(async () => {
  await one.close();
  await two.close();
  await link.close();
  await redis.stop();
});

describe('two gateways that share a Redis', () => {
  it('a call reaches a phone at the other gateway, with the token that its caller signed, and ends', async () => {
    const [alice, bob] = [await one.keyPhone('alice', 'udp'), await two.keyPhone('bob', 'ws')];
    await alice.register();
    await bob.register();
    const call = await establish(alice, bob, bob.address, { intent: 'callback, ticket 4711' });
    const token = decodeIntentToken(headerValue(call.invite, 'intent-token') ?? '');
    expect(token.intent.text).toBe('callback, ticket 4711');
    expect(token.assurance).toBe(3);
    expect(headerValue(call.invite, 'hop-token')).toBeUndefined();
    await exchange(bob, alice, call.calleeSide, 'INVITE');
    bob.inDialog(call.calleeSide, 'ACK');
    await alice.incoming('ACK');
    await exchange(alice, bob, call.callerSide, 'BYE');
    for (const gateway of [one, two]) {
      await until('the call has ended', async () => {
        return (await gateway.records()).some(({ event }) => event === 'call.end');
      });
    }
    const attempt = (await two.records()).find(({ event }) => event === 'call.attempt');
    expect(attempt?.erin).toMatchObject({
      caller: 'jis:alice',
      callee: 'jis:bob',
      assurance: 3,
      signedBy: 'device',
    });
  });

  it('goes on when the connection between the gateways is cut in mid-call, from either side', async () => {
    const [frank, grace] = [await one.keyPhone('frank', 'ws'), await two.keyPhone('grace', 'ws')];
    await frank.register();
    await grace.register();
    const call = await establish(frank, grace);
    expect(link.connections).toBeGreaterThan(0);
    await link.cut();
    await exchange(frank, grace, call.callerSide, 'INFO');
    await link.cut();
    await exchange(grace, frank, call.calleeSide, 'INFO');
    await exchange(frank, grace, call.callerSide, 'BYE');
  });

  it('both ends of a call hear it when an identity at one of them is revoked', async () => {
    const judy = newIdentity('jis:judy');
    const [caller, callee] = [
      await one.keyPhone('judy', 'ws', { identity: judy }),
      await two.keyPhone('kim', 'tcp'),
    ];
    await caller.register();
    await callee.register();
    await establish(caller, callee);
    const overlay = new IdentityOverlay({
      store: await RedisStore.open({ url: redis.url }),
      node: 'operator',
    });
    await overlay.revoke(judy.token.fingerprint);
    await overlay.close();
    for (const phone of [caller, callee]) {
      const bye = await phone.incoming('BYE');
      expect(headerValue(bye, 'reason')).toContain('Identity Revoked');
      phone.reply(bye, 200);
    }
  });

  it('a call to an extension of a stock phone, and one from it, cross with the true assurance', async () => {
    const [carol, desk] = [
      await one.keyPhone('carol', 'ws'),
      await two.stockPhone('desk', 'tcp', { username: '1001' }),
    ];
    await carol.register();
    expect((await desk.register()).status).toBe(200);
    const call = await establish(carol, desk, `sip:1001@${one.domain}`);
    await exchange(desk, carol, call.calleeSide, 'BYE');
    const back = await establish(desk, carol);
    const token = decodeIntentToken(headerValue(back.invite, 'intent-token') ?? '');
    expect([token.assurance, token.onBehalfOf !== undefined]).toEqual([1, true]);
    await exchange(carol, desk, back.calleeSide, 'BYE');
  });

  it('a phone that is registered at both rings at both, and a MESSAGE crosses too', async () => {
    const identity = newIdentity('jis:erin');
    const dave = await one.keyPhone('dave', 'tcp');
    const here = await one.keyPhone('erin', 'ws', { identity });
    const there = await two.keyPhone('erin', 'tcp', { identity });
    for (const phone of [dave, here, there]) expect((await phone.register()).status).toBe(200);
    const { request } = await dave.begin('INVITE', here.address);
    const invites = [await here.incoming('INVITE'), await there.incoming('INVITE')];
    there.reply(invites[1] ?? request, 486);
    here.reply(invites[0] ?? request, 486);
    expect((await dave.final(request)).status).toBe(486);
    await here.register({ expires: 0 });
    const { request: message } = await dave.begin('MESSAGE', here.address, {
      body: 'hello',
      contentType: 'text/plain',
    });
    there.reply(await there.incoming('MESSAGE'), 200);
    expect((await dave.final(message)).status).toBe(200);
    await there.register({ expires: 0 });
    await until('nobody is left', async () => {
      return (await dave.ask('MESSAGE', here.address)).response.status === 480;
    });
  });

  it('a token that one gateway has taken is refused by the other', async () => {
    const identity = newIdentity('jis:heidi');
    const first = await one.keyPhone('heidi', 'tcp', { identity });
    const second = await two.keyPhone('heidi', 'tcp', { identity });
    const request = first.build('REGISTER', `sip:${one.domain}`, { to: `<${first.address}>` });
    first.send(request);
    expect((await first.final(request)).status).toBe(200);
    const from = two.log.length;
    second.send(request);
    const refused = await second.inbox.take('403', (message) => message.kind === 'response');
    expect(refused).toMatchObject({ status: 403, reason: 'Intent Token Used Before' });
    expect(two.faults(from)).toContain('replay');
  });

  it('nobody poses as a gateway: without the secret in the store, or with a token of no gateway, or one used before', async () => {
    const impostor = newIdentity('sip:gateway@sip.test');
    const overlay = new IdentityOverlay({
      store: await RedisStore.open({ url: redis.url }),
      node: 'impostor',
    });
    await overlay.announceNode({ ...impostor, transport: 'tcp', address: '127.0.0.1', port: 9 });
    const victim = await one.keyPhone('ivan', 'tcp');
    await victim.register();
    const stranger = await two.stranger('ivan', 'tcp');
    const used = SingleUse.open(`${two.dataDir}/impostor`, 60_000, 0);
    const { fingerprint } = impostor.token;
    const tokens = new HopTokens({
      key: impostor.key,
      fingerprint,
      used,
      clock: systemClock,
      random: systemRandom,
    });
    const identity = await overlay.lookup('ivan');
    const request = stranger.build('MESSAGE', `sip:1001@${two.domain}`);
    const claim = { caller: identity?.fingerprint, assurance: 3, peer: undefined } as const;
    const hop = tokens.sign(request, (await two.identity()).fingerprint, claim);
    const from = two.log.length;
    const forged = appendHeaders(request, [headerField('Hop-Token', hop)]);
    stranger.send(forged);
    expect((await stranger.final(forged)).status).toBe(403);
    expect(two.faults(from)).toEqual(['hop-unknown-node']);
    used.close();
    await overlay.close();
  });
});
