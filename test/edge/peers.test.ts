import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { headerField, headerValue, type SipResponse } from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { exchange } from '../support/sip-call.ts';
import { calleeDialog, callerDialog } from '../support/sip-dialog.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';
import { expectAlive } from './support/alive.ts';

const pbxHost = '127.0.0.2';
let gateway: TestGateway;
let pbx: SipPeer;
let desk: SipAgent;
let alice: SipAgent;
let bob: SipAgent;

beforeAll(async () => {
  pbx = await SipPeer.open({ host: pbxHost, transports: ['udp'] });
  gateway = await TestGateway.open({
    devices: [{ name: 'desk', password: 'pw' }],
    set: [
      `peers=[{name: pbx, match: [${pbxHost}], target: "udp://${pbxHost}:${pbx.port}", role: pbx, probe: {intervalMs: 0}}]`,
    ],
  });
  desk = await gateway.stockPhone('desk', 'udp');
  alice = await gateway.keyPhone('alice', 'udp');
  bob = await gateway.keyPhone('bob', 'ws');
  for (const phone of [desk, alice, bob]) expect((await phone.register()).status).toBe(200);
});
afterEach(() => expectAlive(gateway));
afterAll(async () => {
  await gateway.close();
  await pbx.close();
});

describe('between phone and peer', () => {
  it('edge 34: a peer’s challenge for another realm is answered with no credentials of ours', async () => {
    const uri = `sip:5550100@${testDomain}`;
    const { request } = await desk.begin('INVITE', uri);
    const invite = await pbx.incoming('INVITE');
    expect(headerValue(invite, 'proxy-authorization')).toBeUndefined();
    const challenge = (name: string): ReturnType<typeof headerField> =>
      headerField(name, 'Digest realm="elsewhere.test", nonce="abc", algorithm=MD5, qop="auth"');
    pbx.reply(invite, 407, [challenge('Proxy-Authenticate')]);
    const response = await desk.final(request);
    expect(response.status).toBe(407);
    // A phone that would give its answer to anybody: its words for our realm do not leave this gateway.
    const own = headerField('Proxy-Authorization', headerValue(request, 'proxy-authorization') ?? 'none');
    const second = desk.build('MESSAGE', uri, { headers: [own, headerField('Authorization', own.value)] });
    desk.send(second);
    expect((await desk.final(second)).status).toBe(407);
    const requests = pbx.inbox.all.filter(
      (message) => message.kind === 'request' && message.method !== 'ACK',
    );
    expect(requests).toHaveLength(1);
  });

  it('edge 35: what only a trusted network may say of a caller is stripped (RFC 3325 §5)', async () => {
    const claims = [
      'P-Asserted-Identity',
      'P-Preferred-Identity',
      'Diversion',
      'Remote-Party-ID',
      'P-Attestation-Indicator',
      'P-Origination-ID',
      'Attestation-Info',
      'Origination-Id',
    ];
    const headers = claims.map((name) =>
      headerField(name, `<sip:president@${testDomain}>;verstat=TN-Validation-Passed`),
    );
    for (const method of ['INVITE', 'MESSAGE'])
      for (const caller of [desk, alice]) {
        const { request } = await caller.begin(method, bob.address, { headers });
        const arrived = await bob.incoming(method);
        const left = claims.filter((name) => headerValue(arrived, name.toLowerCase()) !== undefined);
        bob.reply(arrived, method === 'INVITE' ? 486 : 200);
        await caller.final(request);
        expect(left).toEqual([]);
      }
  });

  it('edge 35: nor may a phone that is called assert who it is; a trunk may (RFC 3325 §5)', async () => {
    const claim = headerField('P-Asserted-Identity', `<sip:president@${testDomain}>`);
    const asserted = (response: SipResponse): string | undefined =>
      headerValue(response, 'p-asserted-identity');
    const { request } = await desk.begin('INVITE', bob.address);
    const arrived = await bob.incoming('INVITE');
    bob.reply(arrived, 180, [claim]);
    expect(asserted(await desk.provisional(request, 180))).toBeUndefined();
    const sent = bob.reply(arrived, 200, [claim]);
    const answer = await desk.final(request);
    expect(asserted(answer)).toBeUndefined();
    const dialog = callerDialog(answer);
    desk.inDialog(dialog, 'ACK');
    await bob.incoming('ACK');
    const info = desk.inDialog(dialog, 'INFO');
    bob.reply(await bob.incoming('INFO'), 200, [claim]);
    expect(asserted(await desk.final(info))).toBeUndefined();
    await exchange(bob, desk, calleeDialog(arrived, sent), 'BYE');

    const outward = await desk.begin('MESSAGE', `sip:+493055501@${testDomain}`);
    pbx.reply(await pbx.incoming('MESSAGE'), 200, [claim]);
    expect(asserted(await desk.final(outward.request))).toBe(claim.value);
  });

  it.each([
    ['a header parameter', (uri: string) => `<${uri}>;verstat=TN-Validation-Passed`],
    ['a URI parameter', (uri: string) => `"A" <${uri};VERSTAT=TN-Validation-Passed>`],
  ])('edge 35: a verstat as %s of From is stripped, and the dialog goes on', async (_, write) => {
    for (const caller of [desk, alice]) {
      const from = `${write(caller.address)};tag=${caller.tag}`;
      const { request } = await caller.begin('INVITE', bob.address, { from });
      const arrived = await bob.incoming('INVITE');
      expect(headerValue(arrived, 'from')?.toLowerCase()).not.toContain('verstat');
      expect(arrived.from.tag).toBe(caller.tag);
      const sent = bob.reply(arrived, 200);
      const answer = await caller.final(request);
      const dialog = callerDialog(answer);
      caller.inDialog(dialog, 'ACK');
      await bob.incoming('ACK');
      const { arrived: info } = await exchange(caller, bob, { ...dialog, local: from }, 'INFO');
      expect(headerValue(info, 'from')?.toLowerCase()).not.toContain('verstat');
      await exchange(bob, caller, calleeDialog(arrived, sent), 'BYE');
    }
  });
});
