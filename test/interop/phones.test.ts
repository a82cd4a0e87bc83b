import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { sipp } from '../support/sipp.ts';
import { testDomain } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';
import type { Desk } from './desk.ts';
import { Office } from './office.ts';
import { type Phone, type PhoneModel, type PhoneName, phoneModels } from './phones/index.ts';
import { startLinphonec } from './phones/linphone.ts';

const models: readonly [PhoneName, PhoneModel][] = Object.entries(phoneModels) as [PhoneName, PhoneModel][];
const rows = models.flatMap(([name, model]) =>
  model.transports.map((transport) => ({
    name,
    model,
    transport,
    user: `${name}-${transport}`.toLowerCase(),
  })),
);

let office: Office;
let desk: Desk;
let third: Desk;

beforeAll(async () => {
  office = await Office.open(
    ['desk', 'third', 'modern', 'sipp-udp', 'sipp-tcp', ...rows.map(({ user }) => user)],
    // Nothing else is offered to it.
    ['auth.agents=[{prefix: Linphone, algorithms: [SHA-256]}]'],
  );
  [desk, third] = [await office.desk('desk'), await office.desk('third')];
});
afterAll(() => office.close());

for (const [name, { missing }] of models)
  if (missing !== undefined) process.stderr.write(`skipped: ${name}: ${missing}\n`);

describe.for(rows)('$name over $transport', ({ name, model, transport, user }) => {
  let phone: Phone;
  const able = model.missing === undefined;

  it.runIf(able)('registers with digest (RFC 3261 §10, §22)', async () => {
    phone = await office.phone(name, transport, user);
    const added = (await office.gateway.records()).filter(
      ({ event, erin }) => event === 'registration.added' && erin['identity'] === `jis:${user}`,
    );
    expect(added.map(({ eromheen }) => eromheen['transport'])).toEqual([transport]);
  });

  it.runIf(able)('calls, holds, resumes and hangs up (RFC 3264 §8.4)', async () => {
    const [call, atDesk] = await Promise.all([phone.call('desk'), desk.answers()]);
    expect((await Promise.all([atDesk.reoffered(), call.hold()]))[0]).toBe('sendonly');
    expect((await Promise.all([atDesk.reoffered(), call.resume()]))[0]).toBe('sendrecv');
    await Promise.all([atDesk.hungUp(), call.hangUp()]);
  });

  it.runIf(able)('answers, is held and resumed, and hears the other side hang up', async () => {
    const [call, atDesk] = await Promise.all([phone.answer(), desk.calls(user)]);
    expect((await Promise.all([atDesk.reoffer('sendonly'), call.held()]))[0]).toBe('recvonly');
    expect((await Promise.all([atDesk.reoffer('sendrecv'), call.released()]))[0]).toBe('sendrecv');
    expect(await atDesk.hangUp()).toBe(200);
    await call.ended;
  });

  it.runIf(able)('transfers the other side to a third party (RFC 3515, RFC 5589 §6)', async () => {
    const [call, atDesk] = await Promise.all([phone.call('desk'), desk.answers()]);
    const [referTo] = await Promise.all([atDesk.referred(), call.transfer('third')]);
    expect(await atDesk.notify('SIP/2.0 100 Trying')).toBe(200);
    const [transferred, atThird] = await Promise.all([desk.follow(referTo), third.answers()]);
    expect(await atDesk.notify('SIP/2.0 200 OK')).toBe(200);
    await Promise.all([atDesk.hungUp(), call.hangUp()]);
    await Promise.all([atThird.hungUp(), transferred.hangUp()]);
  });

  it.runIf(able)('is transferred to a third party', async () => {
    const [call, atDesk] = await Promise.all([phone.answer(), desk.calls(user)]);
    const [transferred, atThird] = await Promise.all([
      phone.followTransfer(),
      third.answers(),
      atDesk.refer(`sip:third@${testDomain}`),
    ]);
    await Promise.all([call.ended, atDesk.ends()]);
    await Promise.all([atThird.hungUp(), transferred.hangUp()]);
  });

  // The others have no such button (docs/phones.md).
  if (model.attendedTransfer)
    it.runIf(able)('transfers after asking the third party (RFC 3891, RFC 5589 §7)', async () => {
      const [call, atDesk] = await Promise.all([phone.call('desk'), desk.answers()]);
      await Promise.all([atDesk.reoffered(), call.hold()]);
      const [consultation, asked] = await Promise.all([phone.call('third'), third.answers()]);
      const [referTo] = await Promise.all([atDesk.referred(), call.transferTo(consultation)]);
      const [transferred, atThird] = await Promise.all([desk.follow(referTo), third.answers()]);
      expect(atThird.replacing).toEqual(asked.dialogId);
      expect(await atDesk.notify('SIP/2.0 200 OK')).toBe(200);
      await Promise.all([asked.hangUp(), consultation.ended]);
      await Promise.all([atDesk.hungUp(), call.hangUp()]);
      await Promise.all([atThird.hungUp(), transferred.hangUp()]);
    });

  if (model.followsReplaces)
    it.runIf(able)('takes the place of who asked the third party', async () => {
      const [call, atDesk] = await Promise.all([phone.answer(), desk.calls(user)]);
      const [asking, asked] = await Promise.all([desk.calls('third'), third.answers()]);
      const [transferred, atThird] = await Promise.all([
        phone.followTransfer(),
        third.answers(),
        atDesk.refer(`sip:third@${testDomain}`, asked.dialogId),
      ]);
      expect(atThird.replacing).toEqual(asked.dialogId);
      await Promise.all([asking.hungUp(), asked.hangUp()]);
      await Promise.all([call.ended, atDesk.ends()]);
      await Promise.all([atThird.hungUp(), transferred.hangUp()]);
    });

  it.runIf(able)('unregisters', async () => {
    await office.leave(phone);
    await until('the binding is gone', async () =>
      (await office.gateway.records()).some(
        ({ event, erin }) => event === 'registration.removed' && erin['identity'] === `jis:${user}`,
      ),
    );
  });
});

describe.for(['udp', 'tcp'] as const)('SIPp over %s', (transport) => {
  it('calls, holds, resumes, transfers and hangs up', async () => {
    const { user, password } = office.options(transport, `sipp-${transport}`);
    const running = sipp({
      scenario: 'uac-hold-transfer',
      gatewayPort: office.gateway.port(transport),
      transport,
      localPort: await freePort(),
      domain: testDomain,
      phone: { user, password, fingerprint: '' },
      callee: 'desk',
      third: 'third',
    });
    const atDesk = await desk.answers();
    expect(await atDesk.reoffered()).toBe('sendonly');
    expect(await atDesk.reoffered()).toBe('sendrecv');
    const referTo = await atDesk.referred();
    const [transferred, atThird] = await Promise.all([desk.follow(referTo), third.answers()]);
    expect(await atDesk.notify('SIP/2.0 200 OK')).toBe(200);
    await atDesk.hungUp();
    await Promise.all([atThird.hungUp(), transferred.hangUp()]);
    const { code, err } = await running;
    expect(code, err).toBe(0);
  });
});

it.runIf(phoneModels.linphone.missing === undefined)(
  'linphone that says so in its User-Agent registers with SHA-256 (RFC 8760), and unregisters',
  async () => {
    const events = async (): Promise<string[]> =>
      (await office.gateway.records()).flatMap(({ event, erin, eromheen }) =>
        erin['identity'] === 'jis:modern' && String(eromheen['userAgent']).startsWith('Linphone')
          ? [event]
          : [],
      );
    const phone = startLinphonec(office.options('udp', 'modern'));
    await until('it is registered', async () => (await events()).includes('registration.added'));
    await phone.close();
    await until('the binding is gone', async () => (await events()).includes('registration.removed'));
  },
);

it('each of these calls has left one whole chain of records', async () => {
  await office.gateway.closedCalls();
});
