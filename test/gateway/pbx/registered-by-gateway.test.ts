import { afterEach, describe, expect, it } from 'vitest';
import { headerValue } from '../../../src/sip/index.ts';
import { calleeDialog, callerDialog } from '../../support/sip-dialog.ts';
import { fastProbe, PbxScene } from './pbx-scene.ts';

const closing: PbxScene[] = [];
afterEach(async () => {
  for (const scene of closing.splice(0)) await scene.close();
});

async function scene(...options: Parameters<typeof PbxScene.open>): Promise<PbxScene> {
  const opened = await PbxScene.open(...options);
  closing.push(opened);
  return opened;
}

const byGateway = 'registrations: {by: gateway, lingerMs: 200, retryMs: 200}';

describe('kamailio as PBX, with phones that the gateway registers there', () => {
  it.each(['udp', 'tcp'] as const)(
    'calls an identity by its fingerprint over %s, and both sides can end the call',
    async (transport) => {
      const here = await scene(`${byGateway}, ${fastProbe}`, { transport });
      const alice = await here.gateway.keyPhone('alice', 'tcp');
      expect((await alice.register()).status).toBe(200);
      await here.recorded('upstream.registered');
      for (const hangsUp of ['phone', 'desk']) {
        here.dial('alice');
        const invite = await alice.incoming('INVITE');
        expect(invite.uri).toContain('sip:alice@');
        expect(headerValue(invite, 'p-asserted-identity')).toBe('"Front desk" <sip:desk@pbx.test>');
        alice.reply(invite, 180);
        const answer = alice.reply(invite, 200);
        const dialog = callerDialog(await here.desk.response(200));
        here.deskInDialog(dialog, 'ACK');
        await alice.incoming('ACK');
        if (hangsUp === 'phone') {
          const bye = alice.inDialog(calleeDialog(invite, answer), 'BYE');
          here.desk.reply(await here.desk.incoming('BYE'), 200);
          expect((await alice.final(bye)).status).toBe(200);
        } else {
          here.deskInDialog(dialog, 'BYE');
          alice.reply(await alice.incoming('BYE'), 200);
          await here.desk.response(200);
        }
      }
      await here.recorded('call.end', 2);
    },
  );

  it('is told who calls, and gets the intent (RFC 3325)', async () => {
    const here = await scene(byGateway, { devices: [{ name: 'carol', extension: '1007', password: 'pw' }] });
    const alice = await here.gateway.keyPhone('alice', 'tcp');
    const carol = await here.gateway.stockPhone('1007', 'udp');
    for (const [phone, account] of [
      [alice, 'alice'],
      [carol, '1007'],
    ] as const) {
      expect((await phone.register()).status).toBe(200);
      const { request, response } = await phone.ask('INVITE', `sip:100@${here.gateway.domain}`);
      expect([request.method, response.status]).toEqual(['INVITE', 603]);
      expect(headerValue(response, 'x-asserted')).toBe(`sip:${account}@pbx.test`);
      expect(Number(headerValue(response, 'x-intent'))).toBeGreaterThan(200);
    }
  });

  it('hears of a phone that comes and goes once, however often it refreshes', async () => {
    const here = await scene(byGateway);
    const alice = await here.gateway.keyPhone('alice', 'tcp');
    for (let i = 0; i < 5; i++) expect((await alice.register()).status).toBe(200);
    await here.recorded('upstream.registered');
    expect((await alice.register({ expires: 0 })).status).toBe(200);
    await here.recorded('upstream.ended');
    expect(await here.count('upstream.registered')).toBe(1);
    expect(await here.count('registration.refreshed')).toBe(4);
    here.dial('alice');
    await here.desk.response(404);
  });

  it('that refuses an account is asked seldom, and the record says what it answered', async () => {
    const here = await scene(`${byGateway}, accounts: [{identity: "jis:alice", user: "9999"}]`);
    const alice = await here.gateway.keyPhone('alice', 'tcp');
    expect((await alice.register()).status).toBe(200);
    await here.recorded('upstream.failed');
    const [failed] = (await here.gateway.records()).filter(({ event }) => event === 'upstream.failed');
    expect(failed?.erin).toMatchObject({ account: '9999', peer: 'pbx', fault: '403 No Such User' });
  });

  it('and its digest: the gateway answers for accounts whose password it has, and for no others', async () => {
    const accounts =
      'accounts: [{identity: "jis:alice", user: alice, password: pw-alice}, {identity: "jis:mallory", user: mallory, password: guessed}]';
    const here = await scene(`${byGateway}, ${accounts}`, { define: ['DIGEST'] });
    for (const name of ['alice', 'mallory', 'bob']) {
      const phone = await here.gateway.keyPhone(name, 'tcp');
      expect((await phone.register()).status).toBe(200);
    }
    await here.recorded('upstream.failed', 2);
    await here.recorded('upstream.registered');
    const faults = (await here.gateway.records())
      .filter(({ event }) => event === 'upstream.failed')
      .map(({ erin }) => [erin['account'], String(erin['fault']).slice(0, 3)]);
    expect(new Map(faults as [string, string][])).toEqual(
      new Map([
        ['mallory', '401'],
        ['bob', '401'],
      ]),
    );
  });
});
