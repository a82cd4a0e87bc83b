import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { silentLogger, systemRandom } from '../../../src/base/index.ts';
import {
  createRequest,
  createResponse,
  createVia,
  headerField,
  type SipRequest,
} from '../../../src/sip/message/index.ts';
import {
  defaultTransactionLimits,
  type ServerTransaction,
  TransactionLayer,
  type TransactionUser,
} from '../../../src/sip/transaction/index.ts';
import {
  defaultTransportLimits,
  type Flow,
  TransportLayer,
  type TransportLimits,
  type TransportName,
} from '../../../src/sip/transport/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { until } from '../../support/until.ts';
import { connectTcp, Queue, requestText, type StreamClient, UdpClient } from './support.ts';

/** Accepts every registration, and keeps what it hears of flows. */
class Registrar implements TransactionUser {
  readonly requests: Queue<ServerTransaction> = new Queue();
  readonly closed: Queue<{ readonly flow: Flow; readonly reason: string }> = new Queue();

  onRequest(request: SipRequest, transaction: ServerTransaction): void {
    const gone = request.headers.some(({ name, value }) => name === 'expires' && value === '0');
    const headers = gone ? [] : [headerField('Contact', '<sip:alice@phone.example>')];
    transaction.respond(createResponse(request, 200, undefined, { toTag: 'r', headers }));
    this.requests.push(transaction);
  }

  onFlowClosed(flow: Flow, reason: string): void {
    this.closed.push({ flow, reason });
  }

  onCancel(): void {}
  onAck(): void {}
  onStrayResponse(): void {}
  onTransportError(): void {}
}

interface Gateway {
  readonly transport: TransportLayer;
  readonly transactions: TransactionLayer<unknown>;
  readonly user: Registrar;
  readonly clock: FakeClock;
  readonly port: number;
}

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function gatewayOn(name: TransportName, limits: Partial<TransportLimits> = {}): Promise<Gateway> {
  const clock = new FakeClock();
  const transport = new TransportLayer({
    listen: [{ transport: name, host: '127.0.0.1', port: 0 }],
    limits: { ...defaultTransportLimits, udpKeepSeconds: 25, streamKeepSeconds: 95, ...limits },
    clock,
    logger: silentLogger,
  });
  const transactions = new TransactionLayer({
    transport,
    clock,
    random: systemRandom,
    logger: silentLogger,
    limits: defaultTransactionLimits,
  });
  const user = new Registrar();
  const [bound] = await transactions.start(user);
  closing.push(async () => {
    transactions.close();
    await transport.close();
  });
  return { transport, transactions, user, clock, port: bound?.port ?? 0 };
}

async function udpPhone(): Promise<UdpClient> {
  const phone = new UdpClient();
  await phone.bind('127.0.0.1');
  closing.push(() => phone.close());
  return phone;
}

async function tcpPhone(port: number): Promise<StreamClient> {
  const phone = await connectTcp(port);
  closing.push(() => void phone.socket.destroy());
  return phone;
}

function register(via: string, expires = 3_600): string {
  return requestText({
    method: 'REGISTER',
    via,
    extra: ['Contact: <sip:alice@phone.example>', `Expires: ${expires}`],
  });
}

describe('the keep parameter (RFC 6223)', () => {
  it.each([
    ['REGISTER', 'keep', /;keep=25[;\r]/],
    ['INVITE', 'keep', /;keep=25[;\r]/],
    ['OPTIONS', 'keep', /;keep[;\r]/],
    ['REGISTER', 'keep=7', /;keep=7[;\r]/],
    ['REGISTER', 'x', /^(?!.*keep)/s],
  ])('%s with %s in its Via is answered with %s', async (method, parameter, expected) => {
    const gateway = await gatewayOn('udp');
    const phone = await udpPhone();
    const via = `SIP/2.0/UDP phone.example;${parameter};rport`;
    phone.socket.send(requestText({ method, via }), gateway.port, '127.0.0.1');
    let answer = await phone.nextText();
    if (answer.startsWith('SIP/2.0 100')) answer = await phone.nextText();
    expect(answer).toMatch(/^SIP\/2.0 200/);
    expect(answer).toMatch(expected);
  });

  it('asks for less over TCP, where connections are kept longer', async () => {
    const gateway = await gatewayOn('tcp');
    const phone = await tcpPhone(gateway.port);
    phone.socket.write(register('SIP/2.0/TCP phone.example;keep'));
    expect(await phone.readUntil('\r\n\r\n')).toMatch(/;keep=95[;\r]/);
  });
});

describe('a phone that has agreed to keepalives', () => {
  it('over UDP is found dead after twice the interval, and only then', async () => {
    const gateway = await gatewayOn('udp');
    const phone = await udpPhone();
    phone.socket.send(register('SIP/2.0/UDP phone.example;keep;rport'), gateway.port, '127.0.0.1');
    await phone.nextText();
    const { flow } = await gateway.user.requests.next();
    for (const keepalive of ['\r\n\r\n', '\0\0\0\0']) {
      gateway.clock.advance(40_000);
      const seen = gateway.transport.stats().transports.udp.keepalives;
      phone.socket.send(keepalive, gateway.port, '127.0.0.1');
      await until('it was heard', () => gateway.transport.stats().transports.udp.keepalives > seen);
    }
    gateway.clock.advance(48_000);
    expect(gateway.user.closed.size).toBe(0);
    gateway.clock.advance(3_000);
    expect(await gateway.user.closed.next()).toMatchObject({
      reason: 'keepalive-missed',
      flow: { id: flow.id },
    });
    gateway.clock.advance(200_000);
    expect(gateway.user.closed.size).toBe(0);
  });

  it.each([
    ['never offered any', 'SIP/2.0/UDP phone.example;rport', 3_600],
    ['has unregistered', 'SIP/2.0/UDP phone.example;keep;rport', 0],
  ])('over UDP is left alone when it %s', async (_what, via, expires) => {
    const gateway = await gatewayOn('udp');
    const phone = await udpPhone();
    for (const text of [register('SIP/2.0/UDP phone.example;keep;rport'), register(via, expires)]) {
      phone.socket.send(text, gateway.port, '127.0.0.1');
      await phone.nextText();
    }
    gateway.clock.advance(300_000);
    expect(gateway.user.closed.size).toBe(0);
  });

  it('over UDP is not one that was refused: a forged source arms nothing', async () => {
    const gateway = await gatewayOn('udp');
    gateway.user.onRequest = (request, transaction) =>
      transaction.respond(createResponse(request, 401, undefined, { toTag: 'r' }));
    const phone = await udpPhone();
    phone.socket.send(register('SIP/2.0/UDP phone.example;keep;rport'), gateway.port, '127.0.0.1');
    expect(await phone.nextText()).toMatch(/^SIP\/2.0 401/);
    gateway.clock.advance(300_000);
    expect(gateway.user.closed.size).toBe(0);
  });

  it('over TCP loses its connection after twice the interval', async () => {
    const gateway = await gatewayOn('tcp');
    const phone = await tcpPhone(gateway.port);
    phone.socket.write(register('SIP/2.0/TCP phone.example;keep'));
    await phone.readUntil('\r\n\r\n');
    gateway.clock.advance(180_000);
    phone.socket.write('\r\n\r\n');
    await phone.readUntil('\r\n');
    gateway.clock.advance(189_000);
    expect(gateway.user.closed.size).toBe(0);
    gateway.clock.advance(2_000);
    expect((await gateway.user.closed.next()).reason).toBe('keepalive-missed');
    await phone.closed;
  });
});

describe('a peer that does not answer a request (RFC 3261 §17.1, Timer F)', () => {
  const outgoing = (): SipRequest =>
    createRequest({
      method: 'OPTIONS',
      uri: 'sip:phone.example',
      from: '<sip:gateway.example>;tag=g',
      to: '<sip:phone.example>',
      callId: `probe-${Math.random()}`,
      cseq: 1,
      via: createVia({ transport: 'tcp', host: 'gateway.example', branch: String(Math.random()) }),
    });

  it('loses its TCP connection when nothing at all came from it, and its other requests fail at once', async () => {
    const gateway = await gatewayOn('tcp');
    const phone = await tcpPhone(gateway.port);
    phone.socket.write(register('SIP/2.0/TCP phone.example'));
    const { flow } = await gateway.user.requests.next();
    const ended: string[] = [];
    const handler = (name: string): Parameters<typeof gateway.transactions.send>[2] => ({
      onResponse: () => void ended.push(`${name} answered`),
      onTimeout: () => void ended.push(`${name} timed out`),
      onTransportError: () => void ended.push(`${name} failed`),
    });
    gateway.transactions.send(outgoing(), flow, handler('first'));
    gateway.clock.advance(10_000);
    gateway.transactions.send(outgoing(), flow, handler('second'));
    gateway.clock.advance(21_900);
    expect(ended).toEqual([]);
    gateway.clock.advance(200);
    expect(ended).toEqual(['first timed out', 'second failed']);
    expect((await gateway.user.closed.next()).reason).toBe('no-answer');
  });

  it('keeps it when it has sent something meanwhile', async () => {
    const gateway = await gatewayOn('tcp');
    const phone = await tcpPhone(gateway.port);
    phone.socket.write(register('SIP/2.0/TCP phone.example'));
    await phone.readUntil('\r\n\r\n');
    const { flow } = await gateway.user.requests.next();
    const ended: string[] = [];
    gateway.transactions.send(outgoing(), flow, {
      onResponse: () => {},
      onTimeout: () => void ended.push('timed out'),
      onTransportError: () => {},
    });
    await phone.readUntil('\r\n\r\n');
    gateway.clock.advance(1_000);
    phone.socket.write('\r\n\r\n');
    await phone.readUntil('\r\n');
    gateway.clock.advance(32_000);
    expect(ended).toEqual(['timed out']);
    expect(flow.open).toBe(true);
  });
});

describe('a peer that does not read', () => {
  interface Reader {
    stop(): void;
    readonly ended: Promise<unknown>;
  }

  async function registered(gateway: Gateway, name: 'tcp' | 'ws'): Promise<Reader> {
    if (name === 'tcp') {
      const phone = await tcpPhone(gateway.port);
      phone.socket.write(register('SIP/2.0/TCP phone.example'));
      await phone.readUntil('\r\n\r\n');
      return { stop: () => void phone.socket.pause(), ended: phone.closed };
    }
    const phone = new WebSocket(`ws://127.0.0.1:${gateway.port}`, 'sip');
    closing.push(() => phone.terminate());
    await once(phone, 'open');
    phone.send(register('SIP/2.0/WS x.invalid'));
    await once(phone, 'message');
    return { stop: () => phone.pause(), ended: once(phone, 'close') };
  }

  it.each(['tcp', 'ws'] as const)(
    'over %s is cut off after sendStallTimeoutMs, and nobody else waits for it',
    async (name) => {
      const gateway = await gatewayOn(name, { maxSendBufferBytes: 100_000_000 });
      const dead = await registered(gateway, name);
      const { flow } = await gateway.user.requests.next();
      dead.stop();
      // More than the kernel takes for a peer that does not read.
      const message = Buffer.from(requestText({ method: 'MESSAGE', body: 'x'.repeat(60_000) }));
      for (let sent = 0; sent < 500; sent++) expect(flow.send(message)).toBe(true);
      const startedAtMs = performance.now();
      await registered(gateway, name);
      const other = (await gateway.user.requests.next()).flow;
      expect(performance.now() - startedAtMs).toBeLessThan(1_000);
      for (let second = 0; second < 18; second++) gateway.clock.advance(1_000);
      expect(await gateway.user.closed.next()).toMatchObject({
        reason: 'send-stalled',
        flow: { id: flow.id },
      });
      expect(other.open).toBe(true);
    },
  );

  it.each(['tcp', 'ws'] as const)('over %s takes no more than maxSendBufferBytes of memory', async (name) => {
    const gateway = await gatewayOn(name, { maxSendBufferBytes: 200_000 });
    const dead = await registered(gateway, name);
    const { flow } = await gateway.user.requests.next();
    dead.stop();
    const message = Buffer.from(requestText({ method: 'MESSAGE', body: 'x'.repeat(60_000) }));
    await until('the buffer is full', () => !flow.send(message));
    expect((await gateway.user.closed.next()).reason).toBe('send-buffer-full');
  });
});
