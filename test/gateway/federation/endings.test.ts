import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IdentityOverlay, RedisStore } from '../../../src/overlay/index.ts';
import { headerValue } from '../../../src/sip/index.ts';
import { loadIdentity, saveIdentity } from '../../../src/tokens/index.ts';
import { type CommandResult, runCli } from '../../cli/recorded-terminal.ts';
import { startRedis, type TestRedis } from '../../overlay/redis-server.ts';
import { type Person, person } from '../../support/people.ts';
import type { SipAgent } from '../../support/sip-agent.ts';
import { establish, exchange } from '../../support/sip-call.ts';
import type { TestGateway } from '../../support/test-gateway.ts';
import { Operators } from './operators.ts';

const fresh = 'limits.overlay.cache.freshMs=1';
let redis: TestRedis;
let operators: Operators;
let a: TestGateway;
let b: TestGateway;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tibet-foreign-'));
  redis = await startRedis();
  operators = await Operators.open();
  a = await operators.gateway('a.example', { store: `${redis.url}/0`, set: [fresh] });
  b = await operators.gateway('b.example', {
    store: `${redis.url}/1`,
    set: [fresh, 'federation.freshMs=500'],
  });
});
afterAll(async () => {
  await operators.close();
  await redis.stop();
  rmSync(directory, { recursive: true });
});

/** Somebody with a registered phone, and the file that the command line works on. */
async function at(
  gateway: TestGateway,
  name: string,
): Promise<{ file: string; who: Person; phone: SipAgent }> {
  const who = person(`jis:${name}`);
  const file = join(directory, `${name}.json`);
  await saveIdentity(file, { token: who.token, seed: who.key.seed });
  const phone = await gateway.keyPhone(name, 'ws', { identity: who });
  expect((await phone.register()).status).toBe(200);
  return { file, who, phone };
}

/** On the gateway's own store, as `--config` would say. */
function command(gateway: TestGateway, ...args: readonly string[]): Promise<CommandResult> {
  const store = `overlay.store=${redis.url}/${gateway === a ? 0 : 1}`;
  return runCli([...args, '--data-dir', gateway.dataDir, '--set', store]);
}

async function cli(gateway: TestGateway, ...args: readonly string[]): Promise<string> {
  const { code, out, err } = await command(gateway, ...args);
  expect(code, err).toBe(0);
  return out;
}

async function callEnds(caller: SipAgent, callee: SipAgent, uri: string): Promise<void> {
  const call = await establish(caller, callee, uri);
  await exchange(caller, callee, call.callerSide, 'BYE');
}

describe('an identity of another operator that changes its key', () => {
  it('is called on under its name and its old fingerprint: the published record shows both signatures', async () => {
    const [{ phone: caller }, bob] = [await at(a, 'caller'), await at(b, 'bob')];
    await callEnds(caller, bob.phone, 'sip:bob@b.example');
    const next = join(directory, 'bob-2.json');
    await cli(b, 'identity', 'rotate', bob.file, '--out', next);
    await cli(b, 'overlay', 'succeed', next);
    const phone = await b.keyPhone('bob', 'ws', { identity: await loadIdentity(next) });
    expect((await phone.register()).status).toBe(200);
    await callEnds(caller, phone, 'sip:bob@b.example');
    await callEnds(caller, phone, `sip:${bob.who.token.fingerprint}@b.example`);
    // And calls as before.
    await callEnds(phone, caller, 'sip:caller@a.example');
  });

  it('but a key that nobody has named is refused, until the operator forgets the old one', async () => {
    const [{ phone: caller }, { phone: carol }] = [await at(a, 'dialler'), await at(b, 'carol')];
    await callEnds(caller, carol, 'sip:carol@b.example');
    expect(await cli(a, 'federation', 'pins', '--json')).toContain('"who":"jis:carol@b.example"');
    // What another key under this name would look like from here.
    await cli(a, 'federation', 'forget', 'carol@b.example');
    const overlay = new IdentityOverlay({ store: await RedisStore.open({ url: redis.url }), node: 'test' });
    const seen = { domain: 'b.example', homeSince: 0, publicKey: 'another' };
    await overlay.foreign.update('jis:carol@b.example', () => seen);
    await overlay.close();
    const refused = async () => (await caller.ask('INVITE', 'sip:carol@b.example')).response.status;
    await expect.poll(refused, { timeout: 5_000 }).toBe(404);
    expect(a.log.some(({ fields }) => fields['code'] === 'name-changed')).toBe(true);
    await cli(a, 'federation', 'forget', 'jis:carol@b.example');
    const forgotten = await command(a, 'federation', 'forget', 'jis:carol@b.example');
    expect(forgotten.err).toContain('tibet-sip federation pins');
    await expect
      .poll(async () => (await a.records()).map(({ event }) => event), { timeout: 5_000 })
      .toContain('overlay.forgetting');
    await callEnds(caller, carol, 'sip:carol@b.example');
  });
});

describe('an identity of another operator that is revoked', () => {
  it('seed 34: loses its calls at once, and is refused everywhere once its record is looked at again', async () => {
    const [{ file, who, phone: alice }, { phone: dave }] = [await at(a, 'alice'), await at(b, 'dave')];
    await establish(alice, dave, 'sip:dave@b.example');
    await cli(a, 'identity', 'revoke', file, '--reason', 'phone stolen');
    for (const party of [alice, dave]) party.reply(await party.incoming('BYE'), 200);
    // The thief goes past its own operator, and says so as long as anybody believes what was read half a second ago.
    const thief = await b.keyPhone('alice', 'tcp', { identity: who, domain: 'a.example' });
    const from = b.log.length;
    await expect
      .poll(async () => (await thief.ask('INVITE', 'sip:nobody@b.example')).response.status, {
        timeout: 5_000,
      })
      .toBe(403);
    expect(b.faults(from)).toContain('foreign-revoked');
    expect((await dave.ask('INVITE', 'sip:alice@a.example')).response.status).toBe(404);
  });

  it('seed 34: is refused where its tombstone was handed in, whatever its own operator publishes', async () => {
    const { file, phone: erin } = await at(a, 'erin');
    const { phone: frank } = await at(b, 'frank');
    await callEnds(erin, frank, 'sip:frank@b.example');
    const tombstone = join(directory, 'erin.tombstone');
    await cli(a, 'identity', 'revoke', file, '--out', tombstone);
    await cli(b, 'overlay', 'tombstone', tombstone);
    const from = b.log.length;
    const refused = async () => (await erin.ask('INVITE', 'sip:frank@b.example')).response.status;
    await expect.poll(refused, { timeout: 5_000 }).toBe(403);
    expect(b.faults(from)).toContain('identity-revoked');
  });
});

describe('an identity that expires during its call with another operator', () => {
  it('RFC 3261 §15: hangs up all the same, from either side, and both operators close their records', async () => {
    const { phone: other } = await at(b, 'lasting');
    const who = person('jis:brief', { lifetimeSeconds: 3_600 });
    const phone = await a.keyPhone('brief', 'ws', { identity: who, clock: a.clock });
    expect((await phone.register()).status).toBe(200);
    const asCaller = await establish(phone, other, 'sip:lasting@b.example');
    const asCallee = await establish(other, phone, 'sip:brief@a.example');
    // Its own gateway would have taken the token off.
    const past = await b.keyPhone('brief', 'tcp', { identity: who, domain: 'a.example', clock: a.clock });
    const direct = await establish(past, other, 'sip:lasting@b.example');
    for (const { clock } of [a, b]) clock.shiftMs = 7_200_000;
    try {
      await exchange(phone, other, asCaller.callerSide, 'BYE');
      await exchange(phone, other, asCallee.calleeSide, 'BYE');
      expect((await past.final(past.inDialog(direct.callerSide, 'INFO'))).status).toBe(403);
      const { arrived } = await exchange(past, other, direct.callerSide, 'BYE');
      expect(headerValue(arrived, 'intent-token')).toBeUndefined();
    } finally {
      for (const { clock } of [a, b]) clock.shiftMs = 0;
    }
    expect(await b.closingOf(direct.invite.callId)).toMatchObject({ outcome: 'answered', by: 'caller' });
    for (const [{ invite }, by] of [
      [asCaller, 'caller'],
      [asCallee, 'callee'],
    ] as const)
      for (const gateway of [a, b])
        expect(await gateway.closingOf(invite.callId)).toMatchObject({ outcome: 'answered', by });
  });
});
