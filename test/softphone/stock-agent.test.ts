import { Inviter, Registerer, RegistererState, SessionState, UserAgent } from 'sip.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentSessions } from '../../src/softphone/index.ts';
import { decodeIntentToken } from '../../src/tokens/index.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';
import { ProbedPhone } from './probed-phone.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: [{ name: 'desk-7', extension: '1007', password: 'swordfish' }],
  });
});
afterAll(() => gateway.close());

function stockAgent(password: string): UserAgent {
  const uri = UserAgent.makeURI(`sip:1007@${testDomain}`);
  if (uri === undefined) throw new Error('no address');
  return new UserAgent({
    uri,
    authorizationUsername: '1007',
    authorizationPassword: password,
    logBuiltinEnabled: false,
    sessionDescriptionHandlerFactory: silentSessions(),
    transportOptions: { server: `ws://127.0.0.1:${gateway.port('ws')}` },
  });
}

describe('a SIP.js user agent as it comes, with a password (RFC 8760 §2.7: MD5 for who knows nothing else)', () => {
  it('registers, calls and is called; the gateway signs for it and says so', async () => {
    const agent = stockAgent('swordfish');
    await agent.start();
    const registerer = new Registerer(agent);
    await registerer.register();
    await until('it is registered', () => registerer.state === RegistererState.Registered);

    const alice = await ProbedPhone.register({ name: 'alice', port: gateway.port('ws'), answers: true });
    const target = UserAgent.makeURI(`sip:alice@${testDomain}`);
    if (target === undefined) throw new Error('no address');
    const call = new Inviter(agent, target, { extraHeaders: ['Subject: Zoë ist zurück'] });
    await call.invite();
    await until('the call is up', () => call.state === SessionState.Established);
    const { call: heard } = await alice.next('incoming');
    expect(heard.remote).toBe(`sip:1007@${testDomain}`);
    expect(decodeIntentToken(heard.intentToken ?? '')).toMatchObject({
      assurance: 1,
      intent: { text: 'Zoë ist zurück' },
    });
    await call.bye();
    await alice.next('ended');

    agent.delegate = { onInvite: (invitation) => void invitation.accept() };
    const back = await alice.callAnswered('1007');
    await back.hangUp();
    await alice.close();
    await agent.stop();
  });

  it('does not register with another password', async () => {
    const agent = stockAgent('marlin');
    await agent.start();
    const registerer = new Registerer(agent);
    const status = await new Promise<number | undefined>((resolve) => {
      void registerer.register({
        requestDelegate: { onReject: ({ message }) => resolve(message.statusCode) },
      });
    });
    expect([401, 403]).toContain(status);
    await agent.stop();
  });
});
