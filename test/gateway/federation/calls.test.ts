import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerValue } from '../../../src/sip/index.ts';
import { decodeIntentToken } from '../../../src/tokens/index.ts';
import { establish, exchange } from '../../support/sip-call.ts';
import { newIdentity, type TestGateway } from '../../support/test-gateway.ts';
import { Operators } from './operators.ts';

let operators: Operators;
let a: TestGateway;
let b: TestGateway;
beforeAll(async () => {
  operators = await Operators.open();
  b = await operators.gateway('b.example', { devices: [{ name: 'desk', password: 'pw' }] });
  a = await operators.gateway('a.example', {
    devices: [{ name: 'carol', password: 'pw' }],
    set: ['federation.directories=b.example'],
  });
});
afterAll(() => operators.close());

describe('two operators without a common store', () => {
  it("a call by name@domain: the other side checks the token against what the caller's own domain publishes", async () => {
    const [alice, bob] = [await a.keyPhone('alice', 'ws'), await b.keyPhone('bob', 'ws')];
    await alice.register();
    await bob.register();
    const call = await establish(alice, bob, 'sip:bob@b.example', { intent: 'about the delivery' });
    const token = decodeIntentToken(headerValue(call.invite, 'intent-token') ?? '');
    expect(token.intent.text).toBe('about the delivery');
    await exchange(alice, bob, call.callerSide, 'INFO');
    await exchange(bob, alice, call.calleeSide, 'INFO');
    await exchange(bob, alice, call.calleeSide, 'BYE');
    const attempt = (await b.records()).find(({ event }) => event === 'call.attempt');
    expect(attempt?.erin).toMatchObject({ caller: 'jis:alice@a.example', assurance: 3, signedBy: 'device' });
  });

  it('a call by fingerprint@domain, and by a bare fingerprint through a directory', async () => {
    const dave = await a.keyPhone('dave', 'ws');
    const identity = newIdentity('jis:erin');
    const erin = await b.keyPhone('erin', 'ws', { identity });
    await dave.register();
    await erin.register();
    const { fingerprint } = identity.token;
    const call = await establish(dave, erin, `sip:${fingerprint}@b.example`);
    await exchange(dave, erin, call.callerSide, 'BYE');
    const bare = await establish(dave, erin, `sip:${fingerprint}@a.example`);
    await exchange(erin, dave, bare.calleeSide, 'BYE');
  });

  it('stock phones on both sides: the gateway vouches, and says so', async () => {
    const [carol, desk] = [await a.stockPhone('carol', 'tcp'), await b.stockPhone('desk', 'tcp')];
    await carol.register();
    await desk.register();
    const call = await establish(carol, desk, 'sip:desk@b.example');
    const token = decodeIntentToken(headerValue(call.invite, 'intent-token') ?? '');
    expect([token.assurance, token.onBehalfOf !== undefined]).toEqual([1, true]);
    await exchange(carol, desk, call.callerSide, 'BYE');
  });

  it('a caller who is not what its domain publishes is refused: unknown there, another name, no token, over UDP', async () => {
    const frank = await b.keyPhone('frank', 'ws');
    await frank.register();
    const stranger = newIdentity('jis:mallory');
    const attempts = async (
      user: string,
      transport: 'tcp' | 'udp',
      identity = stranger,
    ): Promise<unknown> => {
      const from = b.log.length;
      const phone = await b.keyPhone(user, transport, { identity, domain: 'a.example' });
      const { response } = await phone.ask('INVITE', 'sip:frank@b.example');
      expect([403, 407]).toContain(response.status);
      return b.faults(from)[0];
    };
    expect(await attempts('mallory', 'tcp')).toBe('foreign-not-found');
    expect(await attempts('mallory', 'udp')).toBe('foreign-over-udp');
    const ivan = newIdentity('jis:ivan');
    const registered = await a.keyPhone('ivan', 'tcp', { identity: ivan });
    await registered.register();
    expect(await attempts('alice', 'tcp', ivan)).toBe('from');
  });

  it('phones are published before they have their 200, so that they can call in the same moment', async () => {
    const heidi = await b.keyPhone('heidi', 'ws');
    await heidi.register();
    const names = Array.from({ length: 8 }, (_, at) => `newcomer-${at}`);
    const phones = await Promise.all(names.map((name) => a.keyPhone(name, 'ws')));
    const answers = phones.map(async (phone) => {
      await phone.register();
      return (await phone.ask('INVITE', heidi.address)).response.status;
    });
    for (const _phone of phones) heidi.reply(await heidi.incoming('INVITE'), 486);
    expect(await Promise.all(answers)).toEqual(phones.map(() => 486));
  });

  it('nobody passes through one operator on the way to another, and nobody unknown is found', async () => {
    const grace = await a.keyPhone('grace', 'ws');
    await grace.register();
    expect((await grace.ask('INVITE', 'sip:nobody@b.example')).response.status).toBe(404);
    expect((await grace.ask('INVITE', 'sip:bob@nowhere.example')).response.status).toBe(404);
    const transit = await b.keyPhone('grace', 'tcp', { domain: 'a.example' });
    expect((await transit.ask('INVITE', 'sip:alice@a.example')).response.status).toBe(403);
  });
});
