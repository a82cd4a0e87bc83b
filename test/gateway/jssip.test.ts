import jssip, { type UA } from 'jssip';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { callStories } from '../support/audit-trail.ts';
import { SessionDescription, SilentPeerConnection } from '../support/silent-peer-connection.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';

interface IncomingMessage {
  readonly originator: 'local' | 'remote';
  readonly request: { readonly body: string };
}

const password = 'swordfish';
/** No microphone is asked for. */
const silent = { mediaConstraints: { audio: false, video: false } };

let gateway: TestGateway;
let agents: UA[] = [];

beforeAll(async () => {
  // JsSIP runs in browsers, and looks for their WebRTC where they have it.
  Object.assign(globalThis, {
    window: globalThis,
    RTCPeerConnection: SilentPeerConnection,
    RTCSessionDescription: SessionDescription,
  });
  gateway = await TestGateway.open({
    devices: ['alice', 'desk'].map((name) => ({ name, password })),
  });
});
afterEach(async () => {
  for (const agent of agents) agent.stop();
  await until('all have left', () => agents.every((agent) => !agent.isRegistered()));
  agents = [];
});
afterAll(async () => {
  await gateway.close();
});

function openAgent(user: string, typed: string = password): UA {
  const agent = new jssip.UA({
    sockets: [new jssip.WebSocketInterface(`ws://127.0.0.1:${gateway.port('ws')}`)],
    uri: `sip:${user}@${testDomain}`,
    password: typed,
  });
  agents.push(agent);
  agent.start();
  return agent;
}

/** JsSIP as it comes, with what a person types into it. */
async function registered(user: string): Promise<UA> {
  const agent = openAgent(user);
  await until(`${user} is registered`, () => agent.isRegistered());
  return agent;
}

async function deskPhone(): Promise<SipAgent> {
  const desk = await gateway.stockPhone('desk', 'udp');
  expect((await desk.register()).status).toBe(200);
  return desk;
}

describe('JsSIP in Node over WebSocket, besides its calls (test/interop)', () => {
  it('registers with digest and unregisters', async () => {
    const alice = await registered('alice');
    alice.unregister();
    await until('it is gone', () => !alice.isRegistered());
    const desk = await deskPhone();
    const { response } = await desk.ask('OPTIONS', `sip:alice@${testDomain}`);
    expect(response.status).toBe(480);
    alice.register();
    await until('it is back', () => alice.isRegistered());
  });

  it('is told that its password is wrong', async () => {
    const failed = new Promise<string>((resolve) => {
      openAgent('alice', 'wrong').once('registrationFailed', ({ cause }: { cause: string }) =>
        resolve(cause),
      );
    });
    expect(['Authentication Error', 'Rejected']).toContain(await failed);
  });

  it('sends and receives MESSAGE (RFC 3428) and answers OPTIONS', async () => {
    const alice = await registered('alice');
    const desk = await deskPhone();
    const sent = new Promise<number>((resolve) => {
      alice.sendMessage(`sip:desk@${testDomain}`, 'are you there?', {
        eventHandlers: { succeeded: ({ response }) => resolve(response.status_code) },
      });
    });
    const arrived = await desk.incoming('MESSAGE');
    expect(Buffer.from(arrived.body).toString()).toBe('are you there?');
    desk.reply(arrived, 200);
    expect(await sent).toBe(200);

    const received = new Promise<string>((resolve) => {
      alice.on('newMessage', ({ originator, request }: IncomingMessage) => {
        if (originator === 'remote') resolve(request.body);
      });
    });
    const back = await desk.ask('MESSAGE', `sip:alice@${testDomain}`, {
      body: 'I am',
      contentType: 'text/plain',
    });
    expect(back.response.status).toBe(200);
    expect(await received).toBe('I am');
    expect((await desk.ask('OPTIONS', `sip:alice@${testDomain}`)).response.status).toBe(200);
  });

  it('gives up a call that rings, with CANCEL', async () => {
    const alice = await registered('alice');
    const desk = await deskPhone();
    const call = alice.call(`sip:desk@${testDomain}`, silent);
    const invite = await desk.incoming('INVITE');
    desk.reply(invite, 180);
    await until('it rings', () => Number(call.status) === 2);
    call.terminate();
    desk.reply(await desk.incoming('CANCEL'), 200);
    desk.reply(invite, 487);
    expect((await desk.incoming('ACK')).callId).toBe(invite.callId);
  });

  it('leaves one whole chain of records for each call', async () => {
    expect(callStories(await gateway.closedCalls())).toEqual({ 'attempt ringing cancel': 1 });
  });
});
