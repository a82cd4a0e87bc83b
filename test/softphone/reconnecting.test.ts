import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { systemClock } from '../../src/base/index.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { type GatewayProcess, startGateway } from '../support/processes.ts';
import { TestGateway } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';
import { ProbedPhone } from './probed-phone.ts';

const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

function kept<T extends { close(): unknown }>(part: T): T {
  open.push(() => part.close());
  return part;
}

/** A server that takes connections and messages and never says a word. */
async function silentServer(): Promise<{ readonly port: number; readonly messages: string[]; cut(): void }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'sip' });
  await once(server, 'listening');
  const messages: string[] = [];
  server.on('connection', (socket) => socket.on('message', (data: Buffer) => messages.push(data.toString())));
  const cut = (): void => {
    for (const client of server.clients) client.terminate();
  };
  open.push(() => {
    cut();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, messages, cut };
}

/** A TCP relay in front of a port that can cut what runs through it. */
async function relayTo(target: number): Promise<{ readonly port: number; cut(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((inside) => {
    const outside = connect(target, '127.0.0.1');
    for (const socket of [inside, outside]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }
    inside.pipe(outside).pipe(inside);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  open.push(() => {
    cut();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, cut };
}

describe('a softphone whose connection is lost', () => {
  it('comes back after a restart of the gateway, registers again, and can be called', async () => {
    const data = dataDirectory();
    open.push(() => data.remove());
    let gateway: GatewayProcess = await startGateway({ dataDir: data.path });
    open.push(() => gateway.kill());
    const port = gateway.port('ws');
    const [alice, bob] = ['alice', 'bob'].map((name) =>
      kept(new ProbedPhone({ name, port, domain: 'localhost', answers: true })),
    ) as [ProbedPhone, ProbedPhone];
    for (const phone of [alice, bob]) {
      await phone.phone.start();
      await phone.next('registered');
    }
    await gateway.stop();
    await alice.next('disconnected');
    await alice.next('disconnected');
    gateway = await startGateway({ dataDir: data.path, set: [`listen=ws://127.0.0.1:${port}`] });
    await Promise.all([alice.next('registered'), bob.next('registered')]);
    const call = await alice.callAnswered('bob');
    await call.hangUp();
    await bob.next('ended');
  });

  it('waits longer after each attempt, at random between half and the whole (RFC 5626 §4.5)', async () => {
    const waits: number[] = [];
    const alice = kept(
      new ProbedPhone({
        port: 1,
        clock: {
          ...systemClock,
          setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / 100, callback),
        },
      }),
    );
    await alice.phone.start();
    for (let attempt = 0; attempt < 8; attempt++) waits.push((await alice.next('disconnected')).retryMs);
    waits.forEach((waitMs, attempt) => {
      const wholeMs = Math.min(250 * 2 ** attempt, 15_000);
      expect(waitMs).toBeGreaterThanOrEqual(wholeMs / 2);
      expect(waitMs).toBeLessThanOrEqual(wholeMs);
    });
  });

  it('registers again at once although a REGISTER was outstanding', async () => {
    const server = await silentServer();
    const alice = new ProbedPhone({ port: server.port });
    // Closed after the server, which would never answer.
    open.unshift(() => alice.close());
    await alice.phone.start();
    await until('a REGISTER arrives', () => server.messages.length === 1);
    server.cut();
    await until('another REGISTER arrives', () => server.messages.length === 2);
    const numbers = server.messages.map((message) => /CSeq: (\d+) REGISTER/.exec(message)?.[1]);
    expect(Number(numbers[1])).toBeGreaterThan(Number(numbers[0]));
    expect(alice.story).toEqual(['connected', 'disconnected', 'connected']);
  });

  it('keeps a call that is up, and its BYE finds the other side over the new connection', async () => {
    const gateway = kept(await TestGateway.open());
    const relay = await relayTo(gateway.port('ws'));
    const bob = kept(await ProbedPhone.register({ name: 'bob', port: gateway.port('ws'), answers: true }));
    const alice = kept(await ProbedPhone.register({ name: 'alice', port: relay.port }));
    const call = await alice.callAnswered('bob');
    // What is answered behind the ACK on the same connection shows that the ACK has got through.
    await alice.phone.call('nobody');
    await alice.next('ended');
    relay.cut();
    await alice.next('registered');
    expect(alice.story.filter((kind) => kind === 'ended')).toHaveLength(1);
    await call.hangUp();
    expect(await bob.next('ended')).toMatchObject({ reason: 'hung up by the other side' });
  });

  it('ends a call that had not been answered: no response can find it', async () => {
    const gateway = kept(await TestGateway.open());
    const relay = await relayTo(gateway.port('ws'));
    const bob = kept(await ProbedPhone.register({ name: 'bob', port: gateway.port('ws') }));
    const alice = kept(await ProbedPhone.register({ name: 'alice', port: relay.port }));
    const call = await alice.phone.call('bob');
    await bob.next('incoming');
    relay.cut();
    expect(await alice.next('ended')).toMatchObject({ call, reason: 'connection lost' });
    await alice.next('registered');
  });

  it('closes within seconds when nobody answers, connected or not', async () => {
    const server = await silentServer();
    const alice = new ProbedPhone({ port: server.port });
    await alice.phone.start();
    await until('a REGISTER arrives', () => server.messages.length === 1);
    const beganMs = performance.now();
    await alice.close();
    expect(performance.now() - beganMs).toBeLessThan(4_500);
    const nowhere = new ProbedPhone({ port: 1 });
    await nowhere.phone.start();
    await nowhere.close();
    expect(nowhere.story).toEqual(['disconnected']);
  });
});
