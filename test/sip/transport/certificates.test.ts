import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CertificateFiles, TestAuthority } from '../../support/certificates.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { until } from '../../support/until.ts';
import { requestText, StreamClient, startLayer, type TestLayer, type TestLayerOptions } from './support.ts';

let authority: TestAuthority;
let first: CertificateFiles;
let office: CertificateFiles;
let wild: CertificateFiles;

beforeAll(() => {
  authority = new TestAuthority();
  first = authority.issue({ commonName: 'first', altNames: ['DNS:sip.example', 'IP:127.0.0.1'] });
  office = authority.issue({ commonName: 'office', altNames: ['DNS:office.example'] });
  wild = authority.issue({ commonName: 'wild', altNames: ['DNS:*.branch.example'] });
});

afterAll(() => authority.remove());

const layers: TestLayer[] = [];
const sockets: TLSSocket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const { layer } of layers.splice(0)) await layer.close();
});

async function gatewayWith(options: Partial<TestLayerOptions> = {}): Promise<TestLayer> {
  const gateway = await startLayer({ listen: ['tls', 'wss'], tls: first, ...options });
  layers.push(gateway);
  return gateway;
}

async function dial(gateway: TestLayer, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({
    port: gateway.port('tls'),
    host: '127.0.0.1',
    ca: readFileSync(authority.ca),
    checkServerIdentity: () => undefined,
    ...options,
  });
  sockets.push(socket);
  await once(socket, 'secureConnect');
  return socket;
}

/** Common name of the certificate that the gateway shows to a client that asks for `servername`. */
async function shownTo(gateway: TestLayer, servername?: string): Promise<unknown> {
  const socket = await dial(gateway, servername === undefined ? {} : { servername });
  return socket.getPeerCertificate().subject.CN;
}

describe('server certificates', () => {
  it.each([
    ['office.example', 'office'],
    ['OFFICE.example', 'office'],
    ['east.branch.example', 'wild'],
    ['a.east.branch.example', 'first'],
    ['branch.example', 'first'],
    ['sip.example', 'first'],
    ['elsewhere.example', 'first'],
    [undefined, 'first'],
  ])('to a client that asks for %s it shows "%s" (RFC 6066 §3)', async (servername, shown) => {
    const gateway = await gatewayWith({ tls: { ...first, certificates: [office, wild] } });
    expect(await shownTo(gateway, servername)).toBe(shown);
  });

  it('goes by the configured names where there are some, a name itself before a wildcard', async () => {
    const certificates = [
      { ...wild, hosts: ['*.example'] },
      { ...office, hosts: ['pbx.example'] },
    ];
    const gateway = await gatewayWith({ tls: { ...first, certificates } });
    expect(await shownTo(gateway, 'pbx.example')).toBe('office');
    expect(await shownTo(gateway, 'other.example')).toBe('wild');
    expect(await shownTo(gateway, 'sip.example')).toBe('first');
    expect(await shownTo(gateway, 'office.example')).toBe('wild');
  });

  it('chooses for secure WebSockets in the same way', async () => {
    const gateway = await gatewayWith({ tls: { ...first, certificates: [office] } });
    const socket = await dial(gateway, { port: gateway.port('wss'), servername: 'office.example' });
    expect(socket.getPeerCertificate().subject.CN).toBe('office');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s (RFC 5246, RFC 8446)', async (version) => {
    const gateway = await gatewayWith();
    const socket = await dial(gateway, { minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    const client = new StreamClient(socket);
    socket.write(requestText({ via: 'SIP/2.0/TLS phone.example' }));
    expect(await client.readUntil('\r\n\r\n')).toMatch(/^SIP\/2.0 200/);
  });

  it('does not start when one of several certificates is wrong', async () => {
    const certificates = [{ cert: office.cert, key: wild.key }];
    await expect(gatewayWith({ tls: { ...first, certificates } })).rejects.toMatchObject({
      code: 'tls-material',
    });
  });
});

describe('files that cannot be used', () => {
  it('are named, with what is wrong about them', async () => {
    const cert = office.cert;
    await expect(gatewayWith({ tls: { cert, key: wild.key } })).rejects.toThrow(
      `${cert} with ${wild.key}: key values mismatch`,
    );
    await expect(gatewayWith({ tls: { ...office, ca: office.key } })).rejects.toThrow(
      `no certificate in ${office.key}`,
    );
  });
});

describe('a reload of certificates', () => {
  it('concerns new connections, with and without SNI; those that are open stay', async () => {
    const one = authority.issue({ commonName: 'one', altNames: ['DNS:sip.example'] });
    const two = authority.issue({ commonName: 'two', altNames: ['DNS:two.example'] });
    const gateway = await gatewayWith({ tls: { ...one, certificates: [two] } });
    const early = await dial(gateway);
    authority.replace(one, authority.issue({ commonName: 'one again' }));
    authority.replace(two, authority.issue({ commonName: 'two again', altNames: ['DNS:two.example'] }));
    expect(await shownTo(gateway)).toBe('one');
    await gateway.layer.reloadCertificates();
    expect(await shownTo(gateway)).toBe('one again');
    expect(await shownTo(gateway, 'two.example')).toBe('two again');
    const client = new StreamClient(early);
    early.write(requestText());
    expect(await client.readUntil('\r\n\r\n')).toMatch(/^SIP\/2.0 200/);
  });

  it('that fails says so and changes nothing', async () => {
    const pair = authority.issue({ commonName: 'good' });
    const gateway = await gatewayWith({ tls: pair });
    writeFileSync(pair.cert, '-----BEGIN CERTIFICATE-----\nno\n');
    await expect(gateway.layer.reloadCertificates()).rejects.toMatchObject({ code: 'tls-material' });
    expect(await shownTo(gateway)).toBe('good');
  });

  it('happens by itself when the files change, once both fit together', async () => {
    const clock = new FakeClock();
    const pair = authority.issue({ commonName: 'old' });
    const renewed = authority.issue({ commonName: 'renewed' });
    const gateway = await gatewayWith({ clock, tls: { ...pair, watchIntervalMs: 1_000 } });
    writeFileSync(pair.cert, readFileSync(renewed.cert));
    clock.advance(1_000);
    expect(await shownTo(gateway)).toBe('old');
    writeFileSync(pair.key, readFileSync(renewed.key));
    await until('the renewed certificate is shown', async () => {
      clock.advance(1_000);
      return (await shownTo(gateway)) === 'renewed';
    });
  });
});

describe('client certificates', () => {
  it('are shown with their names, decoded, when an authority vouches for them', async () => {
    const client = authority.issue({
      commonName: 'jis:alice',
      altNames: ['URI:sip:alice@sip.example', 'DNS:alice.example', 'IP:192.0.2.7'],
    });
    const tls = { ...first, certificates: [office], ca: authority.ca, requestClientCertificate: true };
    const gateway = await gatewayWith({ tls });
    const pair = { cert: readFileSync(client.cert), key: readFileSync(client.key) };
    for (const options of [
      { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
      { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' },
      { servername: 'office.example' },
    ] as const) {
      await dial(gateway, { ...pair, ...options });
      expect((await gateway.user.opened.next()).peerCertificate).toMatchObject({
        authorized: true,
        commonName: 'jis:alice',
        uris: ['sip:alice@sip.example'],
        dnsNames: ['alice.example'],
        addresses: ['192.0.2.7'],
        fingerprint256: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/) as string,
      });
    }
  });

  it('of another authority are served but not vouched for, and none at all is served too', async () => {
    const stranger = new TestAuthority();
    const client = stranger.issue({ commonName: 'jis:alice', altNames: ['URI:sip:alice@sip.example'] });
    const pair = { cert: readFileSync(client.cert), key: readFileSync(client.key) };
    stranger.remove();
    const tls = { ...first, certificates: [office], ca: authority.ca, requestClientCertificate: true };
    const gateway = await gatewayWith({ tls });
    for (const servername of ['sip.example', 'office.example']) {
      await dial(gateway, { ...pair, servername });
      expect((await gateway.user.opened.next()).peerCertificate?.authorized).toBe(false);
    }
    await dial(gateway);
    expect((await gateway.user.opened.next()).peerCertificate).toBeUndefined();
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'are no better for a session that is resumed over %s, and none is resumed after a reload',
    async (version) => {
      const stranger = new TestAuthority();
      const client = stranger.issue({ commonName: 'jis:alice', altNames: ['URI:sip:alice@sip.example'] });
      const pair = { cert: readFileSync(client.cert), key: readFileSync(client.key) };
      stranger.remove();
      const tls = { ...first, ca: authority.ca, requestClientCertificate: true };
      const gateway = await gatewayWith({ tls });
      const versions = { minVersion: version, maxVersion: version };
      const before = await dial(gateway, { ...pair, ...versions });
      // Any data brings the tickets of TLS 1.3 along.
      before.write('\r\n\r\n');
      const session = before.getSession() ?? Buffer.alloc(0);
      const [ticket] = version === 'TLSv1.3' ? ((await once(before, 'session')) as [Buffer]) : [session];
      expect((await gateway.user.opened.next()).peerCertificate?.authorized).toBe(false);
      const resumed = await dial(gateway, { ...versions, session: ticket });
      expect(resumed.isSessionReused()).toBe(true);
      expect((await gateway.user.opened.next()).peerCertificate?.authorized).not.toBe(true);
      await gateway.layer.reloadCertificates();
      const afresh = await dial(gateway, { ...versions, session: ticket });
      expect(afresh.isSessionReused()).toBe(false);
    },
  );
});
