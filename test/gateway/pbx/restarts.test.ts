import { afterEach, describe, expect, it } from 'vitest';
import { headerValue } from '../../../src/sip/index.ts';
import { calleeDialog } from '../../support/sip-dialog.ts';
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

describe('a PBX that goes away', () => {
  it('costs a caller no wait, and finds its registrations again when it is back', async () => {
    const here = await scene(`${byGateway}, ${fastProbe}`);
    const { gateway, pbx } = here;
    const [alice, bob] = [await gateway.keyPhone('alice', 'tcp'), await gateway.keyPhone('bob', 'tcp')];
    for (const phone of [alice, bob]) expect((await phone.register()).status).toBe(200);
    await here.recorded('upstream.registered', 2);

    await pbx.kill();
    await here.recorded('peer.down');
    const before = performance.now();
    const { response } = await alice.ask('INVITE', `sip:100@${gateway.domain}`);
    expect(performance.now() - before).toBeLessThan(500);
    expect([response.status, response.reason]).toEqual([480, 'Peer Unavailable']);
    expect(headerValue(response, 'retry-after')).toBeDefined();
    // What needs no PBX goes on.
    const { request } = await alice.begin('INVITE', bob.address);
    bob.reply(await bob.incoming('INVITE'), 486);
    expect((await alice.final(request)).status).toBe(486);
    expect((await alice.register()).status).toBe(200);

    await pbx.start();
    await here.recorded('upstream.registered', 4);
    for (const phone of [alice, bob]) {
      here.dial(phone.user);
      phone.reply(await phone.incoming('INVITE'), 486);
      await here.desk.response(486);
    }
    expect((await alice.ask('INVITE', `sip:100@${gateway.domain}`)).response.status).toBe(603);
    expect(await here.count('peer.up')).toBe(2);
    expect(await here.count('peer.down')).toBe(1);
  });

  it('and is back between two probes has lost its registrations all the same: they are restored', async () => {
    const here = await scene(`${byGateway}, probe: {intervalMs: 3000, timeoutMs: 500}`);
    const alice = await here.gateway.keyPhone('alice', 'tcp');
    expect((await alice.register()).status).toBe(200);
    await here.recorded('upstream.registered');
    await here.pbx.kill();
    await here.pbx.start();
    await here.recorded('peer.registrations-lost');
    await here.recorded('upstream.registered', 2);
    expect(await here.count('peer.down')).toBe(0);
    here.dial('alice');
    alice.reply(await alice.incoming('INVITE'), 486);
    await here.desk.response(486);
  });

  it('takes phones that registered while it was away once it is back', async () => {
    const here = await scene(`${byGateway}, ${fastProbe}`);
    await here.recorded('peer.up');
    await here.pbx.kill();
    await here.recorded('peer.down');
    const alice = await here.gateway.keyPhone('alice', 'tcp');
    expect((await alice.register()).status).toBe(200);
    await here.pbx.start();
    await here.recorded('upstream.registered');
  });

  it('in mid-call keeps nobody from hanging up: the answer comes at once, and the record is closed', async () => {
    const here = await scene(`${byGateway}, ${fastProbe}`, { transport: 'tcp' });
    const alice = await here.gateway.keyPhone('alice', 'tcp');
    expect((await alice.register()).status).toBe(200);
    await here.recorded('upstream.registered');
    here.dial('alice');
    const invite = await alice.incoming('INVITE');
    const answer = alice.reply(invite, 200);
    await here.desk.response(200);
    await here.pbx.kill();
    await here.recorded('peer.down');
    const bye = alice.inDialog(calleeDialog(invite, answer), 'BYE');
    expect((await alice.final(bye)).status).toBe(430);
    await here.recorded('call.end');
  });
});
