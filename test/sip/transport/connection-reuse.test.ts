import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CertificateFiles, TestAuthority } from '../../support/certificates.ts';
import {
  connectTcp,
  listenAnywhere,
  requestText,
  StreamClient,
  startLayer,
  type TestLayer,
  type TestLayerOptions,
} from './support.ts';

let authority: TestAuthority;
let own: CertificateFiles;
let peer: CertificateFiles;

beforeAll(() => {
  authority = new TestAuthority();
  own = authority.issue({ commonName: 'gateway', altNames: ['DNS:gateway.example'] });
  peer = authority.issue({ commonName: 'pbx', altNames: ['DNS:pbx.example', 'IP:127.0.0.1'] });
});

afterAll(() => authority.remove());

const layers: TestLayer[] = [];
const sockets: TLSSocket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const { layer } of layers.splice(0)) await layer.close();
});

async function gatewayWith(options: Partial<TestLayerOptions> = {}): Promise<TestLayer> {
  const tls = { ...own, ca: authority.ca, requestClientCertificate: true };
  const gateway = await startLayer({ listen: ['tls'], tls, ...options });
  layers.push(gateway);
  return gateway;
}

/** A TLS peer that says in its Via where it listens, and that its connection may be used for that address. */
async function peerOf(gateway: TestLayer, via: string, files?: CertificateFiles): Promise<StreamClient> {
  const socket = connectTls({
    port: gateway.port('tls'),
    host: '127.0.0.1',
    ca: readFileSync(authority.ca),
    servername: 'gateway.example',
    ...(files === undefined ? {} : { cert: readFileSync(files.cert), key: readFileSync(files.key) }),
  });
  sockets.push(socket);
  await once(socket, 'secureConnect');
  const client = new StreamClient(socket);
  socket.write(requestText({ via }));
  await client.readUntil('\r\n\r\n');
  return client;
}

/** Where nobody answers: whoever is reached there is reached over another connection. */
const target = { transport: 'tls', address: '127.0.0.1', port: 1 } as const;
const named = { ...target, serverName: 'pbx.example' } as const;

describe('a connection that a TLS peer has opened', () => {
  it('carries requests to the alias that the peer gives (RFC 5923 §8.2)', async () => {
    const gateway = await gatewayWith();
    const client = await peerOf(gateway, 'SIP/2.0/TLS pbx.example:1;alias', peer);
    const flow = await gateway.layer.connect(named);
    expect(flow).toBe((await gateway.user.requests.next()).flow);
    expect(await gateway.layer.connect(target)).toBe(flow);
    flow.send(Buffer.from(requestText({ method: 'INVITE' })));
    expect(await client.readUntil('\r\n')).toMatch(/^INVITE/);
  });

  it.each([
    ['has not asked for it', 'SIP/2.0/TLS pbx.example:1', 'peer'],
    ['shows no certificate', 'SIP/2.0/TLS pbx.example:1;alias', 'none'],
    ['shows a certificate of an unknown authority', 'SIP/2.0/TLS pbx.example:1;alias', 'stranger'],
    ['names a host that its certificate does not cover', 'SIP/2.0/TLS bank.example:1;alias', 'peer'],
    ['names another port', 'SIP/2.0/TLS pbx.example:2;alias', 'peer'],
  ] as const)('is not used when the peer %s', async (_what, via, who) => {
    const gateway = await gatewayWith();
    const unknown = new TestAuthority();
    const stranger = unknown.issue({ commonName: 'pbx', altNames: ['DNS:pbx.example'] });
    await peerOf(gateway, via, who === 'peer' ? peer : who === 'stranger' ? stranger : undefined);
    unknown.remove();
    await expect(gateway.layer.connect(named)).rejects.toMatchObject({ code: 'connection-refused' });
  });

  it('is not used for another host at the same address and port', async () => {
    const gateway = await gatewayWith();
    await peerOf(gateway, 'SIP/2.0/TLS pbx.example:1;alias', peer);
    const other = { ...target, serverName: 'bank.example' };
    await expect(gateway.layer.connect(other)).rejects.toMatchObject({ code: 'connection-refused' });
  });

  it('is forgotten when it ends, and the newest takes over', async () => {
    const gateway = await gatewayWith();
    const first = await peerOf(gateway, 'SIP/2.0/TLS pbx.example:1;alias', peer);
    const second = await peerOf(gateway, 'SIP/2.0/TLS pbx.example:1;alias', peer);
    await gateway.user.requests.next();
    const newest = (await gateway.user.requests.next()).flow;
    expect(await gateway.layer.connect(named)).toBe(newest);
    first.socket.destroy();
    await gateway.user.closed.next();
    expect(await gateway.layer.connect(named)).toBe(newest);
    second.socket.destroy();
    await gateway.user.closed.next();
    await expect(gateway.layer.connect(named)).rejects.toMatchObject({ code: 'connection-refused' });
  });
});

describe('a TCP connection', () => {
  it('that came from an address is used for requests to that address (RFC 3261 §18)', async () => {
    const gateway = await gatewayWith({ listen: ['tcp'] });
    const client = await connectTcp(gateway.port('tcp'));
    client.socket.write(requestText());
    const { flow } = await gateway.user.requests.next();
    expect(flow.dialled).toBe(false);
    expect(await gateway.layer.connect({ transport: 'tcp', ...flow.remote })).toBe(flow);
    client.socket.destroy();
    await gateway.user.closed.next();
    await expect(gateway.layer.connect({ transport: 'tcp', ...flow.remote })).rejects.toMatchObject({
      code: 'connection-refused',
    });
  });

  it('never gets an alias: nobody has proved who sends', async () => {
    const gateway = await gatewayWith({ listen: ['tcp'] });
    const client = await connectTcp(gateway.port('tcp'));
    client.socket.write(requestText({ via: 'SIP/2.0/TCP pbx.example:1;alias' }));
    await client.readUntil('\r\n\r\n');
    const wanted = { transport: 'tcp', address: '127.0.0.1', port: 1 } as const;
    await expect(gateway.layer.connect(wanted)).rejects.toMatchObject({ code: 'connection-refused' });
    client.socket.destroy();
  });

  it('that we opened is used again, and says so', async () => {
    const gateway = await gatewayWith({ listen: [] });
    const server = createServer((socket) => void socket.resume());
    const wanted = { transport: 'tcp', address: '127.0.0.1', port: await listenAnywhere(server) } as const;
    const flow = await gateway.layer.connect(wanted);
    expect(flow.dialled).toBe(true);
    expect(await gateway.layer.connect(wanted)).toBe(flow);
    flow.close('done');
    server.close();
  });
});
