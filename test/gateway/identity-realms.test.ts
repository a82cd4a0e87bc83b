import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Person, person, TestRealm } from '../support/people.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { TestGateway } from '../support/test-gateway.ts';

let gateway: TestGateway;
let acme: TestRealm;
let brief: TestRealm;
let mute: TestRealm;
let silent: Server;
beforeAll(async () => {
  acme = await TestRealm.open('jis:acme');
  brief = await TestRealm.open('jis:brief', 1);
  mute = await TestRealm.open('jis:mute');
  // Takes the question and never answers.
  silent = createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const nowhere = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/vouch`;
  gateway = await TestGateway.open({
    set: [
      `authorities=[${acme.authority('acme')}, ${brief.authority('brief')}, {name: mute, identity: "${mute.tokenFile}", url: "${nowhere}", timeoutMs: 200}]`,
      'limits.vouching.silenceMs=1',
    ],
  });
});
afterAll(async () => {
  await gateway.close();
  silent.closeAllConnections();
  silent.close();
  for (const realm of [acme, brief, mute]) await realm.close();
});

let count = 0;
async function memberOf(realm: TestRealm, admitted = true): Promise<{ phone: SipAgent; who: Person }> {
  const name = `member-${count++}`;
  const who = person(`jis:${name}`, { realm: realm.fingerprint });
  if (admitted) realm.admit(who);
  return { phone: await gateway.keyPhone(name, 'ws', { identity: who }), who };
}

describe('an identity that names a realm', () => {
  it('seed 30: takes part once the realm confirms it over HTTP', async () => {
    const { phone } = await memberOf(acme);
    expect((await phone.register()).status).toBe(200);
  });

  it('seed 30: is refused when the realm does not know it, and the reason is recorded', async () => {
    const { phone, who } = await memberOf(acme, false);
    expect(await phone.register()).toMatchObject({ status: 403, reason: 'Realm acme Does Not Confirm' });
    const records = await gateway.records();
    const refusal = records.find(({ erin }) => erin['claimed'] === who.token.subject);
    expect(refusal?.erin).toMatchObject({
      event: 'registration.refusal',
      reason: 'Realm acme Does Not Confirm',
    });
  });

  it('seed 30: is refused when the realm is unknown here, or lies in another realm’s name', async () => {
    const stranger = person('jis:stranger', { realm: person('jis:elsewhere').token.fingerprint });
    const phone = await gateway.keyPhone('stranger', 'ws', { identity: stranger });
    expect(await phone.register()).toMatchObject({ status: 403, reason: 'Realm Not Known Here' });
  });

  it('seed 30: is refused while the realm does not answer in time', async () => {
    const { phone } = await memberOf(mute);
    const before = performance.now();
    expect(await phone.register()).toMatchObject({ status: 403, reason: 'Realm mute Cannot Be Reached' });
    expect(performance.now() - before).toBeGreaterThan(190);
  });

  it('seed 30: is remembered for as long as the answer allows, and not longer', async () => {
    const { phone, who } = await memberOf(brief);
    const { phone: longer, who: kept } = await memberOf(acme);
    expect([(await phone.register()).status, (await longer.register()).status]).toEqual([200, 200]);
    brief.members.remove(who.token.fingerprint);
    acme.members.remove(kept.token.fingerprint);
    await expect.poll(async () => (await phone.register()).status, { timeout: 5_000 }).toBe(403);
    expect((await longer.register()).status).toBe(200);
  });

  it('seed 30: fails closed when the realm has gone away', async () => {
    await brief.stop();
    const { phone } = await memberOf(brief);
    expect(await phone.register()).toMatchObject({ status: 403, reason: 'Realm brief Cannot Be Reached' });
  });
});
