import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { TransportLimits } from '../../../src/sip/transport/index.ts';
import { connectTcp, requestText, StreamClient, startLayer, type TestLayer } from './support.ts';

const layers: TestLayer[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const { layer } of layers.splice(0)) await layer.close();
});

async function gatewayWith(limits: Partial<TransportLimits>): Promise<TestLayer> {
  const gateway = await startLayer({ listen: ['tcp'], limits });
  layers.push(gateway);
  return gateway;
}

/** A connection that the gateway has seen, from any address of the loopback net. */
async function dial(gateway: TestLayer, from = '127.0.0.1'): Promise<StreamClient> {
  const socket = connect({ port: gateway.port('tcp'), host: '127.0.0.1', localAddress: from });
  sockets.push(socket);
  const client = new StreamClient(socket);
  await once(socket, 'connect');
  return client;
}

async function proven(gateway: TestLayer, from?: string): Promise<StreamClient> {
  const client = await dial(gateway, from);
  client.socket.write(requestText());
  await client.readUntil('\r\n\r\n');
  return client;
}

describe('admission of connections', () => {
  it('refuses a source that has maxConnectionsPerSource proven connections, and serves others', async () => {
    const gateway = await gatewayWith({ maxConnectionsPerSource: 3 });
    for (let i = 0; i < 3; i++) await proven(gateway);
    expect(await (await dial(gateway)).closed).toBe('');
    expect(gateway.layer.stats().transports.tcp.refused).toEqual({ 'max-connections-per-source': 1 });
    await proven(gateway, '127.0.0.2');
    expect(gateway.layer.stats().connections).toBe(4);
  });

  it('gives the place of a closed connection to the next', async () => {
    const gateway = await gatewayWith({ maxConnectionsPerSource: 1 });
    for (let i = 0; i < 5; i++) {
      const client = await proven(gateway);
      client.socket.end();
      await client.closed;
      while (gateway.layer.stats().connections > 0) await new Promise(setImmediate);
    }
    expect(gateway.layer.stats().transports.tcp).toMatchObject({ connectionsAccepted: 5, refused: {} });
  });

  it('pushes out the oldest unproven connection of a source above maxUnprovenPerSource', async () => {
    const gateway = await gatewayWith({ maxUnprovenPerSource: 2 });
    const phone = await proven(gateway);
    const oldest = await dial(gateway);
    await gateway.user.opened.next();
    await dial(gateway);
    await dial(gateway);
    await oldest.closed;
    expect((await gateway.user.closed.next()).reason).toBe('displaced');
    phone.socket.write(requestText());
    expect(await phone.readUntil('\r\n\r\n')).toMatch(/^SIP\/2.0 200/);
    expect(gateway.layer.stats()).toMatchObject({
      connections: 3,
      unprovenConnections: 2,
      displacedConnections: 1,
    });
  });

  it('makes room at maxConnections by pushing out the oldest unproven connection of all', async () => {
    const gateway = await gatewayWith({ maxConnections: 3 });
    await proven(gateway);
    const oldest = await dial(gateway, '127.0.0.2');
    await dial(gateway, '127.0.0.3');
    await proven(gateway, '127.0.0.4');
    await oldest.closed;
    await proven(gateway, '127.0.0.5');
    expect(await (await dial(gateway, '127.0.0.6')).closed).toBe('');
    expect(gateway.layer.stats().transports.tcp.refused).toEqual({ 'max-connections': 1 });
  });

  it('counts connections that end during a flood exactly', async () => {
    const gateway = await gatewayWith({ maxUnprovenPerSource: 20 });
    const clients = await Promise.all(Array.from({ length: 200 }, () => connectTcp(gateway.port('tcp'))));
    for (const client of clients) client.socket.destroy();
    while (gateway.layer.stats().connections > 0) await new Promise(setImmediate);
    const stats = gateway.layer.stats();
    expect(stats).toMatchObject({ unprovenConnections: 0, sources: 0 });
    expect(stats.transports.tcp).toMatchObject({ connectionsAccepted: 200, connectionsOpen: 0 });
  });
});
