import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../../src/base/index.ts';
import { headerItems, parseContact, parseUri, type SipUri } from '../../../src/sip/message/index.ts';
import { Gruus, isGruu, type RegisterOutcome } from '../../../src/sip/registrar/index.ts';
import { aor, RegistrarFixture, register, startMs, wsFlow } from './register-fixture.ts';

const urn = 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6';
const contact = `Contact: <sip:alice@192.168.1.10>;+sip.instance="<${urn}>"`;
const supported = 'Supported: path, outbound, gruu';

function sipUri(text: string): SipUri {
  const uri = parseUri(text);
  if (uri.scheme !== 'sip') throw new TypeError('not a SIP URI');
  return uri;
}

/** The GRUUs of the first Contact in a 200, without their quotes. */
function given(outcome: RegisterOutcome): {
  publicUri: string | undefined;
  temporaryUri: string | undefined;
} {
  const { params } = parseContact(headerItems(outcome.response, 'contact')[0] ?? '').address;
  const quoted = (name: string): string | undefined =>
    params.find((param) => param.name === name)?.value?.slice(1, -1);
  return { publicUri: quoted('pub-gruu'), temporaryUri: quoted('temp-gruu') };
}

function makeGruus(secret = 7): Gruus {
  return new Gruus({ domain: 'example.org', secret: new Uint8Array(32).fill(secret), random: systemRandom });
}

const binding = {
  instanceId: urn,
  callId: 'call-1',
  registeredAtMs: startMs,
  expiresAtMs: startMs + 3_600_000,
};
/** As long as an identity's fingerprint, and base32 like one. */
const fingerprint = `${'a'.repeat(51)}q`;

describe('the 200 to a REGISTER (RFC 5627 §5.2)', () => {
  it('gives a phone that supports gruu its public and a temporary GRUU', async () => {
    const fixture = new RegistrarFixture();
    const { publicUri, temporaryUri } = given(await fixture.handle(register([contact, supported])));
    expect(publicUri).toBe(`sip:${aor}@example.org;gr=${urn}`);
    expect(temporaryUri).toMatch(/^sip:[A-Za-z0-9_-]+@example\.org;gr$/);
    expect(headerItems(register([contact, supported]), 'contact')).toHaveLength(1);
  });

  it('gives none without gruu in Supported, and none without an instance-id', async () => {
    const fixture = new RegistrarFixture();
    const plain = await fixture.handle(register([contact, 'Supported: path']));
    expect(given(plain)).toEqual({ publicUri: undefined, temporaryUri: undefined });
    const nameless = await fixture.handle(
      register(['Contact: <sip:b@192.168.1.11>', supported], { callId: 'call-2' }),
    );
    expect(given(nameless)).toEqual({ publicUri: undefined, temporaryUri: undefined });
  });

  it('keeps the public GRUU and gives another temporary one at each refresh, both valid', async () => {
    const fixture = new RegistrarFixture();
    const first = given(await fixture.handle(register([contact, supported])));
    const second = given(await fixture.handle(register([contact, supported], { cseq: 2 }), wsFlow));
    expect(second.publicUri).toBe(first.publicUri);
    expect(second.temporaryUri).not.toBe(first.temporaryUri);
    const [bound] = fixture.location.list(aor);
    if (bound === undefined) throw new Error('nothing is bound');
    for (const text of [first.temporaryUri, second.temporaryUri, first.publicUri]) {
      const target = fixture.gruus.read(sipUri(text ?? ''));
      expect(target?.aor).toBe(aor);
      expect(target?.accepts(bound)).toBe(true);
    }
  });

  it('ends all temporary GRUUs when the phone registers under another Call-ID (RFC 5627 §3.2)', async () => {
    const fixture = new RegistrarFixture();
    const { temporaryUri, publicUri } = given(await fixture.handle(register([contact, supported])));
    await fixture.handle(register([contact, supported], { callId: 'call-2' }));
    const [bound] = fixture.location.list(aor);
    if (bound === undefined) throw new Error('nothing is bound');
    const temporary = fixture.gruus.read(sipUri(temporaryUri ?? ''));
    expect([temporary?.accepts(bound), temporary?.isOfPhone(bound)]).toEqual([false, true]);
    expect(fixture.gruus.read(sipUri(publicUri ?? ''))?.accepts(bound)).toBe(true);
  });

  it('takes Require: gruu', () => {
    const fixture = new RegistrarFixture();
    expect(fixture.registrar.screen(register([contact, 'Require: gruu']))).toBe(undefined);
  });

  it('gives a public GRUU to everyone who asks for the bindings, for each instance', async () => {
    const fixture = new RegistrarFixture();
    await fixture.handle(register([contact]));
    expect(given(await fixture.handle(register([supported], { cseq: 2 }))).publicUri).toContain(urn);
  });
});

describe('a REGISTER (RFC 5627 §5.1)', () => {
  it('is refused with 403 when its Contact is a GRUU of this domain or the address-of-record', async () => {
    const fixture = new RegistrarFixture();
    const gruu = await fixture.handle(register([`Contact: <sip:${aor}@example.org;gr=${urn}>`]));
    expect(gruu).toMatchObject({ fault: 'contact-is-gruu', response: { status: 403 } });
    const own = await fixture.handle(register(['Contact: <sip:alice@EXAMPLE.org>', supported]));
    expect(own).toMatchObject({ fault: 'contact-is-aor', response: { status: 403 } });
    const foreign = await fixture.handle(register(['Contact: <sip:alice@elsewhere.net;gr=x>']));
    expect(foreign.response.status).toBe(200);
  });
});

describe('a public GRUU (RFC 5627 §5.4)', () => {
  it('means the instance by its URN, whatever the case, and no other', () => {
    const target = makeGruus().read(sipUri(`sip:alice@example.org;gr=${urn.toUpperCase()}`));
    expect(target).toMatchObject({ kind: 'public', aor: 'alice' });
    expect(target?.accepts(binding)).toBe(true);
    expect(target?.accepts({ ...binding, instanceId: 'urn:uuid:other' })).toBe(false);
    expect(target?.accepts({ ...binding, instanceId: undefined })).toBe(false);
  });

  it('comes back from its text whatever stands in the instance-id', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 40 }), (text) => {
        const instanceId = Buffer.from(text, 'utf8').toString('latin1');
        const gruus = makeGruus();
        const target = gruus.read(sipUri(gruus.publicUri(fingerprint, instanceId)));
        expect(target?.aor).toBe(fingerprint);
        expect(target?.accepts({ ...binding, instanceId })).toBe(true);
      }),
    );
  });
});

describe('a temporary GRUU (RFC 5627 §3.2)', () => {
  it('shows neither identity nor instance, and no two of them are alike anywhere', () => {
    const gruus = makeGruus();
    const users = Array.from(
      { length: 50 },
      () => sipUri(gruus.temporaryUri(fingerprint, binding)).user ?? '',
    );
    const bytes = users.map((user) => Buffer.from(user, 'base64url'));
    expect(new Set(users).size).toBe(50);
    expect(users.join()).not.toContain(fingerprint);
    for (let at = 1; at < (bytes[0]?.length ?? 0); at++)
      expect(new Set(bytes.map((one) => one[at])).size, `byte ${at}`).toBeGreaterThan(10);
  });

  it('holds any address-of-record, and the one of a fingerprint in 32 bytes', () => {
    const gruus = makeGruus();
    for (const name of [fingerprint, 'alice', 'x'.repeat(200)])
      expect(gruus.read(sipUri(gruus.temporaryUri(name, binding)))?.aor).toBe(name);
    expect(sipUri(gruus.temporaryUri(fingerprint, binding)).user?.length).toBeLessThan(120);
  });

  it('is nothing once a single bit of it is changed, or under another secret', () => {
    const gruus = makeGruus();
    const uri = sipUri(gruus.temporaryUri(fingerprint, binding));
    const bytes = Buffer.from(uri.user ?? '', 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(gruus.read({ ...uri, user: flipped.toString('base64url') }), `bit ${bit}`).toBe(undefined);
    }
    expect(makeGruus(8).read(uri)).toBe(undefined);
  });

  it('ends with its registration, and survives a move to another flow', () => {
    const target = makeGruus().read(sipUri(makeGruus().temporaryUri(fingerprint, binding)));
    const again = { ...binding, registeredAtMs: startMs + 60_000 };
    expect(target?.accepts(again)).toBe(true);
    expect(target?.accepts({ ...again, registeredAtMs: binding.expiresAtMs + 1 })).toBe(false);
    expect(target?.accepts({ ...again, instanceId: 'urn:uuid:other' })).toBe(false);
  });

  it('is never found in arbitrary text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const uri = sipUri('sip:x@example.org;gr');
        expect(isGruu(uri)).toBe(true);
        expect(makeGruus().read({ ...uri, user: Buffer.from(bytes).toString('base64url') })).toBe(undefined);
      }),
    );
  });
});
