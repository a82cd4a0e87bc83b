import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type IdentityRecord, parseAddress } from '../../src/overlay/index.ts';
import { type IdentityToken, renewIdentityToken } from '../../src/tokens/index.ts';
import { OverlayFixture } from './overlay-fixture.ts';
import { sampleIdentity, startMs } from './samples.ts';

let fixture: OverlayFixture;
beforeEach(() => {
  fixture = new OverlayFixture();
});
afterEach(() => fixture.dispose());

async function enrol(token: IdentityToken): Promise<IdentityRecord> {
  const result = await fixture.overlay.enrol(token);
  if (result.kind === 'refused') throw result.error;
  return result.identity;
}

describe('enrolment', () => {
  it('is found by fingerprint, whole name, bare name and alias, at once', async () => {
    const { overlay } = fixture;
    const { token } = sampleIdentity('jis:alice');
    const identity = await enrol(token);
    await overlay.addAlias(identity.fingerprint, '1001');
    for (const address of [token.fingerprint, 'jis:alice', 'alice', '1001']) {
      const found = overlay.lookup(address);
      expect(found).not.toBeInstanceOf(Promise);
      expect(await found).toMatchObject({ name: 'jis:alice', status: 'active', trustScore: 0.5 });
    }
  });

  it('finds names of several segments by their escaped user part', async () => {
    await enrol(sampleIdentity('jis:laptop:jasper').token);
    expect(await fixture.overlay.lookup('laptop%3Ajasper')).toMatchObject({ name: 'jis:laptop:jasper' });
    expect(await fixture.overlay.lookup('jasper')).toBeUndefined();
  });

  it('seed 31: finds mail: and did: subjects by their whole text only', async () => {
    await enrol(sampleIdentity('mail:hey@example.com').token);
    expect(await fixture.overlay.lookup('mail:hey@example.com')).toMatchObject({ custody: 'device' });
    expect(await fixture.overlay.lookup('hey')).toBeUndefined();
  });

  it('refuses a name that another key has, as a value and with an event', async () => {
    await enrol(sampleIdentity('jis:alice').token);
    fixture.takeEvents();
    const { token } = sampleIdentity('jis:alice');
    const result = await fixture.overlay.enrol(token);
    expect(result).toMatchObject({ kind: 'refused', code: 'name-taken' });
    expect(fixture.takeEvents()).toEqual(['enrolment refused name-taken']);
    expect(await fixture.overlay.identity(token.fingerprint)).toBeUndefined();
  });

  it('renews a token without changing the fingerprint, and does not go back to an older one', async () => {
    const first = sampleIdentity('jis:alice');
    await enrol(first.token);
    const now = startMs / 1000 + 60;
    const renewed = renewIdentityToken(first.token, {
      key: first.key,
      notBefore: startMs / 1000,
      expires: now + 90 * 86_400,
      now,
    });
    expect(await enrol(renewed)).toMatchObject({
      fingerprint: first.token.fingerprint,
      expires: renewed.expires,
    });
    expect(await enrol(first.token)).toMatchObject({ expires: renewed.expires });
  });

  it('leaves one event for a new identity and none when it is seen again', async () => {
    const { token } = sampleIdentity('jis:alice');
    await enrol(token);
    await enrol(token);
    expect(fixture.takeEvents()).toEqual(['enrolment done']);
  });

  it('refuses expired, not yet valid and unreadable tokens with their codes', async () => {
    const { overlay } = fixture;
    const old = sampleIdentity('jis:old', { issuedAt: startMs / 1000 - 86_400 * 31 });
    expect(await overlay.enrol(old.token)).toMatchObject({ code: 'token-expired' });
    const early = sampleIdentity('jis:early', { issuedAt: startMs / 1000 + 60 });
    expect(await overlay.enrol(early.token)).toMatchObject({ code: 'token-not-yet-valid' });
    expect(await overlay.enrol(Uint8Array.of(1, 2, 3))).toMatchObject({ code: 'cose-malformed' });
  });

  it('refuses names outside of the charset', async () => {
    for (const name of ['jis:Alice', 'jis:a b', 'jis:', 'jis:a::b', 'alice'])
      expect(await fixture.overlay.enrol(sampleIdentity(name).token)).toMatchObject({ code: 'name-invalid' });
  });

  it('lets an operator approve, where the policy asks for it', async () => {
    const { overlay } = fixture;
    const { token } = sampleIdentity('jis:alice');
    await overlay.enrol(token, { policy: 'approved' });
    expect(await overlay.lookup('alice')).toMatchObject({ status: 'pending' });
    expect(await overlay.resolve('alice')).toMatchObject({ resolved: false });
    await overlay.approve(token.fingerprint);
    expect(await overlay.lookup('alice')).toMatchObject({ status: 'active' });
  });

  it('revokes the key, with every identity that it has or will make', async () => {
    const { overlay } = fixture;
    const { key, token } = sampleIdentity('jis:alice');
    const sibling = sampleIdentity('jis:alice:work', { key });
    await enrol(token);
    await enrol(sibling.token);
    await overlay.revoke(token.fingerprint);
    expect(await overlay.lookup('alice')).toMatchObject({ status: 'revoked' });
    expect(await overlay.lookup(sibling.token.fingerprint)).toMatchObject({ status: 'revoked' });
    const later = sampleIdentity('jis:alice:new', { key });
    expect(await overlay.enrol(later.token)).toMatchObject({ code: 'revoked' });
    expect(await overlay.verify('alice')).toMatchObject({ verified: false, fault: 'revoked' });
  });

  it('keeps everything over a restart', async () => {
    const { token } = sampleIdentity('jis:alice');
    await enrol(token);
    await fixture.overlay.addAlias(token.fingerprint, '1001');
    const restarted = await fixture.restart();
    expect(await restarted.lookup('1001')).toMatchObject({ name: 'jis:alice', aliases: ['1001'] });
  });

  it('lists identities in pages', async () => {
    for (const name of ['jis:a', 'jis:b', 'jis:c']) await enrol(sampleIdentity(name).token);
    const first = await fixture.overlay.identities({ limit: 2 });
    const second = await fixture.overlay.identities({
      limit: 2,
      ...(first.cursor && { cursor: first.cursor }),
    });
    const names = [...first.items, ...second.items].map(({ name }) => name);
    expect(names.toSorted()).toEqual(['jis:a', 'jis:b', 'jis:c']);
    expect(second.cursor).toBeUndefined();
  });
});

describe('aliases', () => {
  it('belong to one identity, until it gives them up', async () => {
    const { overlay } = fixture;
    const alice = await enrol(sampleIdentity('jis:alice').token);
    const bob = await enrol(sampleIdentity('jis:bob').token);
    await overlay.addAlias(alice.fingerprint, '+4930123456');
    await expect(overlay.addAlias(bob.fingerprint, '+4930123456')).rejects.toMatchObject({
      code: 'alias-taken',
    });
    await overlay.removeAlias(alice.fingerprint, '+4930123456');
    expect(await overlay.lookup('+4930123456')).toBeUndefined();
    await overlay.addAlias(bob.fingerprint, '+4930123456');
    expect(await overlay.lookup('+4930123456')).toMatchObject({ name: 'jis:bob' });
  });

  it('are extensions and E.164 numbers, nothing that could be a name', async () => {
    const alice = await enrol(sampleIdentity('jis:alice').token);
    for (const alias of ['', 'alice', '+', '12 34', '1'.repeat(33)])
      await expect(fixture.overlay.addAlias(alice.fingerprint, alias)).rejects.toMatchObject({
        code: 'alias-invalid',
      });
  });

  it('cannot be taken from their owner by enrolling the number as a name', async () => {
    const { overlay } = fixture;
    const desk = await enrol(sampleIdentity('jis:desk').token);
    await overlay.addAlias(desk.fingerprint, '1007');
    expect(await overlay.enrol(sampleIdentity('jis:1007').token)).toMatchObject({ code: 'alias-taken' });
    const early = await enrol(sampleIdentity('jis:1008').token);
    expect(early.aliases).toEqual(['1008']);
    await expect(overlay.addAlias(desk.fingerprint, '1008')).rejects.toMatchObject({ code: 'alias-taken' });
  });

  it('tell an identity apart from others that look like it', async () => {
    const { overlay } = fixture;
    const { fingerprint } = await enrol(sampleIdentity('jis:alice').token);
    const alice = await overlay.addAlias(fingerprint, '1001');
    for (const own of [fingerprint, 'alice', 'jis:alice', '1001'])
      expect(overlay.isAddressOf(alice, own)).toBe(true);
    for (const other of ['bob', '1002', 'alice:x', '', 'jis:bob'])
      expect(overlay.isAddressOf(alice, other)).toBe(false);
  });
});

describe('addresses', () => {
  it('refuse what nobody can be called before a store is asked', () => {
    for (const text of ['', 'Alice!', 'a b', 'x'.repeat(300), '\u0000', '\ud800'])
      expect(parseAddress(text)).toBeUndefined();
  });
});

describe('stock phones', () => {
  const credential = (username: string, ha1 = 'a') => ({
    username,
    realm: 'example.com',
    ha1Md5: ha1.repeat(32),
    ha1Sha256: ha1.repeat(64),
  });

  it('get an identity in custody, credentials and an extension', async () => {
    const { overlay } = fixture;
    const { identity } = await overlay.addDevice({
      name: 'jis:desk-7',
      credential: credential('desk-7'),
      extension: '1007',
    });
    expect(identity).toMatchObject({
      name: 'jis:desk-7',
      custody: 'gateway',
      aliases: ['1007'],
      status: 'active',
    });
    expect(overlay.deviceIdentity('desk-7')).toMatchObject({ fingerprint: identity.fingerprint });
    expect(overlay.credential('desk-7', 'example.com')).toMatchObject({ ha1Md5: 'a'.repeat(32) });
    expect(overlay.credential('desk-7', 'other.example')).toBeUndefined();
    expect(overlay.credential('desk-8', 'example.com')).toBeUndefined();
    const key = await overlay.custodialKey(identity.fingerprint);
    expect(key?.publicKey).toEqual(new Uint8Array(identity.publicKey));
    expect(await overlay.verify('jis:desk-7')).toMatchObject({ verified: true });
  });

  it('keep their identity when their password changes', async () => {
    const { overlay } = fixture;
    const first = await overlay.addDevice({ name: 'jis:desk-7', credential: credential('desk-7') });
    const second = await overlay.addDevice({ name: 'jis:desk-7', credential: credential('desk-7', 'b') });
    expect(second.identity.fingerprint).toBe(first.identity.fingerprint);
    expect(overlay.credential('desk-7', 'example.com')).toMatchObject({ ha1Md5: 'b'.repeat(32) });
    expect(await overlay.devicesOf(first.identity.fingerprint)).toHaveLength(1);
  });

  it('take neither the user name of another phone nor the name of a device with its own key', async () => {
    const { overlay } = fixture;
    await enrol(sampleIdentity('jis:alice').token);
    await overlay.addDevice({ name: 'jis:desk-7', credential: credential('desk-7') });
    const stealing = overlay.addDevice({ name: 'jis:desk-8', credential: credential('desk-7') });
    await expect(stealing).rejects.toMatchObject({ code: 'username-taken' });
    expect(await overlay.lookup('desk-8')).toBeUndefined();
    const posing = overlay.addDevice({ name: 'jis:alice', credential: credential('alice') });
    await expect(posing).rejects.toMatchObject({ code: 'name-taken' });
  });

  it('lose their credentials when they are removed', async () => {
    const { overlay } = fixture;
    await overlay.addDevice({ name: 'jis:desk-7', credential: credential('desk-7') });
    expect((await overlay.devices({ limit: 10 })).items).toHaveLength(1);
    expect(await overlay.removeDevice('desk-7')).toMatchObject({ username: 'desk-7' });
    expect(await overlay.removeDevice('desk-7')).toBeUndefined();
    expect(overlay.credential('desk-7', 'example.com')).toBeUndefined();
    expect((await overlay.devices({ limit: 10 })).items).toEqual([]);
  });

  it('are known after a restart, keys included', async () => {
    const { identity } = await fixture.overlay.addDevice({
      name: 'jis:desk-7',
      credential: credential('desk-7'),
    });
    const restarted = await fixture.restart();
    expect(restarted.deviceIdentity('desk-7')).toMatchObject({ name: 'jis:desk-7' });
    expect(await restarted.custodialKey(identity.fingerprint)).toBeDefined();
  });
});
