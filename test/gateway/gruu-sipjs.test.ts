import { randomUUID } from 'node:crypto';
import { Inviter, Registerer, RegistererState, type Session, SessionState, UserAgent } from 'sip.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { silentSessions } from '../../src/softphone/index.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';

const password = 'swordfish';
let gateway: TestGateway;
const agents: UserAgent[] = [];

beforeAll(async () => {
  gateway = await TestGateway.open({ devices: ['1007', '1008'].map((name) => ({ name, password })) });
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  await gateway.close();
});

/** SIP.js as it comes, registered with an instance-id: it then uses its public GRUU as Contact. */
async function registered(user: string): Promise<UserAgent> {
  const uri = UserAgent.makeURI(`sip:${user}@${testDomain}`);
  if (uri === undefined) throw new Error('no address');
  const agent = new UserAgent({
    uri,
    authorizationUsername: user,
    authorizationPassword: password,
    logBuiltinEnabled: false,
    sessionDescriptionHandlerFactory: silentSessions(),
    transportOptions: { server: `ws://127.0.0.1:${gateway.port('ws')}` },
  });
  agents.push(agent);
  await agent.start();
  const registerer = new Registerer(agent, { regId: 1, instanceId: randomUUID() });
  await registerer.register();
  await until('it is registered', () => registerer.state === RegistererState.Registered);
  return agent;
}

function isUp(session: Session | undefined): boolean {
  return session?.state === SessionState.Established;
}

it('SIP.js takes its GRUU as Contact, and calls between two such phones are set up and ended by either', async () => {
  const [alice, bob] = [await registered('1007'), await registered('1008')];
  const gruu = alice.contact.pubGruu;
  expect(String(gruu)).toMatch(/^sip:[a-z2-7]{52}@sip\.test;gr=urn:uuid:/);

  let answered: Session | undefined;
  bob.delegate = {
    onInvite: (invitation) => {
      answered = invitation;
      void invitation.accept();
    },
  };
  const toBob = UserAgent.makeURI(`sip:1008@${testDomain}`);
  if (toBob === undefined || gruu === undefined) throw new Error('no address');
  const call = new Inviter(alice, toBob);
  await call.invite();
  await until('the call is up on both sides', () => isUp(call) && isUp(answered));
  await answered?.bye();
  await until('the BYE of the callee has reached the caller', () => call.state === SessionState.Terminated);

  alice.delegate = { onInvite: (invitation) => void invitation.accept() };
  const back = new Inviter(bob, gruu);
  await back.invite();
  await until('the GRUU was reached', () => isUp(back));
  await back.bye();
  await until('it is over', () => back.state === SessionState.Terminated);
});
