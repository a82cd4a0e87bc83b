import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/base/index.ts';
import {
  defaultRecordClientLimits,
  ForeignIdentities,
  homeRequest,
  isPublicAddress,
  openGuard,
  type PublishedIdentity,
  type PublishedPredecessor,
  RecordClient,
  type RecordNames,
  RecordServer,
} from '../../src/federation/index.ts';
import { DnsNames } from '../../src/sip/index.ts';
import {
  createIntentToken,
  createTombstone,
  encodeSuccession,
  type Fingerprint,
  signSuccession,
} from '../../src/tokens/index.ts';
import { TestAuthority } from '../support/certificates.ts';
import { DnsServer } from '../support/dns-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { KeyIdentity } from '../support/sip-agent.ts';
import { newIdentity } from '../support/test-gateway.ts';

const authority = new TestAuthority();
const ca = readFileSync(authority.ca, 'utf8');
const clock = new FakeClock(Date.now());
const now = (): number => Math.floor(clock.now() / 1_000);
const gateway = newIdentity('sip:gateway@b.example');
let dns: DnsServer;
let names: DnsNames;
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  dns = await DnsServer.open();
  names = new DnsNames({ servers: [dns.address], timeoutMs: 500, tries: 1 });
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(async () => {
  names.close();
  await dns.close();
  authority.remove();
});

/** What an identity says of its home, as its REGISTER does. */
function homeOf({ token, key }: KeyIdentity, domain: string, ageSeconds = 0): string {
  return createIntentToken({
    signer: { key, fingerprint: token.fingerprint },
    audience: domain,
    iat: now() - ageSeconds,
    exp: now() + Math.max(60, 60 - ageSeconds),
    cti: systemRandom.bytes(16),
    request: homeRequest('somebody', domain),
    callee: { fingerprint: token.fingerprint },
    intent: { code: 'register', text: 'register' },
    parents: [],
    assurance: 3,
  });
}

function published(identity: KeyIdentity, domain: string, ageSeconds = 0): PublishedIdentity {
  return {
    identity: identity.token.bytes,
    home: homeOf(identity, domain, ageSeconds),
    gateway: gateway.token.bytes,
  };
}

const silentNames: RecordNames = {
  srv: () => Promise.reject(new Error('nobody is asked')),
  addresses: () => Promise.reject(new Error('nobody is asked')),
};

let serial = 0;
const ports = new Map<string, number>();

/** A domain of its own, with a certificate, that publishes what the test says. */
async function domainWith(
  records: () => PublishedIdentity | undefined,
  domainsOf: (fingerprint: Fingerprint) => readonly string[] = () => [],
): Promise<string> {
  const domain = `d${++serial}.example`;
  const files = authority.issue({ commonName: domain, altNames: [`DNS:${domain}`] });
  const server = new RecordServer({
    host: '127.0.0.1',
    port: 0,
    tls: { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') },
    published: async () => records(),
    domainsOf: async (fingerprint) => domainsOf(fingerprint),
  });
  point(domain, await server.start());
  closing.push(() => server.close());
  return domain;
}

function point(domain: string, port: number, address = '127.0.0.1'): void {
  ports.set(domain, port);
  dns.srv(`_tibet-sip._tcp.${domain}`, { priority: 1, weight: 1, port, target: `host.${domain}` });
  dns.a(`host.${domain}`, address);
}

const clientWith = (allow: readonly string[] = ['127.0.0.1'], limits = {}): RecordClient =>
  new RecordClient({
    names,
    mayAsk: openGuard(allow),
    ca,
    limits: { ...defaultRecordClientLimits, ...limits },
  });

function identitiesWith(
  options: { directories?: readonly string[]; freshMs?: number } = {},
): ForeignIdentities {
  const kept = new Map<string, { domain: string; homeSince: number; publicKey: string }>();
  return new ForeignIdentities({
    client: clientWith(),
    memories: {
      get: async (key) => kept.get(key),
      update: async (key, change) => void kept.set(key, change(kept.get(key))),
    },
    directories: options.directories ?? [],
    clock,
    maxAgeSeconds: 9_000,
    freshMs: options.freshMs ?? 0,
    maxRemembered: 100,
  });
}

describe('an identity of another domain', () => {
  it('is found by name and by fingerprint, and proves itself', async () => {
    const bob = newIdentity('jis:bob');
    const domain: string = await domainWith(() => published(bob, domain));
    const identities = identitiesWith();
    const { fingerprint } = bob.token;
    expect((await identities.byName('jis:bob', domain)).token.fingerprint).toBe(fingerprint);
    expect((await identities.byFingerprint(fingerprint, domain)).token.subject).toBe('jis:bob');
  });

  it('is not believed when the record is forged: another key, another name, another home, another signer', async () => {
    const [bob, mallory] = [newIdentity('jis:bob'), newIdentity('jis:mallory')];
    let record: PublishedIdentity | undefined;
    const domain = await domainWith(() => record);
    const identities = identitiesWith();
    const forgeries: readonly PublishedIdentity[] = [
      published(mallory, domain),
      { ...published(bob, domain), home: homeOf(mallory, domain) },
      published(bob, 'elsewhere.example'),
      { ...published(bob, domain), identity: mallory.token.bytes },
    ];
    for (const forgery of forgeries) {
      record = forgery;
      const asked = identities.byFingerprint(bob.token.fingerprint, domain);
      await expect(asked).rejects.toMatchObject({ code: 'forged' });
    }
    record = published(mallory, domain);
    await expect(identities.byName('jis:bob', domain)).rejects.toMatchObject({ code: 'forged' });
  });

  it('is not believed when its record is stale, of the future, or older than one that was seen', async () => {
    const bob = newIdentity('jis:bob');
    let ageSeconds = 100;
    const domain: string = await domainWith(() => published(bob, domain, ageSeconds));
    const identities = identitiesWith();
    const ask = (): Promise<unknown> => identities.byFingerprint(bob.token.fingerprint, domain);
    await ask();
    ageSeconds = 50;
    await ask();
    ageSeconds = 100;
    await expect(ask()).rejects.toMatchObject({ code: 'rolled-back' });
    ageSeconds = -3_600;
    await expect(ask()).rejects.toMatchObject({ code: 'forged' });
    ageSeconds = 9_100;
    await expect(ask()).rejects.toMatchObject({ code: 'stale' });
  });

  it('keeps its key: a domain that gives the name to another key is not believed', async () => {
    let holder = newIdentity('jis:bob');
    const domain: string = await domainWith(() => published(holder, domain));
    const identities = identitiesWith();
    await identities.byName('jis:bob', domain);
    holder = newIdentity('jis:bob');
    await expect(identities.byName('jis:bob', domain)).rejects.toMatchObject({ code: 'name-changed' });
  });

  it('goes on under a new key that the old one has named, over several changes, and back to none of them', async () => {
    const [first, second, third] = [newIdentity('jis:bob'), newIdentity('jis:bob'), newIdentity('jis:bob')];
    const named = (old: KeyIdentity, next: KeyIdentity): PublishedPredecessor => ({
      token: old.token.bytes,
      succession: encodeSuccession(signSuccession(old, next, now())),
    });
    let record: PublishedIdentity | undefined;
    const domain = await domainWith(() => record);
    const identities = identitiesWith();
    record = published(first, domain);
    await identities.byName('jis:bob', domain);
    const chain = [named(second, third), named(first, second)];
    record = { ...published(third, domain), predecessors: chain };
    const { fingerprint } = third.token;
    expect((await identities.byName('jis:bob', domain)).token.fingerprint).toBe(fingerprint);
    const byOld = await identities.byFingerprint(first.token.fingerprint, domain);
    expect(byOld.token.fingerprint).toBe(fingerprint);
    // Nobody gets there without both signatures of each step, nor comes back.
    const broken = [[named(first, second)], chain.toReversed(), [named(second, third), named(third, second)]];
    for (const predecessors of broken) {
      record = { ...published(third, domain), predecessors };
      const asked = identities.byFingerprint(first.token.fingerprint, domain);
      await expect(asked).rejects.toMatchObject({ code: 'forged' });
    }
    record = published(first, domain);
    await expect(identities.byName('jis:bob', domain)).rejects.toMatchObject({ code: 'name-changed' });
  });

  it('is not believed once its own key has ended it', async () => {
    const bob = newIdentity('jis:bob');
    const { bytes } = createTombstone({ ...bob, reason: 'stolen', now: now() });
    const domain: string = await domainWith(() => ({ ...published(bob, domain), tombstone: bytes }));
    const asked = identitiesWith().byFingerprint(bob.token.fingerprint, domain);
    await expect(asked).rejects.toMatchObject({ code: 'revoked' });
  });

  it('is found where the operator has named its domain, without DNS and at any address, by that certificate', async () => {
    const bob = newIdentity('jis:bob');
    const domain: string = await domainWith(() => published(bob, domain));
    const host = '127.0.0.1';
    const known = new Map([
      [domain, { host, port: ports.get(domain) ?? 0 }],
      ['other.example', { host, port: ports.get(domain) ?? 0 }],
    ]);
    const limits = defaultRecordClientLimits;
    const client = new RecordClient({ names: silentNames, mayAsk: openGuard([]), known, ca, limits });
    expect(await client.get(domain, '/name/jis:bob')).toContain('"identity"');
    await expect(client.get('other.example', '/name/jis:bob')).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('is found by its bare fingerprint through directories, and an eclipse fails while one of them is honest', async () => {
    const bob = newIdentity('jis:bob');
    let ageSeconds = 0;
    const home: string = await domainWith(() => published(bob, home, ageSeconds));
    const evil: string = await domainWith(() => published(newIdentity('jis:bob'), evil));
    const stale: string = await domainWith(() => published(bob, stale, 600));
    const liars = await Promise.all([
      domainWith(
        () => undefined,
        () => [evil, evil, evil],
      ),
      domainWith(
        () => undefined,
        () => [stale],
      ),
      domainWith(() => undefined),
    ]);
    const honest = await domainWith(
      () => undefined,
      () => [home],
    );
    const all = identitiesWith({ directories: [...liars, honest] });
    expect((await all.anywhere(bob.token.fingerprint)).domain).toBe(home);
    const eclipsed = identitiesWith({ directories: [liars[0] ?? '', liars[2] ?? ''] });
    await expect(eclipsed.anywhere(bob.token.fingerprint)).rejects.toMatchObject({ code: 'forged' });
    // Who has seen it once finds it again, whatever its directories say.
    ageSeconds = 0;
    await eclipsed.byFingerprint(bob.token.fingerprint, home);
    clock.advance(1_000);
    expect((await eclipsed.anywhere(bob.token.fingerprint)).domain).toBe(home);
  });
});

describe('asking a domain that a stranger has named (edge test 40)', () => {
  async function rawDomain(listener: RequestListener): Promise<string> {
    const domain = `d${++serial}.example`;
    const files = authority.issue({ commonName: domain, altNames: [`DNS:${domain}`] });
    const server: Server = createServer(
      { cert: readFileSync(files.cert), key: readFileSync(files.key) },
      listener,
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    point(domain, typeof address === 'object' && address !== null ? address.port : 0);
    closing.push(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });
    return domain;
  }

  it('goes to no address that is not public, unless the operator has named it', async () => {
    let asked = 0;
    const domain = await rawDomain((_request, response) => {
      asked++;
      response.end('{}');
    });
    await expect(clientWith([]).get(domain, '/name/x')).rejects.toMatchObject({ code: 'forbidden-address' });
    expect(asked).toBe(0);
    expect(await clientWith(['127.0.0.0/8']).get(domain, '/name/x')).toBe('{}');
    for (const address of ['169.254.169.254', '10.0.0.1', '192.168.1.1', '100.64.0.1']) {
      const inner = `d${++serial}.example`;
      point(inner, 443, address);
      await expect(clientWith([]).get(inner, '/')).rejects.toMatchObject({ code: 'forbidden-address' });
    }
    await expect(clientWith().get('127.0.0.1', '/')).rejects.toMatchObject({ code: 'forbidden-address' });
    for (const special of [
      '::1',
      'fe80::1',
      'fc00::1',
      '::ffff:127.0.0.1',
      '64:ff9b::7f00:1',
      '0.0.0.0',
      'x',
    ])
      expect(isPublicAddress(special)).toBe(false);
    for (const open of ['9.9.9.9', '2620:fe::fe']) expect(isPublicAddress(open)).toBe(true);
  });

  it('follows no redirection, takes no more than it must, and waits no longer than it may', async () => {
    const redirecting = await rawDomain((_request, response) => {
      response.writeHead(302, { location: 'https://127.0.0.1/' }).end();
    });
    await expect(clientWith().get(redirecting, '/')).rejects.toMatchObject({ code: 'malformed' });
    const flooding = await rawDomain((_request, response) => {
      response.write('x'.repeat(20_000));
    });
    await expect(clientWith().get(flooding, '/')).rejects.toMatchObject({ code: 'too-large' });
    const silent = await rawDomain(() => {});
    const patient = clientWith(['127.0.0.1'], { timeoutMs: 200, maxConcurrent: 1 });
    const waiting = patient.get(silent, '/');
    await expect(patient.get(silent, '/')).rejects.toMatchObject({ code: 'busy' });
    await expect(waiting).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('believes nobody without a certificate for that very domain', async () => {
    const bob = newIdentity('jis:bob');
    const real: string = await domainWith(() => published(bob, real));
    const stolen = `d${++serial}.example`;
    dns.srv(`_tibet-sip._tcp.${stolen}`, {
      priority: 1,
      weight: 1,
      port: ports.get(real) ?? 0,
      target: `host.${real}`,
    });
    await expect(clientWith().get(stolen, '/name/jis:bob')).rejects.toMatchObject({ code: 'unreachable' });
  });
});
