import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { type Clock, systemClock } from '../../src/base/index.ts';
import {
  createResponse,
  defaultMessageLimits,
  headerField,
  headerValue,
  parseMessage,
  serializeMessage,
} from '../../src/sip/index.ts';
import { newIdentity, TestGateway } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';
import { ProbedPhone, type ProbedPhoneOptions } from './probed-phone.ts';

let gateway: TestGateway;
const phones: ProbedPhone[] = [];
const servers: WebSocketServer[] = [];

beforeAll(async () => {
  gateway = await TestGateway.open({ set: ['registrar.minExpires=60'] });
});
afterEach(async () => {
  await Promise.all(phones.splice(0).map((phone) => phone.close()));
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => gateway.close());

async function phone(name: string, options: Partial<ProbedPhoneOptions> = {}): Promise<ProbedPhone> {
  const opened = new ProbedPhone({ name, port: gateway.port('ws'), ...options });
  phones.push(opened);
  await opened.phone.start();
  return opened;
}

async function recorded(identity: string, prefix = 'registration.'): Promise<readonly string[]> {
  return (await gateway.records())
    .filter(({ event, erin }) => event.startsWith(prefix) && erin['identity'] === identity)
    .map(({ event }) => event);
}

/** The machine's clock, its timers a thousand times as fast: five minutes take 0.3 s. */
const hurried: Clock = {
  ...systemClock,
  setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / 1000, callback),
};

describe('a softphone', () => {
  it('registers in one round trip and unregisters when it is closed', async () => {
    const alice = await phone('alice-1');
    await alice.next('registered');
    expect(alice.story).toEqual(['connected', 'registered']);
    expect(gateway.faults()).toEqual([]);
    await alice.close();
    expect(alice.story).toEqual(['connected', 'registered', 'unregistered']);
    expect(await recorded('jis:alice-1')).toEqual(['registration.added', 'registration.removed']);
  });

  it.each([-600_000, 600_000])(
    'with a clock that is off by %i ms is refused once, then signs nonce and date',
    async (offMs) => {
      const from = gateway.log.length;
      const name = `clock${offMs}`;
      const alice = await phone(name, { clock: { ...systemClock, now: () => Date.now() + offMs } });
      await alice.next('registered');
      expect(alice.story).toEqual(['connected', 'registered']);
      expect(gateway.faults(from)).toEqual([offMs < 0 ? 'stale' : 'future']);
      // The offset stays learnt: a call is signed by the gateway's time.
      await alice.phone.call('nobody');
      expect(await alice.next('ended')).toMatchObject({ status: 404 });
      expect(gateway.faults(from)).toHaveLength(1);
    },
  );

  it('refreshes its registration, each time with a token of its own', async () => {
    const alice = await phone('alice-2', { clock: hurried, registrationSeconds: 120 });
    await until('three registrations', async () => (await recorded('jis:alice-2')).length >= 3);
    expect((await recorded('jis:alice-2')).slice(0, 3)).toEqual([
      'registration.added',
      'registration.refreshed',
      'registration.refreshed',
    ]);
    expect(alice.story.filter((kind) => kind === 'refused')).toEqual([]);
  });

  it('asks for as much time as the gateway demands (RFC 3261 §10.2.8)', async () => {
    const alice = await phone('alice-3', { registrationSeconds: 10 });
    await alice.next('registered');
    expect(alice.story).toEqual(['connected', 'registered']);
  });

  it('is told when another key holds its name, and stays away', async () => {
    const alice = await phone('alice-4');
    await alice.next('registered');
    const mallory = await phone('alice-4', { clock: hurried });
    expect(await mallory.next('refused')).toMatchObject({
      status: 403,
      reason: 'Name Held By Another Key',
      retryMs: undefined,
    });
    expect(mallory.story).toEqual(['connected', 'refused']);
  });

  it('seed 31: speaks under its fingerprint when its subject is no jis: name, and is called by that subject too', async () => {
    const zoe = await phone('zoe', { identity: newIdentity('mail:zoë@example.org') });
    await zoe.next('registered');
    const alice = await phone('alice-5');
    await alice.next('registered');
    for (const dialled of [zoe.identity.token.fingerprint, 'mail:zoë@example.org']) {
      await alice.phone.call(dialled);
      const { call } = await zoe.next('incoming');
      await call.hangUp();
      expect(await alice.next('ended'), dialled).toMatchObject({ status: 603 });
    }
  });
});

describe('a softphone whose registration fails', () => {
  it('tries again after a failure of the gateway, not before Retry-After (RFC 3261 §20.33)', async () => {
    const registrar = await scriptedRegistrar([
      { status: 503, headers: { 'Retry-After': '30' } },
      { status: 500 },
      { status: 200 },
    ]);
    const alice = await phone('alice', { port: registrar.port, clock: hurried });
    expect(await alice.next('refused')).toMatchObject({ status: 503, retryMs: 30_000 });
    expect(await alice.next('refused')).toMatchObject({ status: 500, retryMs: 2_000 });
    await alice.next('registered');
    expect(alice.story.filter((kind) => kind === 'connected')).toHaveLength(1);
  });

  it('tries again when a refresh fails', async () => {
    const registrar = await scriptedRegistrar([{ status: 200 }, { status: 503 }, { status: 200 }]);
    const alice = await phone('alice', { port: registrar.port, clock: hurried });
    await alice.next('registered');
    await alice.next('refused');
    await alice.next('registered');
  });

  it('gives up the connection when nobody answers on it (RFC 3261 §8.1.3.1)', async () => {
    const registrar = await scriptedRegistrar([{ status: 408 }, { status: 200 }]);
    const alice = await phone('alice', { port: registrar.port, clock: hurried });
    await alice.next('registered');
    expect(alice.story).toEqual(['connected', 'disconnected', 'connected', 'registered']);
  });

  it('signs a nonce once, not for ever', async () => {
    const nonce = { 'Intent-Nonce': Buffer.alloc(16).toString('base64url') };
    const registrar = await scriptedRegistrar([
      { status: 403, headers: nonce },
      { status: 403, headers: nonce },
      { status: 200 },
    ]);
    const alice = await phone('alice', { port: registrar.port });
    expect(await alice.next('refused')).toMatchObject({ status: 403, retryMs: undefined });
    expect(registrar.count()).toBe(2);
  });
});

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A WebSocket server that answers one REGISTER after the other as it was told, the last answer for all that follow. */
async function scriptedRegistrar(
  answers: readonly Answer[],
): Promise<{ readonly port: number; count(): number }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'sip' });
  await once(server, 'listening');
  let count = 0;
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => {
      const request = parseMessage(data, defaultMessageLimits);
      const { status, headers = {} } = answers[Math.min(count++, answers.length - 1)] ?? { status: 500 };
      if (request.kind !== 'request') return;
      const contact = { Contact: headerValue(request, 'contact') ?? '' };
      const fields = Object.entries({ ...contact, ...headers }).map(([name, value]) =>
        headerField(name, value),
      );
      const response = createResponse(request, status, undefined, { toTag: 'r', headers: fields });
      socket.send(serializeMessage(response));
    });
  });
  servers.push(server);
  return { port: (server.address() as AddressInfo).port, count: () => count };
}
