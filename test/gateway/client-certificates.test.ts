import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CertificateFiles, type CertificateRequest, TestAuthority } from '../support/certificates.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';
import { TlsPhone } from '../support/tls-phone.ts';
import { until } from '../support/until.ts';

let authority: TestAuthority;
let server: CertificateFiles;
let gateway: TestGateway;

beforeAll(async () => {
  authority = new TestAuthority();
  server = authority.issue({ commonName: 'gateway', altNames: [`DNS:${testDomain}`] });
  const { ca } = authority;
  gateway = await TestGateway.open({
    devices: [
      { name: 'desk-7', extension: '1007', password: 'correct horse' },
      { name: 'lobby', password: 'battery staple' },
    ],
    set: [
      'listen=tls://127.0.0.1:0',
      `tls={cert: ${server.cert}, key: ${server.key}, ca: ${ca}, requestClientCertificate: true, watchIntervalMs: 50}`,
      'peers=[{name: office, certificates: [pbx.example], target: "tls://127.0.0.1:9", role: pbx, prefixes: "9", probe: {intervalMs: 0}}]',
    ],
  });
});

afterAll(async () => {
  await gateway.close();
  authority.remove();
});

const phones: TlsPhone[] = [];

afterEach(() => {
  for (const phone of phones.splice(0)) phone.socket.destroy();
});

async function dial(certificate?: CertificateFiles): Promise<TlsPhone> {
  const port = gateway.port('tls');
  const phone = await TlsPhone.open({ port, domain: testDomain, ca: authority.ca, certificate });
  phones.push(phone);
  return phone;
}

const uriOf = (user: string): string => `URI:sip:${user}@${testDomain}`;

describe('a TLS client certificate speaks for an identity', () => {
  it.each<[string, CertificateRequest, string]>([
    ['by a SIP URI with its extension', { commonName: 'phone', altNames: [uriOf('1007')] }, '1007'],
    ['by a SIP URI with its name', { commonName: 'phone', altNames: [uriOf('lobby')] }, 'lobby'],
    ['by its whole name as common name', { commonName: 'jis:lobby' }, 'lobby'],
    [
      'for each of the identities that it names',
      { commonName: 'phone', altNames: [uriOf('1007'), uriOf('lobby')] },
      'lobby',
    ],
  ])('%s: it registers without a challenge, with assurance 2', async (_what, certificate, user) => {
    const phone = await dial(authority.issue(certificate));
    expect((await phone.ask('REGISTER', user)).status).toBe(200);
    const records = await gateway.records({ event: 'registration.added' });
    expect(records.at(-1)?.erin).toMatchObject({ assurance: 2 });
  });

  it('calls without having registered', async () => {
    const phone = await dial(authority.issue({ commonName: 'phone', altNames: [uriOf('1007')] }));
    expect((await phone.ask('INVITE', '1007', 'nobody')).status).toBe(404);
  });

  it.each<[string, CertificateRequest | undefined, string]>([
    ['nobody when there is none', undefined, '1007'],
    ['nobody else', { commonName: 'phone', altNames: [uriOf('1007')] }, 'lobby'],
    ['nobody of another domain', { commonName: 'x', altNames: ['URI:sip:1007@elsewhere.example'] }, '1007'],
    ['nobody by a bare common name', { commonName: 'lobby' }, 'lobby'],
    [
      'nobody by its common name when it holds a URI of this domain',
      { commonName: 'jis:lobby', altNames: [uriOf('1007')] },
      'lobby',
    ],
    [
      'nobody by a DNS name',
      { commonName: 'x', altNames: ['DNS:lobby', `DNS:lobby.${testDomain}`] },
      'lobby',
    ],
  ])('but for %s', async (_what, certificate, user) => {
    const phone = await dial(certificate === undefined ? undefined : authority.issue(certificate));
    expect((await phone.ask('REGISTER', user)).status).toBe(401);
    expect((await phone.ask('INVITE', user, 'nobody')).status).toBe(407);
  });

  it('but for nobody when an unknown authority has issued it', async () => {
    const stranger = new TestAuthority();
    const files = stranger.issue({ commonName: 'jis:lobby', altNames: [uriOf('1007')] });
    const phone = await dial(files);
    stranger.remove();
    expect((await phone.ask('REGISTER', '1007')).status).toBe(401);
  });
});

describe('a TLS client certificate speaks for a peer', () => {
  it.each<[string, CertificateRequest, number]>([
    ['whose name stands in it', { commonName: 'x', altNames: ['DNS:PBX.example'] }, 480],
    ['whose name is its common name, where it has no others', { commonName: 'pbx.example' }, 480],
    ['but not beside other names', { commonName: 'pbx.example', altNames: ['DNS:other.example'] }, 407],
    ['but not of another name', { commonName: 'x', altNames: ['DNS:sub.pbx.example'] }, 407],
  ])('%s', async (_what, certificate, status) => {
    const pbx = await dial(authority.issue(certificate));
    // Of nobody here in particular: a peer vouches for its callers.
    expect((await pbx.ask('INVITE', '100', 'lobby')).status).toBe(status);
  });
});

describe('a TLS peer that the gateway has connected to', () => {
  it('is offered the connection for its own requests, at the port that takes connections (RFC 5923 §8.1)', async () => {
    const files = authority.issue({ commonName: 'pbx', altNames: ['IP:127.0.0.1'] });
    const pbx = createServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) });
    pbx.listen(0, '127.0.0.1');
    await once(pbx, 'listening');
    const { port } = pbx.address() as AddressInfo;
    const trunked = await TestGateway.open({
      devices: [{ name: 'lobby', password: 'battery staple' }],
      set: [
        'listen=tls://127.0.0.1:0',
        `tls={cert: ${server.cert}, key: ${server.key}, ca: ${authority.ca}, requestClientCertificate: true}`,
        `peers=[{name: pbx, match: [192.0.2.1], target: "tls://127.0.0.1:${port}", role: pbx, probe: {intervalMs: 0}}]`,
      ],
    });
    const received = new Promise<string>((resolve) => {
      pbx.on('secureConnection', (socket) => {
        socket.on('error', () => {});
        socket.once('data', (bytes: Buffer) => resolve(bytes.toString('latin1')));
      });
    });
    const certificate = authority.issue({ commonName: 'jis:lobby' });
    const caller = await TlsPhone.open({
      port: trunked.port('tls'),
      domain: testDomain,
      ca: authority.ca,
      certificate,
    });
    caller.send('INVITE', 'lobby', '5551234');
    const [via = ''] = /Via: [^\r]*/.exec(await received) ?? [];
    expect(via).toMatch(/;alias(;|$)/);
    expect(via).toContain(`127.0.0.1:${trunked.port('tls')};`);
    caller.socket.destroy();
    await trunked.close();
    pbx.close();
  });
});

describe('a renewed certificate of the gateway', () => {
  it('is shown to new connections once its files are there, without a restart', async () => {
    const before = await dial();
    const renewed = authority.issue({ commonName: 'renewed', altNames: [`DNS:${testDomain}`] });
    writeFileSync(server.key, readFileSync(renewed.key));
    writeFileSync(server.cert, readFileSync(renewed.cert));
    await until('the renewed certificate is shown', async () => {
      return (await dial()).shown === 'renewed';
    });
    expect((await before.ask('OPTIONS', 'x', 'nobody')).status).toBeGreaterThanOrEqual(200);
  });
});
