import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { defaultTransportLimits, type TransportName } from '../../../src/sip/transport/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { connectTcp, requestText, StreamClient, startLayer, type TestLayer, UdpClient } from './support.ts';

const all: readonly TransportName[] = ['udp', 'tcp', 'tls', 'ws', 'wss'];
const megabyte = 1_048_576;
/** Generous against a busy machine; the usual answer takes a millisecond. */
const promptMs = 1_000;

let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tibet-sip-hostile-'));
  const files = ['-keyout', join(directory, 'key.pem'), '-out', join(directory, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  execFileSync('openssl', ['req', '-x509', ...curve, '-nodes', '-days', '2', '-subj', '/CN=x', ...files], {
    stdio: 'ignore',
  });
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const layers: TestLayer[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const { layer } of layers.splice(0)) await layer.close();
});

async function gatewayWith(listen: readonly TransportName[], clock?: FakeClock): Promise<TestLayer> {
  const gateway = await startLayer({
    listen,
    tls: { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') },
    ...(clock === undefined ? {} : { clock }),
  });
  layers.push(gateway);
  return gateway;
}

/** "Alive" means: a new phone's OPTIONS on every port is answered with 200 at once. */
async function expectAlive(gateway: TestLayer): Promise<void> {
  for (const { transport, port } of gateway.bound) {
    const startedMs = performance.now();
    expect(await optionsStatus(transport, port)).toBe('SIP/2.0 200 OK');
    expect(performance.now() - startedMs).toBeLessThan(promptMs);
  }
}

async function optionsStatus(transport: TransportName, port: number): Promise<string> {
  const request = requestText();
  let answer: string;
  switch (transport) {
    case 'udp': {
      const phone = new UdpClient();
      await phone.bind('127.0.0.1');
      phone.socket.send(request, port, '127.0.0.1');
      answer = await phone.nextText();
      await phone.close();
      break;
    }
    case 'tcp':
    case 'tls': {
      const socket =
        transport === 'tcp'
          ? connect(port, '127.0.0.1')
          : connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
      const phone = new StreamClient(socket);
      socket.write(request);
      answer = await phone.readUntil('\r\n\r\n');
      socket.destroy();
      break;
    }
    case 'ws':
    case 'wss': {
      const phone = new WebSocket(`${transport}://127.0.0.1:${port}`, 'sip', { rejectUnauthorized: false });
      await once(phone, 'open');
      phone.send(request);
      const [data] = (await once(phone, 'message')) as [Buffer];
      answer = data.toString('latin1');
      phone.terminate();
      break;
    }
  }
  return answer.slice(0, answer.indexOf('\r\n'));
}

/** Pours random bytes into a stream until it is closed or a megabyte has gone. */
async function pour(socket: Socket): Promise<void> {
  const client = new StreamClient(socket);
  sockets.push(socket);
  socket.end(randomBytes(megabyte));
  await client.closed;
}

describe('hostile peers', () => {
  it('a megabyte of random bytes into each port leaves all of them alive', async () => {
    const gateway = await gatewayWith(all);
    const attacker = new UdpClient();
    for (let sent = 0; sent < megabyte; ) {
      const datagram = randomBytes(1 + (sent % 1_400));
      attacker.socket.send(datagram, gateway.port('udp'), '127.0.0.1');
      sent += datagram.length;
      if (sent % 16 === 0) await new Promise(setImmediate);
    }
    for (const transport of ['tcp', 'tls', 'ws', 'wss'] as const) {
      await pour(connect(gateway.port(transport), '127.0.0.1'));
    }
    await pour(connectTls({ port: gateway.port('tls'), host: '127.0.0.1', rejectUnauthorized: false }));
    for (const transport of ['ws', 'wss'] as const) {
      const url = `${transport}://127.0.0.1:${gateway.port(transport)}`;
      const phone = new WebSocket(url, 'sip', { rejectUnauthorized: false });
      phone.on('error', () => {});
      await once(phone, 'open');
      const closed = once(phone, 'close');
      phone.send(randomBytes(megabyte));
      expect((await closed)[0]).toBe(1009);
    }
    await expectAlive(gateway);
    await attacker.close();
    const { transports } = gateway.layer.stats();
    for (const transport of all) {
      expect(transports[transport].userFailures).toBe(0);
      expect(transports[transport].messagesIn).toBe(1);
    }
  });

  it('1,000 half-open connections to each port keep nobody out, and are gone after the deadline', async () => {
    const clock = new FakeClock();
    const gateway = await gatewayWith(['tcp', 'ws'], clock);
    for (const transport of ['tcp', 'ws'] as const) {
      for (let i = 0; i < 1_000; i++) {
        const client = await connectTcp(gateway.port(transport));
        sockets.push(client.socket);
      }
      await expectAlive(gateway);
    }
    expect(gateway.layer.stats().unprovenConnections).toBeLessThanOrEqual(
      defaultTransportLimits.maxUnprovenPerSource,
    );
    clock.advance(12_000);
    while (gateway.layer.stats().connections > 0) await new Promise(setImmediate);
    expect(gateway.layer.stats().unprovenConnections).toBe(0);
  });

  it('serves others while 100 slow senders and 100 silent readers hang on', async () => {
    const gateway = await gatewayWith(['udp', 'tcp', 'ws']);
    for (let i = 0; i < 100; i++) {
      const slow = await connectTcp(gateway.port('tcp'));
      slow.socket.write(requestText().slice(0, 50 + i));
      const deaf = await connectTcp(gateway.port('tcp'));
      deaf.socket.pause();
      deaf.socket.write(requestText().repeat(20));
      sockets.push(slow.socket, deaf.socket);
    }
    await expectAlive(gateway);
  });

  it('keeps nothing after close(): no timer, no connection, no flow', async () => {
    const clock = new FakeClock();
    const gateway = await startLayer({ listen: ['udp', 'tcp', 'ws'], clock });
    for (const transport of ['tcp', 'ws'] as const) {
      for (let i = 0; i < 20; i++) {
        const client = await connectTcp(gateway.port(transport));
        if (i % 2 === 0) client.socket.write(transport === 'tcp' ? 'OPTIONS sip:' : 'GET / HTTP/1.1\r\nX: ');
        sockets.push(client.socket);
      }
    }
    await expectAlive(gateway);
    await gateway.layer.close();
    expect(clock.pendingTimers).toBe(0);
    expect(gateway.layer.stats()).toMatchObject({ connections: 0, unprovenConnections: 0, udpFlows: 0 });
    const { transports } = gateway.layer.stats();
    for (const transport of ['tcp', 'ws'] as const) expect(transports[transport].connectionsOpen).toBe(0);
  });
});
