import { afterEach, describe, expect, it } from 'vitest';
import { systemRandom } from '../../../src/base/index.ts';
import { answerChallenge, headerValue } from '../../../src/sip/index.ts';
import { callStories, chainFaults } from '../../support/audit-trail.ts';
import { calleeDialog, callerDialog } from '../../support/sip-dialog.ts';
import { newIdentity } from '../../support/test-gateway.ts';
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
const passwords =
  'accounts: [{identity: "jis:alice", user: alice, password: pw-alice}, {identity: "jis:bob", user: bob, password: pw-bob}]';

describe('a call that a PBX is to decide on', () => {
  it('passes the PBX between two identities (calls: all), and both passages leave a whole record', async () => {
    const here = await scene(`${byGateway}, calls: all, ${fastProbe}`);
    const { gateway } = here;
    const [alice, bob] = [await gateway.keyPhone('alice', 'tcp'), await gateway.keyPhone('bob', 'tcp')];
    for (const phone of [alice, bob]) expect((await phone.register()).status).toBe(200);
    await here.recorded('upstream.registered', 2);
    for (const hangsUp of [alice, bob]) {
      const { request } = await alice.begin('INVITE', bob.address);
      const invite = await bob.incoming('INVITE');
      expect(invite.headers.filter(({ name }) => name === 'via').length).toBeGreaterThan(2);
      expect(headerValue(invite, 'p-asserted-identity')).toBe('<sip:alice@pbx.test>');
      bob.reply(invite, 180);
      const answer = bob.reply(invite, 200);
      const dialog = callerDialog(await alice.final(request));
      alice.inDialog(dialog, 'ACK');
      await bob.incoming('ACK');
      const [from, other, side] =
        hangsUp === alice ? [alice, bob, dialog] : [bob, alice, calleeDialog(invite, answer)];
      const bye = from.inDialog(side, 'BYE');
      other.reply(await other.incoming('BYE'), 200);
      expect((await from.final(bye)).status).toBe(200);
    }
    await here.recorded('call.end', 4);
    const trail = await gateway.records();
    expect(chainFaults(trail)).toEqual([]);
    expect(callStories(trail)).toEqual({ 'attempt ringing answer end': 4 });
  });

  it('goes from phone to phone while the PBX is down, and to a fingerprint always', async () => {
    const here = await scene(`${byGateway}, calls: all, ${fastProbe}`);
    const { gateway, pbx } = here;
    const bobsIdentity = newIdentity('jis:bob');
    const alice = await gateway.keyPhone('alice', 'tcp');
    const bob = await gateway.keyPhone('bob', 'tcp', { identity: bobsIdentity });
    for (const phone of [alice, bob]) expect((await phone.register()).status).toBe(200);
    await here.recorded('upstream.registered', 2);
    const { fingerprint } = bobsIdentity.token;
    const passedPbx = async (uri: string): Promise<boolean> => {
      const { request } = await alice.begin('INVITE', uri);
      const invite = await bob.incoming('INVITE');
      bob.reply(invite, 486);
      await alice.final(request);
      return invite.headers.filter(({ name }) => name === 'via').length > 2;
    };
    expect(await passedPbx(bob.address)).toBe(true);
    expect(await passedPbx(`sip:${fingerprint}@${gateway.domain}`)).toBe(false);
    await pbx.kill();
    await here.recorded('peer.down');
    expect(await passedPbx(bob.address)).toBe(false);
  });
});

describe('a PBX that challenges calls', () => {
  it('gets its answer from the gateway where that has the password, and from nobody else without the realm', async () => {
    const here = await scene(`${byGateway}, ${passwords}`, { define: ['DIGEST', 'CHALLENGE_CALLS'] });
    const alice = await here.gateway.keyPhone('alice', 'tcp');
    expect((await alice.register()).status).toBe(200);
    await here.recorded('upstream.registered');
    const { response } = await alice.ask('INVITE', `sip:100@${here.gateway.domain}`);
    expect(response.status).toBe(603);
    expect(headerValue(response, 'x-asserted')).toBe('sip:alice@pbx.test');
  });

  it('challenges the phone itself where the gateway has none (RFC 3261 §22.3)', async () => {
    const here = await scene('calls: unknown', { define: ['CHALLENGE_CALLS'] });
    const alice = await here.gateway.keyPhone('alice', 'tcp');
    expect((await alice.register()).status).toBe(200);
    const uri = `sip:100@${here.gateway.domain}`;
    const request = alice.build('INVITE', uri);
    alice.send(request);
    const challenge = await alice.final(request);
    expect(challenge.status).toBe(407);
    expect(headerValue(challenge, 'proxy-authenticate')).toContain('realm="pbx.test"');
    const credential = { realm: 'pbx.test', username: 'alice', password: 'pw-alice' };
    const answer = answerChallenge({ request, response: challenge, credential, random: systemRandom });
    const second = alice.build('INVITE', uri, {
      callId: request.callId,
      headers: answer === undefined ? [] : [answer],
    });
    alice.send(second);
    expect((await alice.final(second)).status).toBe(603);
  });
});
