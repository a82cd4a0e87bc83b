import { afterEach, describe, expect, it } from 'vitest';
import { createRequest, createVia, headerValue, headerValues, type SipRequest } from '../../src/sip/index.ts';
import { DnsServer } from '../support/dns-server.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { calleeDialog, callerDialog, type Dialog } from '../support/sip-dialog.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { TestGateway } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';

/** Where the PBX's two servers are; phones come from 127.0.0.1. */
const hosts = ['127.0.0.2', '127.0.0.3'] as const;
const silenceMs = 300;

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function peerAt(options: Parameters<typeof SipPeer.open>[0]): Promise<SipPeer> {
  const peer = await SipPeer.open(options);
  closing.push(() => peer.close());
  return peer;
}

interface Scene {
  readonly gateway: TestGateway;
  readonly dns: DnsServer;
  readonly alice: SipAgent;
}

/** A gateway in front of `target`, and a phone of its own on a connection. */
async function scene(target: string, set: readonly string[] = []): Promise<Scene> {
  const dns = await DnsServer.open();
  closing.push(() => dns.close());
  const gateway = await TestGateway.open({
    devices: [{ name: 'desk', password: 'pw' }],
    set: [
      `peers=[{name: pbx, match: [${hosts.join(', ')}], target: "${target}", role: pbx, probe: {intervalMs: 0}}]`,
      `dns.servers=${dns.address}`,
      `limits.locating.silenceMs=${silenceMs}`,
      ...set,
    ],
  });
  closing.push(() => gateway.close());
  const alice = await gateway.keyPhone('alice', 'tcp');
  expect((await alice.register()).status).toBe(200);
  return { gateway, dns, alice };
}

/** `_sip._udp` or `_sip._tcp` of pbx.test: the first peer before the second. */
function offer(
  dns: DnsServer,
  transport: 'udp' | 'tcp',
  peers: readonly { host: string; port: number }[],
): void {
  for (const [priority, { host, port }] of peers.entries()) {
    const target = `s${priority}.pbx.test`;
    dns.srv(`_sip._${transport}.pbx.test`, { priority, weight: 0, port, target });
    dns.a(target, host);
  }
}

function dial({ alice, gateway }: Scene, body?: string): SipRequest {
  const request = alice.build('INVITE', `sip:100@${gateway.domain}`, body === undefined ? {} : { body });
  alice.send(request);
  return request;
}

async function answerAt(peer: SipPeer, { alice }: Scene, request: SipRequest): Promise<SipRequest> {
  const invite = await peer.incoming('INVITE');
  peer.reply(invite, 200);
  expect((await alice.final(request)).status).toBe(200);
  return invite;
}

/** A request of the peer within a dialog, as it would come over TCP. */
function peerRequest(peer: SipPeer, dialog: Dialog, method: string): SipRequest {
  return createRequest({
    method,
    uri: dialog.target,
    via: createVia({ transport: 'tcp', host: peer.host, port: peer.port, branch: `peer-${method}` }),
    from: dialog.local,
    to: dialog.remote,
    callId: dialog.callId,
    cseq: 1,
    headers: dialog.routes.map((value) => ({ name: 'route', rawName: 'Route', value })),
  });
}

const large = 'a'.repeat(1_000);

describe('a peer with two servers (RFC 3263 §4.3)', () => {
  it('is reached at the second when the first takes no connection', async () => {
    const dead = await SipPeer.open({ host: hosts[0], transports: ['tcp'] });
    await dead.close();
    const second = await peerAt({ host: hosts[1], transports: ['tcp'] });
    const here = await scene('tcp://pbx.test');
    offer(here.dns, 'tcp', [dead, second]);
    const invite = await answerAt(second, here, dial(here));
    expect(invite.uri).toBe('sip:100@pbx.test');
    const refused = here.gateway.log.filter(({ message }) => message === 'a peer takes no connection');
    expect(refused.map(({ fields }) => [fields['peer'], fields['code']])).toEqual([
      ['pbx', 'connection-refused'],
    ]);
    // The second call goes straight to the second server.
    await answerAt(second, here, dial(here));
    expect(here.gateway.log.filter(({ message }) => message === 'a peer takes no connection')).toHaveLength(
      1,
    );
  });

  it('is reached at the second when the first says nothing, and then left alone for a while', async () => {
    const mute = await peerAt({ host: hosts[0], transports: ['udp'] });
    const second = await peerAt({ host: hosts[1], transports: ['udp'] });
    const here = await scene('udp://pbx.test');
    offer(here.dns, 'udp', [mute, second]);
    await answerAt(second, here, dial(here));
    expect(mute.inbox.all.length).toBeGreaterThan(0);
    await answerAt(second, here, dial(here));
    expect(new Set(mute.inbox.all.map(({ callId }) => callId)).size).toBe(1);
  });

  it('is reached at the second when the first is overloaded (503)', async () => {
    const first = await peerAt({ host: hosts[0], transports: ['udp'] });
    const second = await peerAt({ host: hosts[1], transports: ['udp'] });
    const here = await scene('udp://pbx.test');
    offer(here.dns, 'udp', [first, second]);
    const request = dial(here);
    first.reply(await first.incoming('INVITE'), 503);
    await answerAt(second, here, request);
    await first.incoming('ACK');
  });

  it('is not asked again at the second when the first has refused the call', async () => {
    const first = await peerAt({ host: hosts[0], transports: ['udp'] });
    const second = await peerAt({ host: hosts[1], transports: ['udp'] });
    const here = await scene('udp://pbx.test');
    offer(here.dns, 'udp', [first, second]);
    const request = dial(here);
    first.reply(await first.incoming('INVITE'), 486);
    expect((await here.alice.final(request)).status).toBe(486);
    expect(second.inbox.all).toEqual([]);
  });

  it('that DNS does not know cannot be reached (480), and the log says why', async () => {
    const here = await scene('udp://nowhere.test');
    expect((await here.alice.final(dial(here))).status).toBe(480);
    const line = here.gateway.log.find(({ message }) => message === 'a peer cannot be located');
    expect(line?.fields).toMatchObject({ peer: 'pbx', host: 'nowhere.test', code: 'not-found' });
  });
});

describe('a large request to a peer (RFC 3261 §18.1.1)', () => {
  it('goes over TCP, with the port in Via and Record-Route at which the gateway listens', async () => {
    const peer = await peerAt({ host: hosts[0], transports: ['udp', 'tcp'] });
    const here = await scene(`udp://${peer.host}:${peer.port}`);
    const small = await answerAt(peer, here, dial(here));
    expect(small.via.transport).toBe('UDP');
    const invite = await answerAt(peer, here, dial(here, large));
    const port = here.gateway.port('tcp');
    expect([invite.via.transport, invite.via.port]).toEqual(['TCP', port]);
    expect(headerValue(invite, 'record-route')).toContain(`:${port};transport=tcp`);
  });

  it('goes over UDP, and the log says why, when the peer takes no TCP connection', async () => {
    const peer = await peerAt({ host: hosts[0], transports: ['udp'] });
    const here = await scene(`udp://${peer.host}:${peer.port}`);
    for (let i = 0; i < 2; i++) {
      const invite = await answerAt(peer, here, dial(here, large));
      expect(invite.via.transport).toBe('UDP');
    }
    const messages = here.gateway.log.map(({ message }) => message);
    expect(messages.filter((message) => message.includes('takes no TCP connection'))).toHaveLength(1);
    expect(messages.filter((message) => message.includes('is fragmented over UDP'))).toHaveLength(1);
  });

  it('to a phone stays on its UDP flow, with one warning', async () => {
    const here = await scene('udp://pbx.test');
    const desk = await here.gateway.stockPhone('desk', 'udp');
    expect((await desk.register()).status).toBe(200);
    for (let i = 0; i < 2; i++) {
      const request = here.alice.build('MESSAGE', desk.address, { body: large });
      here.alice.send(request);
      desk.reply(await desk.incoming('MESSAGE'), 200);
      expect((await here.alice.final(request)).status).toBe(200);
    }
    const warned = here.gateway.log.filter(({ message }) => message.includes('is fragmented over UDP'));
    expect(warned.map(({ level, fields }) => [level, fields['method']])).toEqual([['warn', 'MESSAGE']]);
  });
});

describe('a peer that reconnects in mid-call', () => {
  it('hangs up over a new connection, and is hung up on over one that the gateway opens', async () => {
    const peer = await peerAt({ host: hosts[0], transports: ['tcp'] });
    const here = await scene(`tcp://${peer.host}:${peer.port}`);
    const { alice, gateway } = here;

    const first = dial(here);
    const invite = await peer.incoming('INVITE');
    const answer = peer.reply(invite, 200);
    await alice.final(first);
    peer.cutConnections();
    const bye = peerRequest(peer, calleeDialog(invite, answer), 'BYE');
    await peer.sendTcp(bye, gateway.port('tcp'));
    alice.reply(await alice.incoming('BYE'), 200);
    await peer.response(200);

    const second = dial(here);
    peer.reply(await peer.incoming('INVITE'), 200);
    const dialog = callerDialog(await alice.final(second));
    peer.cutConnections();
    await until('the connections are gone', () => peer.connections === 0);
    const ended = alice.inDialog(dialog, 'BYE');
    peer.reply(await peer.incoming('BYE'), 200);
    expect((await alice.final(ended)).status).toBe(200);
  });

  it('gets the answer to its call over a connection to the port of its Via (RFC 3261 §18.2.2)', async () => {
    const peer = await peerAt({ host: hosts[0], transports: ['tcp'] });
    const here = await scene(`tcp://${peer.host}:${peer.port}`);
    const { alice, gateway } = here;
    const invite = createRequest({
      method: 'INVITE',
      uri: alice.address,
      via: createVia({ transport: 'tcp', host: peer.host, port: peer.port, branch: 'from-peer' }),
      from: `<sip:100@${gateway.domain}>;tag=pbx`,
      to: `<${alice.address}>`,
      callId: 'from-peer',
      cseq: 1,
      headers: [{ name: 'contact', rawName: 'Contact', value: peer.contact }],
    });
    const socket = await peer.sendTcp(invite, gateway.port('tcp'));
    const ringing = await alice.incoming('INVITE');
    socket.destroy();
    await until('the connection is gone', () => peer.connections === 0);
    alice.reply(ringing, 180);
    alice.reply(ringing, 200);
    const answer = await peer.response(200);
    expect(headerValues(answer, 'via')).toHaveLength(1);
    expect(alice.inbox.unread.map((message) => message.kind === 'request' && message.method)).toEqual([]);
  });
});
