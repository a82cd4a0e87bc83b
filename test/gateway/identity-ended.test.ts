import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadIdentity, saveIdentity } from '../../src/tokens/index.ts';
import { ProbedPhone } from '../softphone/probed-phone.ts';
import { person } from '../support/people.ts';
import { tibetSip } from '../support/processes.ts';
import { establish, exchange, ring } from '../support/sip-call.ts';
import { TestGateway } from '../support/test-gateway.ts';

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
    // Within a moment its call's record is closed, its phone leaves routing, and it cannot change the call any more.
    const closed = async () => (await gateway.records({ callId: call.invite.callId })).at(-1)?.erin['reason'];
    await expect.poll(closed, { timeout: 10_000 }).toBe('jis:mallory was revoked');
    expect((await bob.ask('INVITE', mallory.address)).response.status).toBe(480);
    const update = mallory.inDialog(call.callerSide, 'INFO');
    expect(await mallory.final(update)).toMatchObject({ status: 403, reason: 'Identity Revoked' });
    // It may hang up, but neither call nor register again.
    await exchange(mallory, bob, call.callerSide, 'BYE');
    expect((await mallory.ask('INVITE', bob.address)).response).toMatchObject({ reason: 'Identity Revoked' });
    expect(await mallory.register()).toMatchObject({ status: 403, reason: 'Identity Revoked' });
    mallory.reply(ringing.invite, 486);
    await bob.final(ringing.request);
    // The tombstone is in the record of the gateway, with the reason.
    const revoked = (record: { event: string }): boolean => record.event === 'overlay.revocation';
    await expect.poll(async () => (await gateway.records()).find(revoked)?.erachter).toBe('phone stolen');
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
