import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectFourLayers } from '../support/record-layers.ts';
import { newIdentity, TestGateway } from '../support/test-gateway.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.open({ devices: [{ name: 'desk', password: 'pw' }] });
});
afterAll(() => gateway.close());

describe('a registration leaves a record', () => {
  it('for being added, refreshed and removed, each resting on the one before', async () => {
    const identity = newIdentity('jis:registrant');
    const phone = await gateway.keyPhone('registrant', 'udp', { identity });
    const callId = 'registrations';
    await phone.register({ callId });
    await phone.register({ callId });
    await phone.register({ callId, expires: 0 });
    const all = await gateway.records({ identity: identity.token.fingerprint });
    for (const record of all) expect(record.erachter).not.toBe('');
    const own = all.filter(({ event }) => event.startsWith('registration.'));
    for (const record of own) expectFourLayers(record);
    expect(own.map(({ event }) => event)).toEqual([
      'registration.added',
      'registration.refreshed',
      'registration.removed',
    ]);
    expect(own.map(({ erin }) => erin['assurance'])).toEqual([3, 3, 3]);
    const [added, refreshed, removed] = own;
    expect(refreshed?.eraan['parents']).toContain(added?.id);
    expect(removed?.eraan['parents']).toContain(refreshed?.id);
    expect(added?.eraan['tokens']).toHaveLength(1);
  });

  it('of a stock phone with assurance 1', async () => {
    const desk = await gateway.stockPhone('desk', 'udp');
    await desk.register();
    const records = await gateway.records({ event: 'registration.added' });
    const own = records.find(({ erin }) => erin['identity'] === 'jis:desk');
    expect(own?.erin).toMatchObject({ assurance: 1 });
    expect(own?.eraan['tokens']).toEqual([]);
  });

  it('for being refused, with the fault and who was claimed', async () => {
    const bob = await gateway.keyPhone('bob', 'tcp');
    expect((await bob.register()).status).toBe(200);
    const mallory = await gateway.keyPhone('bob', 'udp');
    expect((await mallory.register()).status).toBe(403);
    const refusals = await gateway.records({ event: 'registration.refusal' });
    const last = refusals.at(-1);
    if (last === undefined) throw new Error('no refusal was recorded');
    expectFourLayers(last);
    expect(last.erin).toMatchObject({ fault: 'name-taken', to: `sip:bob@${gateway.domain}` });
  });

  it('for somebody else’s address, though the key is right', async () => {
    const identity = newIdentity('jis:curious');
    const phone = await gateway.keyPhone('curious', 'udp', { identity });
    const { response } = await phone.ask('REGISTER', `sip:${gateway.domain}`, {
      to: `<sip:desk@${gateway.domain}>`,
    });
    expect(response.status).toBe(403);
    const records = await gateway.records({ identity: identity.token.fingerprint });
    const refusal = records.find(({ event }) => event === 'registration.refusal');
    expect(refusal?.erin).toMatchObject({ claimed: 'jis:curious', fault: 'foreign-address' });
  });
});

describe('a registration that goes on as it was, where audit.refreshIntervalMs is an hour', () => {
  const minute = 60_000;
  const names = ['still', 'moved', 'again', 'pair'];
  let quiet: TestGateway;

  beforeAll(async () => {
    quiet = await TestGateway.open({
      devices: names.map((name) => ({ name, password: 'pw' })),
      set: ['audit.refreshIntervalMs=3600000'],
    });
  });
  afterAll(() => quiet.close());

  const eventsOf = async (name: string): Promise<string[]> =>
    (await quiet.records())
      .filter(({ event, erin }) => event.startsWith('registration.') && erin['identity'] === `jis:${name}`)
      .map(({ event }) => event.slice('registration.'.length));

  it('leaves a record of its beginning, once an hour, and of its end', async () => {
    const phone = await quiet.stockPhone('still', 'udp');
    for (const minutes of [0, 40, 50, 65, 100, 119, 121]) {
      quiet.clock.shiftMs = minutes * minute;
      expect((await phone.register({ expires: 3_600 })).status).toBe(200);
    }
    expect(await eventsOf('still')).toEqual(['added', 'refreshed', 'refreshed']);
    expect((await phone.register({ expires: 0 })).status).toBe(200);
    expect(await eventsOf('still')).toEqual(['added', 'refreshed', 'refreshed', 'removed']);
  });

  it('leaves one when it moves to another flow, there and back', async () => {
    const [here, there] = [await quiet.stockPhone('moved', 'udp'), await quiet.stockPhone('moved', 'udp')];
    for (const phone of [here, here, there, there, here]) expect((await phone.register()).status).toBe(200);
    expect(await eventsOf('moved')).toEqual(['added', 'refreshed', 'refreshed']);
  });

  it('leaves one when it begins again after it ended', async () => {
    const phone = await quiet.stockPhone('again', 'udp');
    for (const expires of [300, 300, 0, 300]) expect((await phone.register({ expires })).status).toBe(200);
    expect(await eventsOf('again')).toEqual(['added', 'removed', 'added']);
  });

  it('leaves one after the end of another phone of the same identity, for calls to rest on', async () => {
    const [one, other] = [await quiet.stockPhone('pair', 'udp'), await quiet.stockPhone('pair', 'tcp')];
    await one.register();
    await other.register();
    await other.register({ expires: 0 });
    for (let i = 0; i < 2; i++) await one.register();
    expect(await eventsOf('pair')).toEqual(['added', 'added', 'removed', 'refreshed']);
  });
});
