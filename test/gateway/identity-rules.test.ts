import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { VouchingClient } from '../../src/admission/index.ts';
import { encodeBase64Url, systemClock, systemRandom } from '../../src/base/index.ts';
import { sha256 } from '../../src/tokens/index.ts';
import { type Person, person, TestRealm, withClaim } from '../support/people.ts';
import { tibetSip } from '../support/processes.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { establish, exchange } from '../support/sip-call.ts';
import { TestGateway } from '../support/test-gateway.ts';

const hour = 3_600_000;
let gateway: TestGateway;
let acme: TestRealm;
let reception: SipAgent;
beforeAll(async () => {
  acme = await TestRealm.open('jis:acme', 1);
  gateway = await TestGateway.open({
    devices: [{ name: 'desk', password: 'pw' }],
    set: [
      `authorities=[${acme.authority('acme')}, ${acme.authority('acme-strict', ', askAboutClaims: true')}]`,
      'calls.rules=[{callee: "jis:reception", claim: employee, of: acme, hours: "08:00-18:00", timezone: Europe/Berlin}, {callee: "jis:reception", caller: "jis:boss"}, {callee: "jis:vault:*", claim: "floor=3", of: acme, minAssurance: 3}]',
    ],
  });
  at(10);
  reception = await phoneOf(person('jis:reception'));
});
afterAll(async () => {
  await gateway.close();
  await acme.close();
});

async function phoneOf(who: Person): Promise<SipAgent> {
  const phone = await gateway.keyPhone(who.token.subject.slice(4).replaceAll(':', '%3A'), 'ws', {
    identity: who,
  });
  expect((await phone.register()).status).toBe(200);
  return phone;
}

/** Puts the gateway's clock, and with it the phones', to an hour of the next day in UTC: after all that is made here. */
function at(hours: number): void {
  const midnight = Math.ceil(Date.now() / (24 * hour)) * 24 * hour;
  gateway.clock.shiftMs = midnight + hours * hour - Date.now();
}

async function reaches(phone: SipAgent, callee: SipAgent): Promise<void> {
  const call = await establish(phone, callee);
  await exchange(phone, callee, call.callerSide, 'BYE');
}

async function refusal(phone: SipAgent, to = reception.address): Promise<string> {
  const { response } = await phone.ask('INVITE', to);
  return `${response.status} ${response.reason}`;
}

describe('only callers with a valid employee claim of acme may ring jis:reception between 8 and 18', () => {
  it('seed 33: an employee reaches reception by day, and is told when by night', async () => {
    const phone = await phoneOf(withClaim(person('jis:employee'), acme.person, 'employee'));
    await reaches(phone, reception);
    at(22);
    expect(await refusal(phone)).toBe('403 Only 08:00-18:00 Europe/Berlin');
    at(10);
    expect((await reception.register()).status).toBe(200);
  });

  it('seed 33: without the claim, with somebody else’s, a forged or an expired one the call is refused, and the record says why', async () => {
    const other = withClaim(person('jis:other'), acme.person, 'employee');
    const copied = person('jis:copier', { attributes: other.attributes });
    const forger = person('jis:forger');
    const past = Math.floor(Date.now() / 1000) - 86_400;
    const callers: readonly (readonly [Person, string])[] = [
      [person('jis:nobody'), '403 Needs Claim employee Of acme'],
      [copied, '403 Not Your Own Claim employee Of acme'],
      [withClaim(person('jis:self'), forger, 'employee'), '403 Needs Claim employee Of acme'],
      [
        withClaim(person('jis:posing'), { ...forger, token: acme.person.token }, 'employee'),
        '403 Forged Claim employee Of acme',
      ],
      [
        withClaim(person('jis:past'), acme.person, 'employee', true, { expires: past }),
        '403 Expired Claim employee Of acme',
      ],
      [withClaim(person('jis:not'), acme.person, 'employee', false), '403 Needs Claim employee Of acme'],
    ];
    for (const [who, answer] of callers) {
      const phone = await phoneOf(who);
      expect(await refusal(phone), who.token.subject).toBe(answer);
      const reason = async (): Promise<unknown> =>
        (await gateway.records()).findLast(({ call }) => call?.phase === 'close')?.erin['reason'];
      await expect.poll(reason).toBe(answer.slice(4));
      await phone.close();
    }
  });

  it('another rule may let somebody in without a claim, and a callee without rules takes calls from all', async () => {
    await reaches(await phoneOf(person('jis:boss')), reception);
    const free = await phoneOf(person('jis:free'));
    await reaches(await phoneOf(person('jis:anyone')), free);
  });

  it('seed 33: a claim with a value, and how sure the caller has to be', async () => {
    const vault = await phoneOf(person('jis:vault:gold'));
    await reaches(await phoneOf(withClaim(person('jis:third'), acme.person, 'floor', 3)), vault);
    const second = await phoneOf(withClaim(person('jis:second'), acme.person, 'floor', 2));
    expect(await refusal(second, vault.address)).toBe('403 Needs Claim floor Of acme');
    const desk = await gateway.stockPhone('desk', 'tcp');
    await desk.register();
    expect(await refusal(desk, vault.address)).toBe('403 Needs Assurance 3');
    // The operator lets it show a claim about the identity that the gateway keeps for it.
    expect(await refusal(desk)).toBe('403 Needs Claim employee Of acme');
    const cli = async (...args: string[]): Promise<string> => {
      const { code, out, err } = await tibetSip([...args, '--data-dir', gateway.dataDir]);
      expect(code, err).toBe(0);
      return out;
    };
    const { fingerprint } = JSON.parse(await cli('overlay', 'info', 'jis:desk', '--json'));
    const { claim } = withClaim(person('jis:desk'), acme.person, 'employee', true, { subject: fingerprint });
    const file = join(gateway.dataDir, 'desk.claim');
    writeFileSync(file, encodeBase64Url(claim));
    await cli('overlay', 'claim', 'jis:desk', file);
    // What another process has written is noticed within a second (limits.overlay.cache.freshMs).
    const mayCall = async () => (await desk.ask('INVITE', reception.address)).response.status === 480;
    await reception.register({ expires: 0 });
    await vi.waitUntil(mayCall, { timeout: 5_000 });
    await reception.register();
  });

  it('seed 33: a small device delegates the check to a realm that it trusts', async () => {
    const subject = person('jis:shower');
    const { claim } = withClaim(subject, acme.person, 'employee');
    const client = new VouchingClient({ clock: systemClock, random: systemRandom });
    const authority = {
      name: 'acme',
      token: acme.person.token,
      url: acme.url,
      timeoutMs: 2_000,
      askAboutClaims: false,
    };
    expect(await client.delegate(claim, subject.token.fingerprint, authority)).toBe('yes');
    expect(await client.delegate(claim, person('jis:thief').token.fingerprint, authority)).toBe('no');
    acme.members.withdraw(encodeBase64Url(sha256(claim)));
    expect(await client.delegate(claim, subject.token.fingerprint, authority)).toBe('no');
  });
});

describe('a claim whose issuer is asked', () => {
  it('seed 33: counts until the issuer withdraws it, and not while the issuer is silent', async () => {
    const strict = await TestRealm.open('jis:strict', 1);
    const house = await TestGateway.open({
      set: [
        `authorities=[${strict.authority('strict', ', askAboutClaims: true, timeoutMs: 500')}]`,
        'calls.rules=[{callee: "*", claim: guest, of: strict}]',
        'limits.vouching.silenceMs=1',
      ],
    });
    const [host, guest] = [person('jis:host'), withClaim(person('jis:guest'), strict.person, 'guest')];
    const callee = await house.keyPhone('host', 'ws', { identity: host });
    const caller = await house.keyPhone('guest', 'ws', { identity: guest });
    await callee.register();
    await caller.register();
    await reaches(caller, callee);
    // From here on a call that may be made finds nobody.
    await callee.register({ expires: 0 });
    strict.members.withdraw(encodeBase64Url(sha256(guest.claim)));
    await expect
      .poll(() => refusal(caller, callee.address), { timeout: 5_000 })
      .toBe('403 Withdrawn Claim guest Of strict');
    await strict.stop();
    await expect
      .poll(() => refusal(caller, callee.address), { timeout: 5_000 })
      .toBe('403 Nobody Confirms Claim guest Of strict');
    await house.close();
    await strict.close();
  });
});

describe('hooks', () => {
  it('seed 35: in code: each is called in order, for registrations and calls, and a refusal gives its reason', async () => {
    const asked: string[] = [];
    const house = await TestGateway.open({
      hooks: {
        authenticate: ({ token }) => {
          asked.push(`authenticate ${token.subject}`);
          return token.subject !== 'jis:impostor';
        },
        authorise: ({ action, target }) => {
          asked.push(`authorise ${action} ${target}`);
          return action === 'invite' ? { refused: 'Not On Sundays' } : true;
        },
        account: ({ action }, verdict) => void asked.push(`account ${action} ${verdict}`),
      },
    });
    const phone = await house.keyPhone('alice', 'ws', { identity: person('jis:alice') });
    expect((await phone.register()).status).toBe(200);
    expect(await refusal(phone, `sip:alice@${house.domain}`)).toBe('403 Not On Sundays');
    expect(asked).toEqual([
      'authenticate jis:alice',
      `authorise register alice@${house.domain}`,
      'account register admitted',
      'authenticate jis:alice',
      `authorise invite alice@${house.domain}`,
      'account invite not-authorised',
    ]);
    const impostor = await house.keyPhone('impostor', 'ws', { identity: person('jis:impostor') });
    expect(await impostor.register()).toMatchObject({ status: 403, reason: 'Not Authenticated' });
    await house.close();
  });

  it('seed 28, 35: what throws refuses, also a call that cannot be accounted for', async () => {
    const fail = (): never => {
      throw new Error('no');
    };
    for (const [hooks, reason] of [
      [{ authenticate: fail }, 'Not Authenticated'],
      [{ authorise: fail }, 'Not Authorised'],
      [{ account: fail }, 'Cannot Be Accounted For'],
    ] as const) {
      const house = await TestGateway.open({ hooks });
      const phone = await house.keyPhone('alice', 'ws', { identity: person('jis:alice') });
      expect(await phone.register()).toMatchObject({ status: 403, reason });
      await house.close();
    }
  });

  describe('over HTTP', () => {
    let service: Server;
    let url: string;
    let behaviour: 'agree' | 'refuse' | 'error' | 'silence' | 'nonsense' = 'agree';
    const questions: { body: Record<string, unknown>; signed: boolean }[] = [];
    beforeAll(async () => {
      service = createServer((request, response) => {
        const parts: Buffer[] = [];
        request.on('data', (part: Buffer) => void parts.push(part));
        request.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8');
          const mac = `sha256=${createHmac('sha256', 's3cret').update(text).digest('hex')}`;
          questions.push({ body: JSON.parse(text), signed: request.headers['tibet-signature'] === mac });
          if (behaviour === 'silence') return;
          if (behaviour === 'error') return void response.writeHead(500).end();
          const answer = {
            agree: '{"allow":true}',
            refuse: '{"allow":false,"reason":"Bill \\r\\nUnpaid"}',
            nonsense: '{"allow":"yes"}',
          };
          response.end(answer[behaviour]);
        });
      }).listen(0, '127.0.0.1');
      await new Promise((resolve) => service.once('listening', resolve));
      url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/hooks`;
    });
    afterAll(() => {
      service.closeAllConnections();
      service.close();
    });

    it('seed 35: the operator’s own service decides; errors, silence and nonsense refuse', async () => {
      const set = [
        `hooks={url: "${url}", ask: [authenticate, authorise, account], timeoutMs: 300, secret: s3cret}`,
        `authorities=[${acme.authority('acme')}]`,
      ];
      const house = await TestGateway.open({ set });
      const alice = withClaim(person('jis:alice'), acme.person, 'employee');
      const phone = await house.keyPhone('alice', 'ws', { identity: alice });
      expect((await phone.register()).status).toBe(200);
      expect(questions.map(({ body }) => body['hook'])).toEqual(['authenticate', 'authorise', 'account']);
      expect(questions.every(({ signed }) => signed)).toBe(true);
      expect(questions[1]?.body).toMatchObject({
        action: 'register',
        assurance: 3,
        identity: { fingerprint: alice.token.fingerprint, name: 'jis:alice' },
        claims: [{ name: 'employee', value: true, issuer: acme.fingerprint }],
      });
      expect(questions[2]?.body).toMatchObject({ verdict: 'admitted' });
      for (const [how, reason] of [
        ['refuse', 'Bill Unpaid'],
        ['error', 'Not Authenticated'],
        ['nonsense', 'Not Authenticated'],
        ['silence', 'Not Authenticated'],
      ] as const) {
        behaviour = how;
        expect(await phone.register(), how).toMatchObject({ status: 403, reason });
      }
      await house.close();
    });
  });

  it('seed 28: with calls.unlisted: deny only what a rule allows is let through', async () => {
    const house = await TestGateway.open({
      set: ['calls.unlisted=deny', 'calls.rules=[{callee: "jis:open", caller: "*"}]'],
    });
    const [open, shut] = [person('jis:open'), person('jis:shut')];
    const callee = await house.keyPhone('open', 'ws', { identity: open });
    const caller = await house.keyPhone('shut', 'ws', { identity: shut });
    await callee.register();
    await caller.register();
    await reaches(caller, callee);
    expect(await refusal(callee, caller.address)).toBe('403 No Rule Allows This Call');
    await house.close();
  });
});
