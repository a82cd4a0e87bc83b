import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type CertificateFiles, TestAuthority } from '../../support/certificates.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { proxyV2 } from '../../support/proxy-header.ts';
import { until } from '../../support/until.ts';
import {
  connectTcp,
  requestText,
  StreamClient,
  startLayer,
  type TestLayer,
  type TestLayerOptions,
} from './support.ts';

const phone = ['203.0.113.9', 40_123] as const;
const balancer = ['198.51.100.1', 5_060] as const;
const header = proxyV2({ source: phone, destination: balancer });
const ends = {
  remote: { address: phone[0], port: phone[1] },
  local: { address: balancer[0], port: balancer[1] },
};

let authority: TestAuthority;
let pair: CertificateFiles;

beforeAll(() => {
  authority = new TestAuthority();
  pair = authority.issue({ commonName: 'gateway', altNames: ['IP:127.0.0.1', 'DNS:gateway.example'] });
});

afterAll(() => authority.remove());

const layers: TestLayer[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const { layer } of layers.splice(0)) await layer.close();
});

/** The balancer is 127.0.0.1. */
async function gatewayWith(options: Partial<TestLayerOptions> = {}): Promise<TestLayer> {
  const gateway = await startLayer({
    listen: ['tcp', 'tls', 'ws', 'wss'],
    tls: pair,
    proxyProtocolFrom: ['127.0.0.1', '::1'],
    ...options,
  });
  layers.push(gateway);
  return gateway;
}

async function dial(port: number): Promise<StreamClient> {
  const client = await connectTcp(port);
  sockets.push(client.socket);
  return client;
}

/** A connection through the balancer, its header written in two parts. */
async function forwarded(port: number, bytes: Buffer = header, splitAt = 0): Promise<Socket> {
  const { socket } = await dial(port);
  if (splitAt > 0) socket.write(bytes.subarray(0, splitAt));
  if (splitAt > 0) await new Promise(setImmediate);
  socket.write(bytes.subarray(splitAt));
  return socket;
}

describe('a connection from a named balancer', () => {
  it('over TCP is a flow with the ends that the PROXY header names, however it is cut', async () => {
    const gateway = await gatewayWith({ listen: ['tcp'] });
    for (const splitAt of [0, 1, 12, 16, header.length - 1, header.length]) {
      const request = Buffer.from(requestText({ via: 'SIP/2.0/TCP phone.example;rport' }));
      const bytes = Buffer.concat([header, request]);
      const client = new StreamClient(await forwarded(gateway.port('tcp'), bytes, splitAt));
      const answer = await client.readUntil('\r\n\r\n');
      expect(answer).toContain(`received=${phone[0]}`);
      expect(answer).toContain(`rport=${phone[1]}`);
      expect((await gateway.user.requests.next()).flow).toMatchObject({ transport: 'tcp', ...ends });
    }
  });

  it('over TLS: the header comes before the handshake', async () => {
    const gateway = await gatewayWith({ listen: ['tls'] });
    const socket = connectTls({
      socket: await forwarded(gateway.port('tls'), header, 5),
      ca: readFileSync(authority.ca),
      servername: 'gateway.example',
    });
    await once(socket, 'secureConnect');
    const client = new StreamClient(socket);
    socket.write(requestText());
    expect(await client.readUntil('\r\n\r\n')).toMatch(/^SIP\/2.0 200/);
    expect((await gateway.user.requests.next()).flow).toMatchObject({
      transport: 'tls',
      secure: true,
      ...ends,
    });
  });

  it.each(['ws', 'wss'] as const)('over %s: the header comes before everything else', async (transport) => {
    const gateway = await gatewayWith({ listen: [transport] });
    const raw = await forwarded(gateway.port(transport), header, 20);
    const ca = readFileSync(authority.ca);
    const createConnection = (): Socket =>
      transport === 'ws' ? raw : connectTls({ socket: raw, ca, servername: 'gateway.example' });
    const webSocket = new WebSocket(`${transport}://gateway.example`, 'sip', { createConnection });
    await once(webSocket, 'open');
    webSocket.send(requestText({ via: 'SIP/2.0/WS x.invalid' }));
    const [answer] = (await once(webSocket, 'message')) as [Buffer];
    expect(answer.toString()).toContain(`received=${phone[0]}`);
    expect((await gateway.user.requests.next()).flow).toMatchObject({ transport, ...ends });
    webSocket.terminate();
  });

  it('is the balancer itself when the header says LOCAL', async () => {
    const gateway = await gatewayWith({ listen: ['tcp'] });
    const local = proxyV2({ command: 0x20, family: 0, body: '' });
    const socket = await forwarded(gateway.port('tcp'), Buffer.concat([local, Buffer.from(requestText())]));
    const { flow } = await gateway.user.requests.next();
    expect(flow.remote).toEqual({ address: '127.0.0.1', port: socket.localPort });
  });

  it('is closed when it starts with anything else, and counted', async () => {
    const gateway = await gatewayWith({ listen: ['tcp'] });
    const client = new StreamClient(await forwarded(gateway.port('tcp'), Buffer.from(requestText())));
    expect(await client.closed).toBe('');
    expect(gateway.layer.stats().transports.tcp.refused).toEqual({ 'proxy-header': 1 });
    expect(gateway.user.requests.size).toBe(0);
  });

  it('is closed when the header does not come within firstByteTimeoutMs', async () => {
    const clock = new FakeClock();
    const gateway = await gatewayWith({ listen: ['tcp'], clock, limits: { firstByteTimeoutMs: 5_000 } });
    const socket = await forwarded(gateway.port('tcp'), header.subarray(0, 10));
    const client = new StreamClient(socket);
    await until('the deadline is set and passed', () => {
      clock.advance(5_000);
      return socket.destroyed || socket.readableEnded;
    });
    await client.closed;
    expect(gateway.layer.stats().transports.tcp.refused).toEqual({ 'proxy-header': 1 });
  });

  it('counts against the limits of the real source, not of the balancer', async () => {
    const gateway = await gatewayWith({ listen: ['tcp'], limits: { maxConnectionsPerSource: 2 } });
    const from = async (address: string): Promise<StreamClient> => {
      const start = proxyV2({ source: [address, 40_000], destination: balancer });
      const bytes = Buffer.concat([start, Buffer.from(requestText())]);
      return new StreamClient(await forwarded(gateway.port('tcp'), bytes));
    };
    for (const address of ['192.0.2.1', '192.0.2.1', '192.0.2.2'])
      expect(await (await from(address)).readUntil('\r\n\r\n')).toMatch(/^SIP\/2.0 200/);
    expect(await (await from('192.0.2.1')).closed).toBe('');
    expect(gateway.layer.stats()).toMatchObject({ connections: 3, sources: 2 });
    expect(gateway.layer.stats().transports.tcp.refused).toEqual({ 'max-connections-per-source': 1 });
  });

  it('does not keep the layer from closing while its header is missing', async () => {
    const gateway = await gatewayWith({ listen: ['tcp'] });
    const socket = await forwarded(gateway.port('tcp'), header.subarray(0, 3));
    await gateway.layer.close();
    await new StreamClient(socket).closed;
  });
});

describe('a connection from anybody else', () => {
  it('must not bring a PROXY header: nobody but a balancer says where it comes from', async () => {
    const gateway = await gatewayWith({ listen: ['tcp'], proxyProtocolFrom: ['192.0.2.0/24'] });
    const bytes = Buffer.from(`PROXY TCP4 203.0.113.9 198.51.100.1 1 2\r\n${requestText()}`);
    const client = new StreamClient(await forwarded(gateway.port('tcp'), bytes));
    await client.closed;
    expect(gateway.user.requests.size).toBe(0);
    const honest = await dial(gateway.port('tcp'));
    honest.socket.write(requestText());
    expect(await honest.readUntil('\r\n\r\n')).toMatch(/^SIP\/2.0 200/);
    expect((await gateway.user.requests.next()).flow.remote.address).toBe('127.0.0.1');
  });

  it('may come from beside a balancer', async () => {
    const gateway = await gatewayWith({ listen: ['tcp'], proxyProtocolFrom: ['127.0.0.1'] });
    const socket = connect({ port: gateway.port('tcp'), host: '127.0.0.1', localAddress: '127.0.0.2' });
    sockets.push(socket);
    socket.write(requestText());
    expect((await gateway.user.requests.next()).flow.remote.address).toBe('127.0.0.2');
  });
});
