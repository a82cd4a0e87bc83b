import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerField, type SipResponse } from '../../src/sip/index.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { TestGateway } from '../support/test-gateway.ts';

const password = 'correct horse';
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: ['known', 'busy', 'caller'].map((name) => ({ name, password })),
  });
});
afterAll(() => gateway.close());

/** What a scanner can compare: everything but what is random or its own. */
function visible(response: SipResponse): string {
  const fields = response.headers
    .filter(({ name }) => !['via', 'from', 'to', 'call-id', 'cseq', 'date'].includes(name))
    .map(({ rawName, value }) => `${rawName}: ${value.replace(/nonce="[^"]*"/, 'nonce="N"')}`);
  return [`${response.status} ${response.reason}`, ...fields].join('\n');
}

function uriOf(method: string, user: string): string {
  return method === 'REGISTER' ? `sip:${gateway.domain}` : `sip:${user}@${gateway.domain}`;
}

async function unproved(agent: SipAgent, method: string, user: string): Promise<string> {
  const request = agent.build(method, uriOf(method, user), { to: `<sip:${user}@${gateway.domain}>` });
  agent.send(request);
  return visible(await agent.final(request));
}

const methods = ['REGISTER', 'INVITE', 'OPTIONS', 'MESSAGE', 'SUBSCRIBE', 'PUBLISH', 'REFER'];

describe.each(['udp', 'tcp'] as const)(
  'a scanner over %s that proves nothing (edge tests 28 and 33)',
  (transport) => {
    it.each(methods)(
      'gets the same challenge to %s for a name that is held and for one that is not',
      async (method) => {
        const stranger = await gateway.stranger('stranger', transport);
        const known = await unproved(stranger, method, 'known');
        expect(known).toMatch(method === 'REGISTER' ? /^401 / : /^407 /);
        expect(await unproved(stranger, method, 'nobody-of-that-name')).toBe(known);
      },
    );

    it.each(['REGISTER', 'INVITE', 'OPTIONS'])(
      'gets the same second challenge to %s with a wrong password for either',
      async (method) => {
        const answers: string[] = [];
        for (const user of ['known', 'nobody-of-that-name']) {
          const guesser = await gateway.stockPhone(user, transport, { password: 'wrong' });
          const { request, response } = await guesser.ask(method, uriOf(method, user), {
            to: `<${guesser.address}>`,
          });
          expect(request.headers.some(({ name }) => name.endsWith('authorization'))).toBe(true);
          answers.push(visible(response));
        }
        expect(answers[0]).toMatch(method === 'REGISTER' ? /^401 / : /^407 /);
        expect(answers[0]).toBe(answers[1]);
      },
    );
  },
);

describe('a guesser', () => {
  it('is throttled after twenty failures, and the owner keeps its binding and its calls (edge test 29)', async () => {
    const owner = await gateway.stockPhone('busy', 'tcp');
    expect((await owner.register()).status).toBe(200);
    const guesser = await gateway.stockPhone('busy', 'udp', { password: 'guess' });
    let last = await guesser.register();
    for (let guess = 0; guess < 25 && last.status === 401; guess++) last = await guesser.register();
    expect(last.status).toBe(503);
    const caller = await gateway.stockPhone('caller', 'tcp');
    await caller.register();
    const { request } = await caller.begin('INVITE', `sip:busy@${gateway.domain}`);
    owner.reply(await owner.incoming('INVITE'), 486);
    expect((await caller.final(request)).status).toBe(486);
  });

  it('cannot take another identity’s binding away, nor add one, with its own password (edge test 31)', async () => {
    const owner = await gateway.stockPhone('known', 'tcp');
    await owner.register();
    const thief = await gateway.stockPhone('known', 'udp', { username: 'caller' });
    for (const expires of [300, 0]) {
      const response = await thief.register({ contact: expires === 0 ? '*' : thief.contact, expires });
      expect([response.status, response.reason]).toEqual([403, 'Not The Address Of This Identity']);
    }
    const listed = await owner.register({ contact: '' });
    expect(listed.headers.filter(({ name }) => name === 'contact')).toHaveLength(1);
  });

  it('is asked for the body’s protection where the operator wants it (RFC 7616 §3.4.3)', async () => {
    const strict = await TestGateway.open({
      devices: [{ name: 'careful', password }],
      set: ['auth.qop=auth-int'],
    });
    const phone = await strict.stockPhone('careful', 'udp');
    const { request, response } = await phone.ask('REGISTER', `sip:${strict.domain}`, {
      to: `<${phone.address}>`,
      headers: [headerField('Expires', '300')],
      body: 'a body',
      contentType: 'text/plain',
    });
    expect(request.headers.find(({ name }) => name === 'authorization')?.value).toContain('qop=auth-int');
    expect(response.status).toBe(200);
    await strict.close();
  });
});
