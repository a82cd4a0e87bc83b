import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { equalBytes } from '../../src/base/index.ts';
import { intentRequestOf } from '../../src/intent/index.ts';
import { headerValue } from '../../src/sip/index.ts';
import { decodeIntentToken, legDigest, loadIdentity, saveIdentity } from '../../src/tokens/index.ts';
import { ProbedPhone } from '../softphone/probed-phone.ts';
import { person } from '../support/people.ts';
import { tibetSip } from '../support/processes.ts';
import { establish, exchange, ring } from '../support/sip-call.ts';
import { TestGateway } from '../support/test-gateway.ts';

// Each test starts the command line, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let gateway: TestGateway;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tibet-ended-'));
  gateway = await TestGateway.open();
});
afterAll(async () => {
  await gateway.close();
  rmSync(directory, { recursive: true });
});

/** Writes the identity file that the command line works on. */
async function saved(subject: string): Promise<{ file: string; who: ReturnType<typeof person> }> {
  const who = person(subject);
  const file = join(directory, `${subject.replaceAll(':', '-')}.json`);
  await saveIdentity(file, { token: who.token, seed: who.key.seed });
  return { file, who };
}

async function cli(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await tibetSip([...args, '--data-dir', gateway.dataDir]);
  expect(code, err).toBe(0);
  return out;
}

describe('a revoked identity', () => {
  it('seed 34: is put out by another process while it is registered and in a call', async () => {
    const { file, who } = await saved('jis:mallory');
    const mallory = await gateway.keyPhone('mallory', 'ws', { identity: who });
    const bob = await gateway.keyPhone('bob', 'ws', { identity: person('jis:bob') });
    await mallory.register();
    await bob.register();
    const call = await establish(mallory, bob);
    const ringing = await ring(bob, mallory);
    await cli('identity', 'revoke', file, '--reason', 'phone stolen');
    // Both are told that it is over, in the gateway's own name.
    const { fingerprint } = await gateway.identity();
    for (const party of [mallory, bob]) {
      const bye = await party.incoming('BYE');
      expect(headerValue(bye, 'reason')).toBe('SIP;cause=403;text="Identity Revoked"');
      const token = decodeIntentToken(headerValue(bye, 'intent-token') ?? '');
      expect([token.signer, token.intent.text]).toEqual([fingerprint, 'Identity Revoked']);
      expect(equalBytes(token.legDigest, legDigest(intentRequestOf(bye)))).toBe(true);
      party.reply(bye, 200);
    }
    const closing = async () => (await gateway.records({ callId: call.invite.callId })).at(-1)?.erin;
    await expect
      .poll(closing, { timeout: 10_000 })
      .toMatchObject({ outcome: 'interrupted', reason: 'jis:mallory was revoked', ended: 'bye' });
    // What rings is given up, and rings no more.
    mallory.reply(await mallory.incoming('CANCEL'), 200);
    mallory.reply(ringing.invite, 487);
    expect((await bob.final(ringing.request)).status).toBe(487);
    expect((await bob.ask('INVITE', mallory.address)).response.status).toBe(480);
    const update = mallory.inDialog(call.callerSide, 'INFO');
    expect(await mallory.final(update)).toMatchObject({ status: 403, reason: 'Identity Revoked' });
    expect((await mallory.ask('INVITE', bob.address)).response).toMatchObject({ reason: 'Identity Revoked' });
    expect(await mallory.register()).toMatchObject({ status: 403, reason: 'Identity Revoked' });
    // The tombstone is in the record of the gateway, with the reason.
    const revoked = (record: { event: string }): boolean => record.event === 'overlay.revocation';
    await expect.poll(async () => (await gateway.records()).find(revoked)?.erachter).toBe('phone stolen');
  });
});

describe('calls.whenRevoked', () => {
  it('keep: the parties may go on talking, and hang up themselves', async () => {
    const lenient = await TestGateway.open({ set: ['calls.whenRevoked=keep'] });
    const who = person('jis:mallory');
    const mallory = await lenient.keyPhone('mallory', 'ws', { identity: who });
    const bob = await lenient.keyPhone('bob', 'ws');
    await mallory.register();
    await bob.register();
    const call = await establish(mallory, bob);
    const file = join(directory, 'lenient.json');
    await saveIdentity(file, { token: who.token, seed: who.key.seed });
    await tibetSip(['identity', 'revoke', file, '--data-dir', lenient.dataDir]);
    const closing = async () => (await lenient.records({ callId: call.invite.callId })).at(-1)?.erin;
    await expect.poll(closing, { timeout: 10_000 }).toMatchObject({ reason: 'jis:mallory was revoked' });
    await exchange(mallory, bob, call.callerSide, 'BYE');
    await lenient.close();
  });

  it('cut: the calls of a pseudonym end with the parent that it names, three levels up as well', async () => {
    const { file, who } = await saved('jis:principal');
    const deputy = person('jis:deputy', { parent: who, shown: true });
    const clerk = person('jis:clerk', { parent: deputy, shown: true });
    const agent = person('jis:agent', { parent: clerk, shown: true });
    for (const [user, identity] of [
      ['principal', who],
      ['deputy', deputy],
      ['clerk', clerk],
    ] as const)
      expect((await (await gateway.keyPhone(user, 'ws', { identity })).register()).status).toBe(200);
    const [phone, other] = [
      await gateway.keyPhone('agent', 'ws', { identity: agent }),
      await gateway.keyPhone('other', 'ws'),
    ];
    expect((await phone.register()).status).toBe(200);
    await other.register();
    await establish(other, phone);
    await cli('identity', 'revoke', file);
    for (const party of [phone, other]) party.reply(await party.incoming('BYE'), 200);
    // What another process has written may go unnoticed for `limits.overlay.cache.freshMs`.
    await expect
      .poll(() => phone.register(), { timeout: 5_000 })
      .toMatchObject({ status: 403, reason: 'Parent Identity Not Valid' });
  });
});

describe('an identity that expires', () => {
  it('seed 34: calls of its pseudonym that are up go on and can be ended, new ones are refused', async () => {
    const own = await TestGateway.open();
    const parent = person('jis:principal', { lifetimeSeconds: 3_600 });
    await (await own.keyPhone('principal', 'ws', { identity: parent })).register();
    const deputy = person('jis:deputy', { parent, shown: true });
    const phone = await own.keyPhone('deputy', 'ws', { identity: deputy });
    const other = await own.keyPhone('other', 'ws');
    await phone.register();
    await other.register();
    const call = await establish(phone, other);
    own.clock.shiftMs = 7_200_000;
    await exchange(other, phone, call.calleeSide, 'INFO');
    expect((await phone.register()).reason).toBe('Parent Identity Not Valid');
    await other.register();
    expect((await phone.ask('INVITE', other.address)).response).toMatchObject({
      status: 403,
      reason: 'Parent Identity Not Valid',
    });
    await exchange(phone, other, call.callerSide, 'BYE');
    await own.close();
  });
});

describe('an identity that expires during its call', () => {
  it('RFC 3261 §15: may still hang up, on either side and from a new connection, signed and on record; and do nothing else', async () => {
    const own = await TestGateway.open();
    const who = person('jis:brief', { lifetimeSeconds: 3_600 });
    const { clock } = own;
    const phone = await own.keyPhone('brief', 'ws', { identity: who, clock });
    const other = await own.keyPhone('other', 'ws');
    await phone.register();
    await other.register();
    const asCaller = await establish(phone, other);
    const asCallee = await establish(other, phone);
    const fromElsewhere = await establish(phone, other);
    const unaware = await establish(phone, other);
    const byOther = await establish(other, phone);
    clock.shiftMs = 7_200_000;
    const refusedInfo = phone.inDialog(asCaller.callerSide, 'INFO');
    expect((await phone.final(refusedInfo)).status).toBe(403);
    expect((await phone.ask('INVITE', other.address)).response.status).toBe(403);

    const { arrived } = await exchange(phone, other, asCaller.callerSide, 'BYE');
    // It is worth nothing to anybody else.
    expect(headerValue(arrived, 'intent-token')).toBeUndefined();
    await exchange(phone, other, asCallee.calleeSide, 'BYE');

    const forged = { token: who.token, key: person('jis:brief').key };
    const thief = await own.keyPhone('brief', 'ws', { identity: forged, clock });
    const stolen = thief.inDialog(fromElsewhere.callerSide, 'BYE');
    expect(await thief.final(stolen)).toMatchObject({ status: 403, reason: 'Bad Intent Token' });
    const moved = await own.keyPhone('brief', 'ws', { identity: who, clock });
    await exchange(moved, other, fromElsewhere.callerSide, 'BYE');
    // A phone that does not know that it has expired signs as of now.
    const token = { ...who.token, expires: who.token.expires + 86_400 };
    const hopeful = await own.keyPhone('brief', 'ws', { identity: { ...who, token }, clock });
    await exchange(hopeful, other, unaware.callerSide, 'BYE');
    await exchange(other, phone, byOther.callerSide, 'BYE');

    const closing = async (call: typeof asCaller) =>
      (await own.records({ callId: call.invite.callId })).at(-1)?.erin;
    const late = { outcome: 'answered', reason: 'hung up after its identity had expired' };
    await expect.poll(() => closing(asCaller)).toMatchObject({ ...late, by: 'caller' });
    await expect.poll(() => closing(asCallee)).toMatchObject({ ...late, by: 'callee' });
    await expect.poll(() => closing(fromElsewhere)).toMatchObject({ ...late, by: 'caller' });
    await expect.poll(() => closing(byOther)).toMatchObject({ outcome: 'answered', by: 'caller' });
    expect(await closing(byOther)).not.toHaveProperty('reason');
    await own.close();
  });

  it('does not hang up with a signature once it is revoked', async () => {
    const own = await TestGateway.open({ set: ['calls.whenRevoked=keep'] });
    const { file, who } = await saved('jis:short');
    const phone = await own.keyPhone('short', 'ws', { identity: who });
    const other = await own.keyPhone('other', 'ws');
    await phone.register();
    await other.register();
    const call = await establish(phone, other);
    const { code } = await tibetSip(['identity', 'revoke', file, '--data-dir', own.dataDir]);
    expect(code).toBe(0);
    const closing = async () => (await own.records({ callId: call.invite.callId })).at(-1)?.erin;
    await expect.poll(closing, { timeout: 10_000 }).toMatchObject({ reason: 'jis:short was revoked' });
    const elsewhere = await own.keyPhone('short', 'ws', { identity: who });
    expect(await elsewhere.final(elsewhere.inDialog(call.callerSide, 'BYE'))).toMatchObject({
      status: 403,
      reason: 'Identity Revoked',
    });
    await own.close();
  });
});

describe('a rotated identity', () => {
  it('is called under its name and its old fingerprint, and its phone takes the place by registering', async () => {
    const { file, who } = await saved('jis:rose');
    const caller = await gateway.keyPhone('caller', 'ws', { identity: person('jis:caller') });
    await caller.register();
    const old = await ProbedPhone.register({ port: gateway.port('ws'), identity: who, answers: true });
    const next = join(directory, 'rose-2.json');
    await cli('identity', 'rotate', file, '--out', next);
    const successor = await loadIdentity(next);
    expect(successor.token.fingerprint).not.toBe(who.token.fingerprint);
    const { succession } = successor;
    const phone = await ProbedPhone.register({
      port: gateway.port('ws'),
      identity: successor,
      answers: true,
      succession,
    });
    for (const address of ['rose', who.token.fingerprint, successor.token.fingerprint]) {
      const { response } = await caller.ask('INVITE', `sip:${address}@${gateway.domain}`);
      expect(response.status, address).toBe(200);
    }
    expect(phone.events.filter(({ kind }) => kind === 'incoming')).toHaveLength(3);
    expect(old.events.filter(({ kind }) => kind === 'incoming')).toHaveLength(0);
    await phone.close();
    // The old key has had its day.
    const late = await gateway.keyPhone('rose', 'ws', { identity: who });
    expect(await late.register()).toMatchObject({ status: 403, reason: 'Identity Replaced' });
    await old.close();
    const events = (await gateway.records()).map(({ event }) => event);
    expect(events).toContain('overlay.succession');
  });

  it('nobody takes a place that the old key has not handed over', async () => {
    const { who } = await saved('jis:victim');
    const victim = await gateway.keyPhone('victim', 'ws', { identity: who });
    await victim.register();
    const [one, two] = [await saved('jis:thief'), person('jis:victim')];
    await cli('identity', 'rotate', one.file, '--out', join(directory, 'thief-2.json'));
    const { succession } = await loadIdentity(join(directory, 'thief-2.json'));
    const thief = await gateway.keyPhone('victim', 'ws', {
      identity: { ...two, ...(succession && { succession }) },
    });
    expect((await thief.register()).status).toBe(403);
    const caller = await gateway.keyPhone('caller-2', 'ws', { identity: person('jis:caller-2') });
    await caller.register();
    await exchange(caller, victim, (await establish(caller, victim)).callerSide, 'BYE');
  });
});
