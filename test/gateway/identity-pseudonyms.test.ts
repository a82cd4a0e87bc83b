import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataPaths } from '../../src/config/index.ts';
import { headerField, headerValue, serializeMessage } from '../../src/sip/index.ts';
import { proveLink, verifyLinkProof } from '../../src/tokens/index.ts';
import { type Person, person, TestRealm } from '../support/people.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { establish, exchange } from '../support/sip-call.ts';
import { TestGateway } from '../support/test-gateway.ts';

let gateway: TestGateway;
let realm: TestRealm;
let bob: SipAgent;
const alice = person('jis:alice-of-the-secret-name');
beforeAll(async () => {
  realm = await TestRealm.open('jis:acme-realm');
  gateway = await TestGateway.open({ set: [`authorities=[${realm.authority('acme')}]`] });
  bob = await gateway.keyPhone('bob', 'ws', { identity: person('jis:bob') });
  await bob.register();
  const phone = await gateway.keyPhone('alice-of-the-secret-name', 'ws', { identity: alice });
  expect((await phone.register()).status).toBe(200);
});
afterAll(async () => {
  await gateway.close();
  await realm.close();
});

/** Text or bytes by which somebody could be recognised, in each form in which SIP or a token writes it. */
function tracesOf({ token }: Person): Buffer[] {
  const { fingerprint, subject, publicKey, coreSignature, bytes } = token;
  const raw = [publicKey, coreSignature, bytes].map((part) => Buffer.from(part));
  const forms = raw.flatMap((part) => [
    part,
    ...(['hex', 'base64', 'base64url'] as const).map((form) => Buffer.from(part.toString(form))),
  ]);
  return [Buffer.from(fingerprint), Buffer.from(subject), Buffer.from(subject.slice(4)), ...forms];
}

/** Everything in a message, its tokens decoded as well, since base64 hides what is in them. */
function laidOpen(wire: Uint8Array): Buffer {
  const text = Buffer.from(wire);
  const encoded = text.toString('latin1').match(/[A-Za-z0-9_-]{24,}/g) ?? [];
  return Buffer.concat([text, ...encoded.map((part) => Buffer.from(part, 'base64url'))]);
}

function expectNoTrace(wire: Uint8Array, of: Person, where: string): void {
  const open = laidOpen(wire);
  for (const trace of tracesOf(of))
    expect(open.includes(trace), `${where}: ${trace.toString('latin1')}`).toBe(false);
}

const acme = () => realm.fingerprint;
const pseudonyms: Readonly<Record<string, () => Person>> = {
  'by issuer, hidden': () => person('jis:p-hidden', { parent: alice }),
  'by issuer, shown to the gateway': () => person('jis:p-shown', { parent: alice, shown: true }),
  'by realm': () => person('jis:p-realm', { realm: acme() }),
  'by both': () => person('jis:p-both', { parent: alice, shown: true, realm: acme() }),
  'three levels deep': () =>
    person('jis:p-deep', { parent: person('jis:p-2', { parent: person('jis:p-1', { parent: alice }) }) }),
};

describe('a call under a pseudonym', () => {
  it.each(Object.keys(pseudonyms))(
    'seed 29, 30: %s: tells the callee nothing of parent and realm',
    async (kind) => {
      const pseudonym = pseudonyms[kind]?.() ?? alice;
      realm.admit(pseudonym);
      const user = pseudonym.token.subject.slice(4);
      const phone = await gateway.keyPhone(user, 'ws', { identity: pseudonym });
      // What it says to the gateway names the parent, if it is to be seen: the check below would find it.
      const said = laidOpen(serializeMessage(phone.build('INVITE', bob.address)));
      const { issuer, realm: named } = pseudonym.token;
      expect(said.includes(alice.token.fingerprint)).toBe(issuer === alice.token.fingerprint);
      expect(said.includes(acme())).toBe(named !== undefined);
      // Introduces itself with its token in the very INVITE, as a phone does that has not registered.
      const first = await establish(phone, bob);
      const again = await exchange(bob, phone, first.calleeSide, 'INFO');
      // And once more when it is known, with its GRUU.
      const contact = `${phone.contact};+sip.instance="<urn:uuid:00000000-0000-4000-8000-000000000001>"`;
      const headers = [headerField('Supported', 'gruu')];
      const registered = await phone.register({ contact, headers });
      const gruu = /pub-gruu="([^"]+)"/.exec(headerValue(registered, 'contact') ?? '')?.[1] ?? 'none';
      expect(gruu).toContain(pseudonym.token.fingerprint);
      const second = await establish(phone, bob, bob.address, { contact: `<${gruu}>` });
      phone.signer?.reset();
      const info = await exchange(phone, bob, second.callerSide, 'INFO');
      const seen = [first.invite, second.invite, info.arrived, again.response];
      for (const message of seen) {
        const wire = serializeMessage(message);
        expectNoTrace(wire, alice, kind);
        expectNoTrace(wire, realm.person, kind);
        expect(Buffer.from(wire).toString('latin1')).toContain(user);
      }
      await exchange(phone, bob, second.callerSide, 'BYE');
      await exchange(phone, bob, first.callerSide, 'BYE');
      // Nor do the call's records, of which the callee gets receipts, nor any published part of the log.
      for (const record of await gateway.records({ callId: first.invite.callId }))
        for (const layer of [record.erin, record.eraan, record.eromheen, { erachter: record.erachter }])
          expectNoTrace(Buffer.from(JSON.stringify(layer)), alice, `record ${record.event}`);
    },
  );

  it('seed 29: the published part of the log tells nothing of it either', () => {
    const directory = join(dataPaths(gateway.dataDir).log, 'public');
    const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    expect(files.length).toBeGreaterThan(2);
    for (const { parentPath, name } of files)
      expectNoTrace(readFileSync(join(parentPath, name)), alice, name);
  });

  it('seed 28: a pseudonym is addressed by its own fingerprint, and its parent proves the link to an auditor', async () => {
    const pseudonym = person('jis:p-linked', { parent: alice });
    const phone = await gateway.keyPhone('p-linked', 'ws', { identity: pseudonym });
    await phone.register();
    const call = await establish(bob, phone, `sip:${pseudonym.token.fingerprint}@${gateway.domain}`);
    await exchange(bob, phone, call.callerSide, 'BYE');
    const parent = { key: alice.key, token: alice.token, fingerprint: alice.token.fingerprint };
    const proof = proveLink({ parent, pseudonym: pseudonym.token, auditor: 'case 17', now: 1 });
    expect(verifyLinkProof(proof.bytes).person).toBe(alice.token.fingerprint);
  });
});
