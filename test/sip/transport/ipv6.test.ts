import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { TransportName } from '../../../src/sip/transport/index.ts';
import { type CertificateFiles, TestAuthority } from '../../support/certificates.ts';
import { requestText, StreamClient, startLayer, type TestLayer, UdpClient } from './support.ts';

const interfaces = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
  (addresses ?? []).map((address) => ({ name, ...address })),
);
const hasLoopback = interfaces.some(({ address }) => address === '::1');
const near = interfaces.find(({ address }) => address.startsWith('fe80:'));
const linkLocal = near === undefined ? undefined : `${near.address}%${near.name}`;
const ownIpv4 = interfaces.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
/** The reason stands in the title of what is skipped. */
const unless = (missing: boolean, what: string, lacks: string): string =>
  missing ? `${what} (skipped: this host has ${lacks})` : what;

let authority: TestAuthority;
let pair: CertificateFiles;

beforeAll(() => {
  authority = new TestAuthority();
  pair = authority.issue({ commonName: 'gateway', altNames: ['IP:::1'] });
});

afterAll(() => authority.remove());

const layers: TestLayer[] = [];
const sockets: Socket[] = [];
const udpClients: UdpClient[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const client of udpClients.splice(0)) await client.close();
  for (const { layer } of layers.splice(0)) await layer.close();
});

async function gatewayOn(host: string, ...transports: TransportName[]): Promise<TestLayer> {
  const listen = transports.map((transport) => ({ transport, host, port: 0 }));
  const gateway = await startLayer({ listen, tls: { ...pair, ca: authority.ca } });
  layers.push(gateway);
  return gateway;
}

async function udpClient(address: string): Promise<UdpClient> {
  const client = new UdpClient('udp6');
  udpClients.push(client);
  await client.bind(address);
  return client;
}

async function stream(port: number, host: string, secure = false): Promise<StreamClient> {
  const socket = secure ? connectTls({ port, host, ca: readFileSync(authority.ca) }) : connect(port, host);
  sockets.push(socket);
  await once(socket, secure ? 'secureConnect' : 'connect');
  return new StreamClient(socket);
}

describe.skipIf(!hasLoopback)(unless(!hasLoopback, 'IPv6', 'no ::1'), () => {
  const via = (transport: string): string => `SIP/2.0/${transport} phone.example;rport`;

  it('over UDP: received is an address without brackets (RFC 3261 §25.1), and the answer reaches the source', async () => {
    const gateway = await gatewayOn('::1', 'udp');
    const client = await udpClient('::1');
    const { port } = client.socket.address();
    client.socket.send(requestText({ via: via('UDP') }), gateway.port('udp'), '::1');
    expect(await client.nextText()).toMatch(new RegExp(`;rport=${port}.*;received=::1[;\r]`));
    const { flow } = await gateway.user.requests.next();
    expect(flow).toMatchObject({
      transport: 'udp',
      remote: { address: '::1', port },
      local: { address: '::1' },
    });
    expect(gateway.layer.flow(flow.id)?.remote).toEqual(flow.remote);
  });

  it('over UDP: a sent-by with the same address in brackets gets no received (RFC 3261 §18.2.1)', async () => {
    const gateway = await gatewayOn('::1', 'udp');
    const client = await udpClient('::1');
    client.socket.send(requestText({ via: 'SIP/2.0/UDP [::1]:5060' }), gateway.port('udp'), '::1');
    expect(await client.nextText()).not.toContain('received');
  });

  it.each([
    ['tcp', false],
    ['tls', true],
  ] as const)('over %s, in both directions', async (transport, secure) => {
    const gateway = await gatewayOn('::1', transport);
    const client = await stream(gateway.port(transport), '::1', secure);
    client.socket.write(requestText({ via: via(transport.toUpperCase()) }));
    expect(await client.readUntil('\r\n\r\n')).toContain(`;received=::1`);
    const { flow } = await gateway.user.requests.next();
    expect(flow).toMatchObject({ transport, remote: { address: '::1' }, local: { address: '::1' } });
    const other = await gatewayOn('::1');
    const dialled = await other.layer.connect({ transport, address: '::1', port: gateway.port(transport) });
    dialled.send(Buffer.from(requestText({ via: via(transport.toUpperCase()) })));
    expect((await other.user.responses.next()).message.status).toBe(200);
  });

  it.each(['ws', 'wss'] as const)('over %s', async (transport) => {
    const gateway = await gatewayOn('::1', transport);
    const url = `${transport}://[::1]:${gateway.port(transport)}`;
    const phone = new WebSocket(url, 'sip', { ca: readFileSync(authority.ca) });
    await once(phone, 'open');
    phone.send(requestText({ via: via(transport.toUpperCase()) }));
    const [answer] = (await once(phone, 'message')) as [Buffer];
    expect(answer.toString()).toContain(';received=::1');
    expect((await gateway.user.requests.next()).flow.remote.address).toBe('::1');
    phone.terminate();
  });

  it('on all addresses: a flow tells the local address that the peer sees', async () => {
    const gateway = await gatewayOn('::', 'udp', 'tcp');
    const client = await udpClient('::1');
    client.socket.send(requestText({ via: via('UDP') }), gateway.port('udp'), '::1');
    const local = { address: '::1', port: gateway.port('udp') };
    expect((await gateway.user.requests.next()).flow.local).toEqual(local);
    const phone = await stream(gateway.port('tcp'), '::1');
    phone.socket.write(requestText());
    expect((await gateway.user.requests.next()).flow.local.address).toBe('::1');
  });
});

describe.skipIf(linkLocal === undefined)(
  unless(linkLocal === undefined, 'link-local IPv6', 'no such address'),
  () => {
    const address = linkLocal ?? '';

    it('keeps the zone in flows and out of messages (RFC 4007 §11.2)', async () => {
      const gateway = await gatewayOn(address, 'udp', 'tcp');
      const client = await udpClient(address);
      const { port } = client.socket.address();
      client.socket.send(requestText({ via: 'SIP/2.0/UDP x.example;rport' }), gateway.port('udp'), address);
      expect(await client.nextText()).toMatch(/;received=fe80:[0-9a-f:]+[;\r]/);
      const udp = (await gateway.user.requests.next()).flow;
      expect(udp.remote).toEqual({ address, port });
      expect(udp.id).toMatch(/^[\w.-]+$/);
      expect(gateway.layer.flow(udp.id)?.remote).toEqual(udp.remote);

      const phone = await stream(gateway.port('tcp'), address);
      phone.socket.write(requestText());
      expect(await phone.readUntil('\r\n\r\n')).toMatch(/;received=fe80:[0-9a-f:]+[;\r]/);
      const target = { transport: 'tcp', address, port: gateway.port('tcp') } as const;
      expect((await gateway.layer.connect(target)).remote.port).toBe(target.port);
    });
  },
);

describe.skipIf(ownIpv4 === undefined)(
  unless(ownIpv4 === undefined, 'a UDP socket on all IPv4 addresses', 'loopback only'),
  () => {
    it('tells the address of the network that the peer is in, loopback for loopback', async () => {
      const gateway = await gatewayOn('0.0.0.0', 'udp');
      const localTowards = async (address: string): Promise<string> =>
        (await gateway.layer.connect({ transport: 'udp', address, port: 5_060 })).local.address;
      expect(await localTowards('127.0.0.5')).toBe('127.0.0.1');
      expect(await localTowards(ownIpv4 ?? '')).toBe(ownIpv4);
      expect(await localTowards('203.0.113.77')).not.toBe('0.0.0.0');
      expect(gateway.layer.listensOnAllAt(ownIpv4 ?? '')).toBe(true);
      expect(gateway.layer.listensOnAllAt('203.0.113.77')).toBe(false);
      const bound = await gatewayOn('127.0.0.1', 'udp');
      expect(bound.layer.listensOnAllAt('127.0.0.1')).toBe(false);
    });
  },
);
