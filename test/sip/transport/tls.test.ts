import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  connectTcp,
  requestText,
  StreamClient,
  startLayer,
  type TestLayer,
  type TestLayerOptions,
} from './support.ts';

let directory = '';
let cert = '';
let key = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tibet-sip-tls-'));
  key = join(directory, 'key.pem');
  cert = join(directory, 'cert.pem');
  const subject = [
    '-subj',
    '/CN=gateway.example',
    '-addext',
    'subjectAltName=DNS:gateway.example,IP:127.0.0.1',
  ];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  execFileSync(
    'openssl',
    ['req', '-x509', ...curve, '-nodes', '-days', '2', ...subject, '-keyout', key, '-out', cert],
    { stdio: 'ignore' },
  );
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const layers: TestLayer[] = [];
const sockets: TLSSocket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const { layer } of layers.splice(0)) await layer.close();
});

async function gatewayWith(options: Partial<TestLayerOptions> = {}): Promise<TestLayer> {
  const gateway = await startLayer({ listen: ['tls', 'wss'], tls: { cert, key }, ...options });
  layers.push(gateway);
  return gateway;
}

async function dial(gateway: TestLayer, options: ConnectionOptions = {}): Promise<StreamClient> {
  const socket = connectTls({
    port: gateway.port('tls'),
    host: '127.0.0.1',
    ca: readFileSync(cert),
    ...options,
  });
  sockets.push(socket);
  const client = new StreamClient(socket);
  await once(socket, 'secureConnect');
  return client;
}

describe('TLS', () => {
  it('serves requests on a secure flow', async () => {
    const gateway = await gatewayWith();
    const phone = await dial(gateway);
    phone.socket.write(requestText({ via: 'SIP/2.0/TLS phone.example' }));
    expect(await phone.readUntil('\r\n\r\n')).toMatch(/^SIP\/2.0 200/);
    const { flow } = await gateway.user.requests.next();
    expect(flow).toMatchObject({ transport: 'tls', reliable: true, secure: true, open: true });
    expect(flow.remote).toEqual({ address: '127.0.0.1', port: phone.socket.localPort });
    expect(flow.peerCertificate).toBeUndefined();
    expect(gateway.layer.stats().transports.tls).toMatchObject({
      connectionsAccepted: 1,
      connectionsOpen: 1,
    });
  });

  it('takes certificate and key as PEM text too', async () => {
    const gateway = await gatewayWith({
      tls: { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') },
    });
    const phone = await dial(gateway);
    phone.socket.write('\r\n\r\n');
    expect(await phone.readUntil('\r\n')).toBe('\r\n');
  });

  it('refuses TLS 1.1', async () => {
    const gateway = await gatewayWith();
    await expect(
      dial(gateway, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' }),
    ).rejects.toThrow();
    expect(gateway.user.opened.size).toBe(0);
  });

  it.each([
    ['a missing file', { cert: '/nowhere/cert.pem', key: '/nowhere/key.pem' }],
    [
      'text that is no certificate',
      { cert: '-----BEGIN CERTIFICATE-----\nx', key: '-----BEGIN PRIVATE KEY-----\nx' },
    ],
  ])('does not start with %s', async (_what, tls) => {
    await expect(gatewayWith({ tls })).rejects.toMatchObject({ code: 'tls-material' });
  });

  it('tells a vouched-for client certificate from an unknown one, and serves both', async () => {
    const gateway = await gatewayWith({ tls: { cert, key, ca: cert, requestClientCertificate: true } });
    const known = await dial(gateway, { cert: readFileSync(cert), key: readFileSync(key) });
    known.socket.write(requestText());
    expect((await gateway.user.requests.next()).flow.peerCertificate).toMatchObject({
      authorized: true,
      commonName: 'gateway.example',
      subjectAltName: 'DNS:gateway.example, IP Address:127.0.0.1',
    });
    const strict = await gatewayWith({ tls: { cert, key, requestClientCertificate: true } });
    const unknown = await dial(strict, { cert: readFileSync(cert), key: readFileSync(key) });
    unknown.socket.write(requestText());
    const shown = (await strict.user.requests.next()).flow.peerCertificate;
    expect(shown?.authorized).toBe(false);
    expect(shown?.fingerprint256).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  });

  it('ends a handshake that does not come to an end within firstByteTimeoutMs', async () => {
    const clock = new FakeClock();
    const gateway = await gatewayWith({ clock, limits: { firstByteTimeoutMs: 5_000 } });
    const client = await connectTcp(gateway.port('tls'));
    while (gateway.layer.stats().connections === 0) await new Promise(setImmediate);
    clock.advance(6_000);
    await client.closed;
    expect(gateway.layer.stats()).toMatchObject({ connections: 0, unprovenConnections: 0 });
  });

  it('survives bytes that are no handshake', async () => {
    const gateway = await gatewayWith();
    for (const transport of ['tls', 'wss'] as const) {
      const client = await connectTcp(gateway.port(transport));
      client.socket.write(requestText());
      await client.closed;
    }
    const phone = await dial(gateway);
    phone.socket.write(requestText());
    expect(await phone.readUntil('\r\n\r\n')).toMatch(/^SIP\/2.0 200/);
  });

  it('connects to a peer whose certificate names it, and refuses another (RFC 5922 §7.1)', async () => {
    const peer = await gatewayWith();
    const trusting = await gatewayWith({ listen: [], tls: { cert, key, ca: cert } });
    const target = { transport: 'tls', address: '127.0.0.1', port: peer.port('tls') } as const;
    const flow = await trusting.layer.connect({ ...target, serverName: 'gateway.example' });
    expect(flow).toMatchObject({ transport: 'tls', secure: true });
    expect(flow.peerCertificate).toMatchObject({ authorized: true, commonName: 'gateway.example' });
    flow.send(Buffer.from(requestText()));
    expect((await trusting.user.responses.next()).message.status).toBe(200);
    await expect(trusting.layer.connect({ ...target, serverName: 'other.example' })).rejects.toMatchObject({
      code: 'certificate',
    });
    const doubtful = await gatewayWith({ listen: [] });
    await expect(doubtful.layer.connect(target)).rejects.toMatchObject({ code: 'certificate' });
  });
});

describe('WebSocket over TLS', () => {
  it('serves requests on a secure flow', async () => {
    const gateway = await gatewayWith();
    const phone = new WebSocket(`wss://127.0.0.1:${gateway.port('wss')}`, 'sip', { ca: readFileSync(cert) });
    await once(phone, 'open');
    phone.send(requestText({ via: 'SIP/2.0/WSS x.invalid' }));
    const [answer] = (await once(phone, 'message')) as [Buffer];
    expect(answer.toString()).toMatch(/^SIP\/2.0 200/);
    const { flow } = await gateway.user.requests.next();
    expect(flow).toMatchObject({ transport: 'wss', reliable: true, secure: true });
    phone.terminate();
    expect((await gateway.user.closed.next()).flow).toBe(flow);
  });
});
