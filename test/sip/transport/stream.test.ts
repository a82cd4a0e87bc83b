import { connect, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { TransportLimits } from '../../../src/sip/transport/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  connectTcp,
  listenAnywhere,
  requestText,
  type StreamClient,
  startLayer,
  type TestLayer,
} from './support.ts';

const opened: { close(): Promise<void> }[] = [];
const clients: StreamClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  for (const each of opened.splice(0)) await each.close();
});

interface SetUp {
  readonly gateway: TestLayer;
  readonly clock: FakeClock;
  readonly phone: StreamClient;
}

async function setUp(limits: Partial<TransportLimits> = {}): Promise<SetUp> {
  const clock = new FakeClock();
  const gateway = await startLayer({ listen: ['tcp'], limits, clock });
  opened.push(gateway.layer);
  const phone = await dial(gateway);
  await gateway.user.opened.next();
  return { gateway, clock, phone };
}

async function dial(gateway: TestLayer): Promise<StreamClient> {
  const phone = await connectTcp(gateway.port('tcp'));
  clients.push(phone);
  return phone;
}

describe('TCP', () => {
  it('serves a request that arrives in single bytes, and two that arrive in one chunk (RFC 3261 §18.3)', async () => {
    const { phone } = await setUp();
    phone.socket.setNoDelay(true);
    for (const byte of Buffer.from(requestText({ body: 'hello' }))) phone.socket.write(Buffer.of(byte));
    expect(await phone.readUntil('\r\n\r\n')).toMatch(/^SIP\/2.0 200/);
    phone.socket.write(requestText({ body: 'one' }) + requestText());
    expect(await phone.readUntil('\r\n\r\n')).toMatch(/^SIP\/2.0 200/);
    expect(await phone.readUntil('\r\n\r\n')).toMatch(/^SIP\/2.0 200/);
  });

  it('describes the flow and finds it by id while it is open', async () => {
    const { gateway, phone } = await setUp();
    phone.socket.write(requestText());
    const { flow, message } = await gateway.user.requests.next();
    expect(flow).toMatchObject({ transport: 'tcp', reliable: true, secure: false, open: true });
    expect(flow.remote).toEqual({ address: '127.0.0.1', port: phone.socket.localPort });
    expect(flow.local.port).toBe(gateway.port('tcp'));
    expect(flow.id).toMatch(/^[A-Za-z0-9._-]+$/);
    expect(message.via.received).toBe('127.0.0.1');
    expect(gateway.layer.flow(flow.id)).toBe(flow);
    phone.socket.end();
    expect(await gateway.user.closed.next()).toEqual({ flow, reason: 'peer-closed' });
    expect(gateway.layer.flow(flow.id)).toBeUndefined();
    expect(flow.open).toBe(false);
    expect(flow.send(Buffer.from('x'))).toBe(false);
  });

  it('answers CRLFCRLF with CRLF (RFC 5626 §4.4.1)', async () => {
    const { gateway, phone } = await setUp();
    phone.socket.write('\r\n\r\n');
    expect(await phone.readUntil('\r\n')).toBe('\r\n');
    expect(gateway.layer.stats().transports.tcp.keepalives).toBe(1);
  });

  it.each([
    ['a control byte in a name', requestText({ extra: ['X-A\u0001: 1'] }), '400'],
    ['a Content-Length beyond 32 bits', requestText({ contentLength: '4294967328' }), '4..|513'],
    ['two differing Content-Lengths', requestText({ extra: ['Content-Length: 3'] }), '400'],
    ['a negative Content-Length', requestText({ contentLength: '-1' }), '400'],
    ['a message above the size limit', requestText({ contentLength: '70000' }), '513'],
    ['a CSeq of another method', requestText({ cseq: '1 INVITE' }), '400'],
  ])('answers %s and closes the connection', async (_what, text, status) => {
    const { gateway, phone } = await setUp();
    phone.socket.write(text);
    expect(await phone.closed).toMatch(new RegExp(`^SIP/2.0 (${status}) `));
    expect((await gateway.user.closed.next()).reason).toBe('malformed');
    expect(gateway.user.requests.size).toBe(0);
  });

  it('closes without an answer where none can be addressed', async () => {
    const { gateway, phone } = await setUp();
    phone.socket.write('\u0000\u0001 not SIP at all');
    expect(await phone.closed).toBe('');
    expect(gateway.layer.stats().transports.tcp.closed).toEqual({ malformed: 1 });
  });

  it('drops what follows a message that closed the connection', async () => {
    const { gateway, phone } = await setUp();
    phone.socket.write(requestText({ cseq: '1 INVITE' }) + requestText());
    await phone.closed;
    expect(gateway.user.requests.size).toBe(0);
  });

  it('looks at each of many connections, however many turns of the event loop that takes', async () => {
    const { gateway, clock } = await setUp({ firstByteTimeoutMs: 5_000 });
    const many = 700;
    await Promise.all(Array.from({ length: many - 1 }, () => dial(gateway)));
    for (let opened = 1; opened < many; opened++) await gateway.user.opened.next();
    clock.advance(6_000);
    for (let closed = 0; closed < many; closed++)
      expect((await gateway.user.closed.next()).reason).toBe('first-byte-timeout');
  });

  it('closes a connection without a first byte after firstByteTimeoutMs', async () => {
    const { gateway, clock, phone } = await setUp({ firstByteTimeoutMs: 5_000 });
    clock.advance(4_000);
    expect(gateway.user.closed.size).toBe(0);
    clock.advance(1_000);
    expect((await gateway.user.closed.next()).reason).toBe('first-byte-timeout');
    expect(await phone.closed).toBe('');
  });

  it.each(['\r\n', '\r\n\r\n'])(
    'closes a connection on which only keepalives (%j) came after firstByteTimeoutMs',
    async (keepalive) => {
      const { gateway, clock, phone } = await setUp({ firstByteTimeoutMs: 5_000 });
      for (let second = 0; second < 5; second++) {
        const before = gateway.layer.stats().transports.tcp.bytesIn;
        phone.socket.write(keepalive);
        while (gateway.layer.stats().transports.tcp.bytesIn === before) await new Promise(setImmediate);
        expect(gateway.user.closed.size).toBe(0);
        clock.advance(1_000);
      }
      expect((await gateway.user.closed.next()).reason).toBe('first-byte-timeout');
      await phone.closed;
    },
  );

  it.each(['O', 'OPT', '\r', '\r\n\r'])(
    'closes whoever says %j and nothing more after messageTimeoutMs, before and after a message',
    async (beginning) => {
      for (const first of ['', requestText()]) {
        const { gateway, clock, phone } = await setUp({ messageTimeoutMs: 5_000 });
        phone.socket.write(first + beginning);
        const awaited = first.length + beginning.length;
        while (gateway.layer.stats().transports.tcp.bytesIn < awaited) await new Promise(setImmediate);
        clock.advance(4_000);
        expect(gateway.user.closed.size).toBe(0);
        clock.advance(1_000);
        expect((await gateway.user.closed.next()).reason).toBe('message-timeout');
        await phone.closed;
      }
    },
  );

  it('closes a sender of one byte a second within 10 s', async () => {
    const { gateway, clock, phone } = await setUp();
    let seconds = 0;
    for (const byte of Buffer.from(requestText())) {
      const before = gateway.layer.stats().transports.tcp.bytesIn;
      phone.socket.write(Buffer.of(byte));
      while (gateway.layer.stats().transports.tcp.bytesIn === before) await new Promise(setImmediate);
      clock.advance(1_000);
      seconds++;
      if (gateway.user.closed.size > 0) break;
    }
    expect((await gateway.user.closed.next()).reason).toBe('message-timeout');
    expect(seconds).toBeLessThanOrEqual(10);
    await phone.closed;
  });

  it('keeps a phone that sends a lone CRLF now and then', async () => {
    const { gateway, clock, phone } = await setUp();
    phone.socket.write(requestText());
    await phone.readUntil('\r\n\r\n');
    const before = gateway.layer.stats().transports.tcp.bytesIn;
    phone.socket.write('\r\n');
    while (gateway.layer.stats().transports.tcp.bytesIn === before) await new Promise(setImmediate);
    clock.advance(60_000);
    phone.socket.write(requestText());
    expect(await phone.readUntil('\r\n\r\n')).toMatch(/^SIP\/2.0 200/);
  });

  it('closes a silent connection after idleTimeoutMs and not before', async () => {
    const { gateway, clock, phone } = await setUp({ idleTimeoutMs: 60_000 });
    phone.socket.write(requestText());
    await phone.readUntil('\r\n\r\n');
    clock.advance(59_000);
    expect(gateway.user.closed.size).toBe(0);
    clock.advance(1_000);
    expect((await gateway.user.closed.next()).reason).toBe('idle');
    await phone.closed;
  });

  it('lets a peer go that does not read what it is sent', async () => {
    const { gateway, phone } = await setUp({ maxSendBufferBytes: 100_000 });
    phone.socket.pause();
    phone.socket.write(requestText());
    const { flow } = await gateway.user.requests.next();
    const chunk = Buffer.alloc(60_000, 'x');
    let accepted = 0;
    while (flow.send(chunk)) accepted++;
    expect(accepted).toBeGreaterThan(0);
    expect(flow.open).toBe(false);
    expect((await gateway.user.closed.next()).reason).toBe('send-buffer-full');
  });

  it('sends what was written before close()', async () => {
    const { gateway, phone } = await setUp();
    phone.socket.write(requestText());
    const { flow } = await gateway.user.requests.next();
    await phone.readUntil('\r\n\r\n');
    flow.send(Buffer.from('farewell'));
    flow.close('test');
    expect(flow.open).toBe(false);
    expect(await phone.closed).toBe('farewell');
    expect((await gateway.user.closed.next()).reason).toBe('test');
  });

  it('destroys the socket of a peer that does not close its side within closeTimeoutMs', async () => {
    const { gateway, clock } = await setUp({ closeTimeoutMs: 2_000 });
    // Half-open clients keep their side; only a reset ends them.
    const stubborn = connect({ port: gateway.port('tcp'), host: '127.0.0.1', allowHalfOpen: true });
    const ended = new Promise<void>((resolve) => stubborn.once('end', resolve));
    stubborn.on('error', () => {});
    stubborn.resume();
    const flow = await gateway.user.opened.next();
    flow.close('test');
    await ended;
    expect(gateway.layer.stats().connections).toBe(2);
    clock.advance(2_000);
    while (gateway.layer.stats().connections > 1) await new Promise(setImmediate);
    stubborn.destroy();
  });
});

describe('outbound TCP', () => {
  const servers: Server[] = [];

  afterEach(async () => {
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  });

  it('connects, takes requests and responses there, and uses the connection again (RFC 3261 §18)', async () => {
    const peer = await startLayer({ listen: ['tcp'] });
    const gateway = await startLayer({ listen: [] });
    opened.push(gateway.layer, peer.layer);
    const target = { transport: 'tcp', address: '127.0.0.1', port: peer.port('tcp') } as const;
    const [flow, same] = await Promise.all([gateway.layer.connect(target), gateway.layer.connect(target)]);
    expect(same).toBe(flow);
    expect(await gateway.layer.connect(target)).toBe(flow);
    expect(flow.remote).toEqual({ address: '127.0.0.1', port: target.port });
    flow.send(Buffer.from(requestText()));
    expect((await gateway.user.responses.next()).message.status).toBe(200);
    const reverse = (await peer.user.requests.next()).flow;
    reverse.send(Buffer.from(requestText()));
    expect((await gateway.user.requests.next()).flow).toBe(flow);
    expect(gateway.layer.flow(flow.id)).toBe(flow);

    reverse.close('test');
    expect((await gateway.user.closed.next()).reason).toBe('peer-closed');
    expect(await gateway.layer.connect(target)).not.toBe(flow);
  });

  it('reports a refused connection with its address, and dials anew the next time', async () => {
    const gateway = await startLayer({ listen: [] });
    opened.push(gateway.layer);
    const server = createServer((socket) => socket.on('error', () => {}).resume());
    const port = await listenAnywhere(server);
    await new Promise((resolve) => server.close(resolve));
    const target = { transport: 'tcp', address: '127.0.0.1', port } as const;
    await expect(gateway.layer.connect(target)).rejects.toMatchObject({
      code: 'connection-refused',
      address: `tcp://127.0.0.1:${port}`,
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const flow = await gateway.layer.connect(target);
    expect(flow.open).toBe(true);
    flow.close('test');
  });

  it('gives up after connectTimeoutMs', async () => {
    const clock = new FakeClock();
    const gateway = await startLayer({ listen: [], clock, limits: { connectTimeoutMs: 5_000 } });
    opened.push(gateway.layer);
    // A TLS handshake with a server that says nothing.
    const server = createServer();
    servers.push(server);
    const accepted = new Promise<void>((resolve) =>
      server.once('connection', (socket) => {
        socket.on('error', () => {});
        socket.resume();
        resolve();
      }),
    );
    const port = await listenAnywhere(server);
    const connecting = gateway.layer.connect({ transport: 'tls', address: '127.0.0.1', port });
    await accepted;
    clock.advance(5_000);
    await expect(connecting).rejects.toMatchObject({ code: 'timeout' });
  });

  it('ends attempts that are under way when the layer closes', async () => {
    const gateway = await startLayer({ listen: [] });
    const server = createServer((socket) => socket.on('error', () => {}).resume());
    servers.push(server);
    const port = await listenAnywhere(server);
    const connecting = gateway.layer.connect({ transport: 'tls', address: '127.0.0.1', port });
    const outcome = expect(connecting).rejects.toMatchObject({ code: 'closed' });
    await gateway.layer.close();
    await outcome;
  });
});
