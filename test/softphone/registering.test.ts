import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../src/base/index.ts';
import { TestGateway } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';
import { ProbedPhone, type ProbedPhoneOptions } from './probed-phone.ts';

let gateway: TestGateway;
const phones: ProbedPhone[] = [];

beforeAll(async () => {
  gateway = await TestGateway.open({ set: ['registrar.minExpires=60'] });
});
afterEach(async () => {
  await Promise.all(phones.splice(0).map((phone) => phone.close()));
});
afterAll(() => gateway.close());

async function phone(name: string, options: Partial<ProbedPhoneOptions> = {}): Promise<ProbedPhone> {
  const opened = new ProbedPhone({ name, port: gateway.port('ws'), ...options });
  phones.push(opened);
  await opened.phone.start();
  return opened;
}

async function recorded(identity: string, prefix = 'registration.'): Promise<readonly string[]> {
  return (await gateway.records())
    .filter(({ event, erin }) => event.startsWith(prefix) && erin['identity'] === identity)
    .map(({ event }) => event);
}

/** The machine's clock, its timers a thousand times as fast: five minutes take 0.3 s. */
const hurried: Clock = {
  ...systemClock,
  setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / 1000, callback),
};

describe('a softphone', () => {
  it('registers in one round trip and unregisters when it is closed', async () => {
    const alice = await phone('alice-1');
    await alice.next('registered');
    expect(alice.story).toEqual(['connected', 'registered']);
    expect(gateway.faults()).toEqual([]);
    await alice.close();
    expect(alice.story).toEqual(['connected', 'registered', 'unregistered']);
    expect(await recorded('jis:alice-1')).toEqual(['registration.added', 'registration.removed']);
  });

  it.each([-600_000, 600_000])('with a clock that is off by %i ms is refused once, then signs nonce and date', async (offMs) => {
    const from = gateway.log.length;
    const name = `clock${offMs}`;
    const alice = await phone(name, { clock: { ...systemClock, now: () => Date.now() + offMs } });
    await alice.next('registered');
    expect(alice.story).toEqual(['connected', 'registered']);
    expect(gateway.faults(from)).toEqual([offMs < 0 ? 'stale' : 'future']);
    // The offset stays learnt: a call is signed by the gateway's time.
    await alice.phone.call('nobody');
    expect(await alice.next('ended')).toMatchObject({ status: 404 });
    expect(gateway.faults(from)).toHaveLength(1);
  });

  it('refreshes its registration, each time with a token of its own', async () => {
    const alice = await phone('alice-2', { clock: hurried, registrationSeconds: 120 });
    await until('three registrations', async () => (await recorded('jis:alice-2')).length >= 3);
    expect((await recorded('jis:alice-2')).slice(0, 3)).toEqual([
      'registration.added',
      'registration.refreshed',
      'registration.refreshed',
    ]);
    expect(alice.story.filter((kind) => kind === 'refused')).toEqual([]);
  });

  it('asks for as much time as the gateway demands (RFC 3261 §10.2.8)', async () => {
    const alice = await phone('alice-3', { registrationSeconds: 10 });
    await alice.next('registered');
    expect(alice.story).toEqual(['connected', 'registered']);
  });

  it('is told when another key holds its name, and stays away', async () => {
    const alice = await phone('alice-4');
    await alice.next('registered');
    const mallory = await phone('alice-4', { clock: hurried });
    expect(await mallory.next('refused')).toMatchObject({
      status: 403,
      reason: 'Name Held By Another Key',
      retryMs: undefined,
    });
    expect(mallory.story).toEqual(['connected', 'refused']);
  });

  it('speaks under its fingerprint when its subject is no name', async () => {
    const { newIdentity } = await import('../support/test-gateway.ts');
    const alice = await phone('alice-5', { identity: newIdentity('jis:alice-5') });
    expect(alice.identity.token.subject).toBe('jis:alice-5');
    const other = new ProbedPhone({ port: gateway.port('ws'), identity: newIdentity('mail:zoe@example.org') });
    phones.push(other);
    await other.phone.start();
    const event = await Promise.race([other.next('registered'), other.next('refused')]);
    expect(event.kind).toBe('registered');
  });
});
