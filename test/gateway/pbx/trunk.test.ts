import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addressParty } from '../../../src/provenance/index.ts';
import {
  createRequest,
  createVia,
  digestHa1,
  digestResponse,
  headerField,
  headerValue,
  parseAuthValue,
  type SipResponse,
} from '../../../src/sip/index.ts';
import { callStories } from '../../support/audit-trail.ts';
import { freePort } from '../../support/free-port.ts';
import { callerDialog } from '../../support/sip-dialog.ts';
import { SipPeer } from '../../support/sip-peer.ts';
import { type SippOptions, type SippResult, sipp, udpBound } from '../../support/sipp.ts';
import { TestGateway } from '../../support/test-gateway.ts';
import { until } from '../../support/until.ts';

const carrierHost = '127.0.0.7';
let carrierPort: number;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  carrierPort = await freePort();
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const german = 'numbering: {country: "49", format: digits}';
const credential = 'credential: {username: trunk-7, password: trunk-secret, realm: carrier.test}';

/** SIPp knows one scenario at a time, so it is not probed. */
async function scene(trunk: string, others: readonly string[] = []): Promise<TestGateway> {
  const peer = `{name: carrier, match: [${carrierHost}], target: "udp://${carrierHost}:${carrierPort}", role: trunk, domain: carrier.test, probe: {intervalMs: 0}, ${trunk}}`;
  const gateway = await TestGateway.open({
    set: [`peers=[${[peer, ...others].join(', ')}]`],
    devices: [{ name: 'alice', extension: '501', password: 'pw' }],
  });
  closing.push(() => gateway.close());
  return gateway;
}

function carrier(
  gateway: TestGateway,
  options: Partial<SippOptions> & { scenario: string },
): Promise<SippResult> {
  return sipp({
    gatewayPort: gateway.port('udp'),
    localAddress: carrierHost,
    localPort: carrierPort,
    ...options,
  });
}

async function peerAt(host: string, port = 0): Promise<SipPeer> {
  const peer = await SipPeer.open({ host, port, transports: ['udp'] });
  closing.push(() => peer.close());
  return peer;
}

function played({ code, successful, failed, err }: SippResult): void {
  expect({ code, successful, failed }, err).toEqual({ code: 0, successful: 1, failed: 0 });
}

/** RFC 7616 §3.4.1: as the carrier reckons it. */
function expectAnswered(authorization: string): void {
  const { params } = parseAuthValue(authorization);
  const text = (name: string): string => params.get(name) ?? '';
  expect([text('username'), text('realm'), text('qop')]).toEqual(['trunk-7', 'carrier.test', 'auth']);
  expect(text('response')).toBe(
    digestResponse({
      algorithm: 'MD5',
      ha1: digestHa1('MD5', 'trunk-7', 'carrier.test', 'trunk-secret'),
      nonce: text('nonce'),
      method: 'INVITE',
      uri: 'sip:493098765@carrier.test',
      protection: { qop: 'auth', nc: text('nc'), cnonce: text('cnonce') },
    }),
  );
}

const numbers =
  'numbers: [{number: "+493055501", identity: "jis:alice"}, {number: "+4930555*", identity: "501"}]';

describe('a trunk, played by SIPp', () => {
  it.each([
    ['a number of the map as the carrier writes it', '493055501'],
    ['the same number in E.164', '+493055501'],
    ['the same number as it is dialled at home', '03055501'],
    ['an extension behind a number that ends in *', '493055599'],
  ])('calls %s: the identity rings, and sees the asserted caller in E.164', async (_what, number) => {
    const gateway = await scene(`${german}, ${numbers}`);
    const alice = await gateway.stockPhone('501', 'udp');
    expect((await alice.register()).status).toBe(200);
    const call = carrier(gateway, { scenario: 'trunk-calls', callee: number });
    const invite = await alice.incoming('INVITE');
    expect(headerValue(invite, 'p-asserted-identity')).toBe('Doc <sip:+4930999@carrier.test;user=phone>');
    alice.reply(invite, 180);
    alice.reply(invite, 200);
    await alice.incoming('ACK');
    alice.reply(await alice.incoming('BYE'), 200);
    played(await call);
    await until('the call is over', async () => {
      const stories = callStories(await gateway.records());
      return stories['attempt ringing answer end'] === 1;
    });
    // A caller who is nobody's identity is a party all the same: its records are numbered, and can be erased.
    const anonymous = await gateway.records({ identity: addressParty('sip:anonymous@anonymous.invalid') });
    expect(anonymous.map(({ event, parties }) => [event, parties[0]?.seq])).toEqual([
      ['call.attempt', 1],
      ['call.ringing', 2],
      ['call.answer', 3],
      ['call.end', 4],
    ]);
  });

  it('and a phone dial each other by tel: (RFC 3966), the carrier’s own way of writing a number kept', async () => {
    const office = await peerAt(carrierHost, carrierPort);
    const gateway = await scene(`${german}, ${numbers}`);
    const alice = await gateway.stockPhone('501', 'tcp');
    expect((await alice.register()).status).toBe(200);
    const { request } = await alice.begin('INVITE', 'tel:030-9876-5');
    const dialled = await office.incoming('INVITE');
    expect(dialled.uri).toBe('sip:493098765@carrier.test');
    office.reply(dialled, 486);
    expect((await alice.final(request)).status).toBe(486);

    const uri = 'tel:+49-30-55501;isub=7';
    const incoming = createRequest({
      method: 'INVITE',
      uri,
      via: createVia({
        transport: 'udp',
        host: carrierHost,
        port: carrierPort,
        branch: 'z9hG4bKtel',
        rport: true,
      }),
      from: '<tel:+4930999>;tag=carrier',
      to: `<${uri}>`,
      callId: 'tel-from-carrier',
      cseq: 1,
      headers: [headerField('Contact', office.contact)],
    });
    office.sendUdp(incoming, gateway.port('udp'));
    const rings = await alice.incoming('INVITE');
    alice.reply(rings, 486);
    expect((await office.response(486)).callId).toBe('tel-from-carrier');
  });

  it('is called: the number as it wants it, the caller’s own number, the intent, and the trunk’s password', async () => {
    const gateway = await scene(`${german}, ${numbers}, ${credential}`);
    const desk = await gateway.stockPhone('501', 'tcp');
    expect((await desk.register()).status).toBe(200);
    const answering = carrier(gateway, { scenario: 'trunk-answers' });
    await udpBound(carrierPort);
    const { request } = await desk.begin('INVITE', `sip:030-98.76-5@${gateway.domain}`);
    const answer: SipResponse = await desk.final(request);
    expect(answer.status).toBe(200);
    expect(headerValue(answer, 'x-number')).toBe('INVITE sip:493098765@carrier.test SIP');
    expectAnswered(headerValue(answer, 'x-answer') ?? '');
    const dialog = callerDialog(answer);
    desk.inDialog(dialog, 'ACK');
    expect((await desk.final(desk.inDialog(dialog, 'BYE'))).status).toBe(200);
    played(await answering);
    const [attempt] = await gateway.records({ identity: addressParty('tel:030-98.76-5') });
    expect(attempt?.parties.map(({ role }) => role)).toEqual(['caller', 'callee']);
  });

  it('is registered with, by the trunk’s own account, and the record says so', async () => {
    const registering = sipp({
      scenario: 'trunk-registrar',
      gatewayPort: 1,
      localAddress: carrierHost,
      localPort: carrierPort,
    });
    await udpBound(carrierPort);
    const gateway = await scene(`${german}, ${numbers}, ${credential}, registrations: {by: gateway}`);
    played(await registering);
    await until('the registration is recorded', async () =>
      (await gateway.records()).some(
        ({ event, erin }) => event === 'upstream.registered' && erin['account'] === 'trunk-7',
      ),
    );
  });
});

describe('numbers between peers', () => {
  it('go to the peer that the map names, written as it wants them; others go nowhere', async () => {
    const office = await peerAt('127.0.0.8');
    const trunk = await peerAt('127.0.0.9');
    const gateway = await scene(`${german}, numbers: [{number: "+49307*", peer: office}]`, [
      `{name: office, match: [${office.host}], target: "udp://${office.host}:${office.port}", role: pbx, domain: office.test, probe: {intervalMs: 0}}`,
      `{name: second, match: [${trunk.host}], target: "udp://${trunk.host}:${trunk.port}", role: trunk, domain: second.test, from: [office], prefixes: ["+44"], ${german}, probe: {intervalMs: 0}}`,
    ]);
    const call = carrier(gateway, { scenario: 'trunk-calls', callee: '4930777' });
    const invite = await office.incoming('INVITE');
    expect(invite.uri).toBe('sip:+4930777@office.test');
    expect(headerValue(invite, 'p-asserted-identity')).toContain('sip:+4930999@carrier.test');
    office.reply(invite, 486);
    expect((await call).code).toBe(1);

    // A carrier gets no way through to another carrier.
    const fraud = carrier(gateway, { scenario: 'trunk-calls', callee: '4420123456' });
    expect((await fraud).err).toContain('404');
    expect(trunk.inbox.all).toEqual([]);
  });

  it('go out by the second trunk when the first is gone, each with its own form of number and caller', async () => {
    const [first, second] = [await peerAt('127.0.0.8'), await peerAt('127.0.0.9')];
    const entry = (peer: SipPeer, name: string, format: string): string =>
      `{name: ${name}, match: [${peer.host}], target: "udp://${peer.host}:${peer.port}", role: trunk, domain: ${name}.test, prefixes: ["00"], numbering: {country: "49", format: ${format}}, callerNumber: "+493011", probe: {intervalMs: 0}}`;
    const gateway = await scene('prefixes: ["+49"]', [
      entry(first, 'one', 'e164'),
      entry(second, 'two', 'national'),
    ]);
    const alice = await gateway.keyPhone('zoe', 'tcp');
    expect((await alice.register()).status).toBe(200);
    const { request } = await alice.begin('INVITE', `sip:004420123456@${gateway.domain}`);
    const tried = await first.incoming('INVITE');
    expect(tried.uri).toBe('sip:+4420123456@one.test');
    expect(headerValue(tried, 'p-asserted-identity')).toBe('<sip:+493011@one.test;user=phone>');
    first.reply(tried, 503);
    const taken = await second.incoming('INVITE');
    expect(taken.uri).toBe('sip:004420123456@two.test');
    expect(headerValue(taken, 'p-asserted-identity')).toBe('<sip:03011@two.test;user=phone>');
    second.reply(taken, 486);
    expect((await alice.final(request)).status).toBe(486);
  });
});
