import { afterEach, describe, expect, it } from 'vitest';
import { headerField, headerValue } from '../../../src/sip/index.ts';
import { calleeDialog, callerDialog } from '../../support/sip-dialog.ts';
import { testDomain } from '../../support/test-gateway.ts';
import { fastProbe, PbxScene } from './pbx-scene.ts';

const closing: PbxScene[] = [];
afterEach(async () => {
  for (const scene of closing.splice(0)) await scene.close();
});

/** The PBX has the domain that the phones have always had, and their passwords; the gateway has none of them. */
async function scene(
  transport: 'udp' | 'tcp' = 'udp',
  define: readonly ('DIGEST' | 'CHALLENGE_CALLS')[] = ['DIGEST', 'CHALLENGE_CALLS'],
): Promise<PbxScene> {
  const opened = await PbxScene.open(`registrations: {by: phones}, calls: all, ${fastProbe}`, {
    transport,
    domain: testDomain,
    define,
    devices: [
      { name: 'desk-7', extension: '1007', password: 'pw-1007' },
      { name: 'desk-8', extension: '1008', password: 'pw-1008' },
      { name: 'desk-9', extension: '1009', password: 'not the one that the PBX knows' },
    ],
  });
  closing.push(opened);
  return opened;
}

describe('a PBX that proves its phones itself, with the gateway in between', () => {
  it.each(['udp', 'tcp'] as const)(
    'challenges the phone over %s, and calls it by its identity once it has answered',
    async (transport) => {
      const here = await scene();
      const phone = await here.gateway.stockPhone('1007', transport);
      expect((await phone.register()).status).toBe(200);
      expect(await here.count('upstream.registered')).toBe(1);
      here.dial('1007');
      const invite = await phone.incoming('INVITE');
      const answer = phone.reply(invite, 200);
      here.deskInDialog(callerDialog(await here.desk.response(200)), 'ACK');
      await phone.incoming('ACK');
      const bye = phone.inDialog(calleeDialog(invite, answer), 'BYE');
      here.desk.reply(await here.desk.incoming('BYE'), 200);
      expect((await phone.final(bye)).status).toBe(200);
    },
  );

  it('refuses a wrong password, and nobody is bound', async () => {
    const here = await scene();
    const phone = await here.gateway.stockPhone('1009', 'udp');
    expect((await phone.register()).status).toBe(401);
    expect(await here.count('registration.added')).toBe(0);
    const { response } = await phone.ask('INVITE', `sip:100@${testDomain}`);
    expect([response.status, response.reason]).toEqual([403, 'Register First']);
  });

  it('that lets everybody in who comes by the gateway proves nobody: nobody is bound, and the log says why', async () => {
    const here = await scene('udp', []);
    const phone = await here.gateway.stockPhone('1007', 'udp');
    const forged = 'Digest username="1007", realm="sip.test", nonce="a", uri="sip:sip.test", response="b"';
    for (const headers of [[], [headerField('Authorization', forged)]]) {
      const request = phone.build('REGISTER', `sip:${testDomain}`, { to: `<${phone.address}>`, headers });
      phone.send(request);
      expect((await phone.final(request)).status).toBe(403);
    }
    expect(await here.count('registration.added')).toBe(0);
    expect(here.gateway.log.map(({ message }) => message)).toContain(
      'a PBX that asks no phone for a password cannot prove one',
    );
  });

  it('hears of the first of many refreshes only, and lets a phone go when it asks for that', async () => {
    const here = await scene();
    const phone = await here.gateway.stockPhone('1007', 'udp');
    for (let i = 0; i < 4; i++) expect((await phone.register()).status).toBe(200);
    expect(await here.count('registration.refreshed')).toBe(3);
    expect(await here.count('upstream.refreshed')).toBe(0);
    expect((await phone.register({ expires: 0 })).status).toBe(200);
    expect(await here.count('upstream.ended')).toBe(1);
    here.dial('1007');
    await here.desk.response(404);
  });

  it('challenges the calls of its phones, and learns who they are', async () => {
    const here = await scene();
    const phone = await here.gateway.stockPhone('1007', 'udp');
    expect((await phone.register()).status).toBe(200);
    const { response } = await phone.ask('INVITE', `sip:100@${testDomain}`);
    expect(response.status).toBe(603);
    expect(headerValue(response, 'x-asserted')).toBe(`sip:1007@${testDomain}`);
    const attempts = (await here.gateway.records()).filter(({ event }) => event === 'call.attempt');
    // The password was shown to the PBX, and nothing to the gateway.
    expect(attempts.map(({ erin }) => [erin['caller'], erin['assurance']])).toEqual([
      ['jis:desk-7', 0],
      ['jis:desk-7', 0],
    ]);
  });

  it('takes the proof of a phone with a key for the gateway’s part, and its password for its own', async () => {
    const here = await scene();
    const phone = await here.gateway.keyPhone('zoe', 'tcp', { password: 'pw-zoe' });
    expect((await phone.register()).status).toBe(200);
    expect(await here.count('upstream.registered')).toBe(1);
    const [added] = (await here.gateway.records()).filter(({ event }) => event === 'registration.added');
    expect(added?.erin['assurance']).toBe(3);
  });

  it('may be away: phones that are known stay registered, new ones are told to wait, and all are told to it again', async () => {
    const here = await scene('tcp');
    const { gateway, pbx } = here;
    const phone = await gateway.stockPhone('1007', 'udp');
    expect((await phone.register()).status).toBe(200);
    await pbx.kill();
    await here.recorded('peer.down');
    expect((await phone.register()).status).toBe(200);
    const other = await gateway.stockPhone('1008', 'udp');
    const refused = await other.register();
    expect([refused.status, headerValue(refused, 'retry-after')]).toEqual([503, '5']);
    await pbx.start();
    await here.recorded('peer.up', 2);
    for (const each of [phone, other]) expect((await each.register()).status).toBe(200);
    for (const each of [phone, other]) {
      here.dial(each.user);
      each.reply(await each.incoming('INVITE'), 486);
      await here.desk.response(486);
    }
  });
});
