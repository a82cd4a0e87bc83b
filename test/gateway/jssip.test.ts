import jssip, { type UA } from 'jssip';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createResponse, headerField, type SipRequest } from '../../src/sip/index.ts';
import { callStories, chainFaults } from '../support/audit-trail.ts';
import { directionOf, SessionDescription, SilentPeerConnection } from '../support/silent-peer-connection.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { callerDialog } from '../support/sip-dialog.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';

type Session = ReturnType<UA['call']>;

/** What JsSIP's events bring: it types them with what only browsers have. */
interface NewSession {
  readonly originator: 'local' | 'remote';
  readonly session: Session;
}

interface IncomingMessage {
  readonly originator: 'local' | 'remote';
  readonly request: { readonly body: string };
}

const password = 'swordfish';
/** No microphone is asked for. */
const silent = { mediaConstraints: { audio: false, video: false } };
const sdp = 'application/sdp';

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
    devices: ['alice', 'bob', 'carol', 'desk'].map((name) => ({ name, password })),
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

function directionIn({ body }: SipRequest): string {
  return directionOf(Buffer.from(body).toString());
}

/** Answers an INVITE with the description that a telephone would give. */
function answerWith(desk: SipAgent, invite: SipRequest, direction: string): void {
  const offer = Buffer.from(invite.body).toString();
  const answer = offer.replace(/a=(sendrecv|sendonly|recvonly|inactive)/, `a=${direction}`);
  const routes = invite.headers.filter(({ name }) => name === 'record-route');
  desk.send(
    createResponse(invite, 200, undefined, {
      toTag: desk.tag,
      headers: [...routes, headerField('Contact', desk.contact)],
      body: Buffer.from(answer),
      contentType: sdp,
    }),
  );
}

/** The next session that somebody starts with this user agent. */
function nextSession(agent: UA): Promise<Session> {
  return new Promise((resolve) => {
    agent.once('newRTCSession', ({ session }: NewSession) => resolve(session));
  });
}

describe('JsSIP in Node over WebSocket', () => {
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

  it('calls a telephone on UDP, holds, resumes and hangs up', async () => {
    const alice = await registered('alice');
    const desk = await deskPhone();
    const call = alice.call(`sip:desk@${testDomain}`, silent);
    const invite = await desk.incoming('INVITE');
    desk.reply(invite, 180);
    answerWith(desk, invite, 'sendrecv');
    await desk.incoming('ACK');
    await until('the call is up', () => call.isEstablished());

    for (const [change, offered, answered] of [
      [() => call.hold(), 'sendonly', 'recvonly'],
      [() => call.unhold(), 'sendrecv', 'sendrecv'],
    ] as const) {
      await until('it may offer again', () => call.isReadyToReOffer());
      expect(change()).toBe(true);
      const again = await desk.incoming('INVITE');
      expect(directionIn(again)).toBe(offered);
      answerWith(desk, again, answered);
      await desk.incoming('ACK');
      expect(call.isOnHold().local).toBe(offered === 'sendonly');
    }

    call.terminate();
    desk.reply(await desk.incoming('BYE'), 200);
    await until('it is over', () => call.isEnded());
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

  it('answers a telephone, is put on hold by it and hears it hang up', async () => {
    const alice = await registered('alice');
    const desk = await deskPhone();
    const ringing = nextSession(alice);
    const offer = (await new SilentPeerConnection().createOffer()).sdp;
    const { request } = await desk.begin('INVITE', `sip:alice@${testDomain}`, {
      body: offer,
      contentType: sdp,
    });
    const call = await ringing;
    call.answer(silent);
    const dialog = callerDialog(await desk.final(request));
    desk.inDialog(dialog, 'ACK');
    await until('the call is up', () => call.isEstablished());

    const hold = desk.inDialog(dialog, 'INVITE', {
      body: offer.replace('a=sendrecv', 'a=sendonly'),
      contentType: sdp,
    });
    expect((await desk.final(hold)).status).toBe(200);
    desk.inDialog({ ...dialog, inviteCSeq: hold.cseq.number }, 'ACK');
    await until('it knows that it is held', () => call.isOnHold().remote);

    expect((await desk.final(desk.inDialog(dialog, 'BYE'))).status).toBe(200);
    await until('it is over', () => call.isEnded());
  });

  it('transfers a call to a third one (REFER, RFC 3515)', async () => {
    const [alice, bob, carol] = [
      await registered('alice'),
      await registered('bob'),
      await registered('carol'),
    ];
    for (const agent of [bob, carol])
      agent.on('newRTCSession', ({ originator, session }: NewSession) => {
        if (originator === 'remote') session.answer(silent);
      });
    const atBob = nextSession(bob);
    const call = alice.call(`sip:bob@${testDomain}`, silent);
    const answered = await atBob;
    await until('the call is up', () => call.isEstablished() && answered.isEstablished());

    const [fromBob, atCarol] = [nextSession(bob), nextSession(carol)];
    answered.on('refer', ({ accept }) => void accept(undefined, silent));
    const accepted = new Promise<void>((resolve) => {
      call.refer(`sip:carol@${testDomain}`, { eventHandlers: { accepted: () => resolve() } });
    });
    const [calling, called] = [await fromBob, await atCarol];
    await accepted;
    await until('the third one is in the call', () => calling.isEstablished() && called.isEstablished());
    call.terminate();
    await until('the first call is over for both', () => call.isEnded() && answered.isEnded());
    called.terminate();
    await until('the second one too', () => calling.isEnded() && called.isEnded());
  });

  it('leaves one whole chain of records for each call', async () => {
    // The last answer to a BYE may still be on its way.
    await until('all calls are closed', async () => chainFaults(await gateway.records()).length === 0);
    const trail = await gateway.records();
    expect(callStories(trail)).toMatchObject({ 'attempt ringing answer end': expect.any(Number) });
  });
});
