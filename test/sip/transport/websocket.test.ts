import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  connectTcp,
  Queue,
  requestText,
  startLayer,
  type TestLayer,
  type TestLayerOptions,
} from './support.ts';

class WebSocketPhone {
  readonly webSocket: WebSocket;
  readonly messages: Queue<{ readonly text: string; readonly binary: boolean }> = new Queue();
  readonly closed: Promise<number>;

  constructor(webSocket: WebSocket) {
    this.webSocket = webSocket;
    webSocket.on('message', (data: Buffer, binary) =>
      this.messages.push({ text: data.toString('latin1'), binary }),
    );
    webSocket.on('error', () => {});
    this.closed = new Promise((resolve) => webSocket.once('close', resolve));
  }
}

const layers: TestLayer[] = [];
const phones: WebSocketPhone[] = [];

afterEach(async () => {
  for (const phone of phones.splice(0)) phone.webSocket.terminate();
  for (const { layer } of layers.splice(0)) await layer.close();
});

async function gatewayWith(options: Partial<TestLayerOptions> = {}): Promise<TestLayer> {
  const gateway = await startLayer({ listen: ['ws'], ...options });
  layers.push(gateway);
  return gateway;
}

function dial(gateway: TestLayer, protocol: string | undefined = 'sip', origin?: string): WebSocketPhone {
  const url = `ws://127.0.0.1:${gateway.port('ws')}`;
  const webSocket = new WebSocket(
    url,
    protocol === '' ? [] : protocol,
    origin === undefined ? {} : { origin },
  );
  const phone = new WebSocketPhone(webSocket);
  phones.push(phone);
  return phone;
}

async function connected(gateway: TestLayer): Promise<WebSocketPhone> {
  const phone = dial(gateway);
  await once(phone.webSocket, 'open');
  return phone;
}

/** The HTTP status of a refused upgrade, 101 for a granted one. */
async function upgradeStatus(phone: WebSocketPhone): Promise<number> {
  return await new Promise((resolve) => {
    phone.webSocket.once('open', () => resolve(101));
    phone.webSocket.once('unexpected-response', (request, response) => {
      request.destroy();
      resolve(response.statusCode ?? 0);
    });
  });
}

const webSocketVia = 'SIP/2.0/WS df7jal23ls0d.invalid;rport';

describe('WebSocket (RFC 7118)', () => {
  it('agrees on the subprotocol sip and answers a text frame in a text frame', async () => {
    const gateway = await gatewayWith();
    const phone = await connected(gateway);
    expect(phone.webSocket.protocol).toBe('sip');
    phone.webSocket.send(requestText({ via: webSocketVia }));
    const answer = await phone.messages.next();
    expect(answer.binary).toBe(false);
    expect(answer.text).toMatch(/^SIP\/2.0 200 OK/);
    const { flow, message } = await gateway.user.requests.next();
    expect(flow).toMatchObject({ transport: 'ws', reliable: true, secure: false, open: true });
    expect(message.via).toMatchObject({ received: '127.0.0.1', rport: flow.remote.port });
    expect(gateway.layer.flow(flow.id)).toBe(flow);
  });

  it('takes binary frames, and sends what is not UTF-8 in one', async () => {
    const gateway = await gatewayWith();
    const phone = await connected(gateway);
    phone.webSocket.send(Buffer.from(requestText({ via: webSocketVia })));
    expect((await phone.messages.next()).text).toMatch(/^SIP\/2.0 200 OK/);
    const { flow } = await gateway.user.requests.next();
    flow.send(Buffer.from('abc\xff', 'latin1'));
    expect(await phone.messages.next()).toEqual({ text: 'abc\xff', binary: true });
  });

  it('takes a message without Content-Length: the frame ends it (§5.2)', async () => {
    const gateway = await gatewayWith();
    const phone = await connected(gateway);
    phone.webSocket.send(
      requestText({ via: webSocketVia, body: 'abc' }).replace('Content-Length: 3\r\n', ''),
    );
    const { message } = await gateway.user.requests.next();
    expect(Buffer.from(message.body).toString()).toBe('abc');
  });

  it('sees to many that end at once in turns, however long that takes', async () => {
    const clock = new FakeClock();
    const gateway = await gatewayWith({ clock, limits: { closeTimeoutMs: 1 } });
    const many = await Promise.all(Array.from({ length: 300 }, () => connected(gateway)));
    for (const { webSocket } of many) webSocket.terminate();
    for (let told = 0; told < many.length; told++) {
      expect((await gateway.user.closed.next()).reason).toBe('peer-closed');
      clock.advance(1_000);
    }
    while (gateway.layer.stats().connections > 0) await new Promise(setImmediate);
  });

  it.each(['', 'chat', 'sip2'])('refuses the subprotocol "%s" with HTTP 400', async (protocol) => {
    const gateway = await gatewayWith();
    expect(await upgradeStatus(dial(gateway, protocol))).toBe(400);
    expect(gateway.layer.stats().transports.ws.refused).toMatchObject({ subprotocol: 1 });
  });

  it('refuses a foreign Origin with HTTP 403 where origins are configured', async () => {
    const gateway = await gatewayWith({ wsOrigins: ['https://phone.example'] });
    expect(await upgradeStatus(dial(gateway, 'sip', 'https://evil.example'))).toBe(403);
    expect(await upgradeStatus(dial(gateway, 'sip', 'https://Phone.example'))).toBe(101);
    expect(await upgradeStatus(dial(gateway, 'sip'))).toBe(101);
    const open = await gatewayWith();
    expect(await upgradeStatus(dial(open, 'sip', 'https://anywhere.example'))).toBe(101);
  });

  it('tells plain HTTP that this port is for WebSocket', async () => {
    const gateway = await gatewayWith();
    const client = await connectTcp(gateway.port('ws'));
    client.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await client.closed).toMatch(/^HTTP\/1.1 426 /);
  });

  it('answers 400 to two messages in one frame and closes', async () => {
    const gateway = await gatewayWith();
    const phone = await connected(gateway);
    phone.webSocket.send(requestText({ via: webSocketVia }) + requestText({ via: webSocketVia }));
    expect((await phone.messages.next()).text).toMatch(/^SIP\/2.0 400 /);
    expect(await phone.closed).toBe(1002);
    expect(gateway.user.requests.size).toBe(0);
    expect((await gateway.user.closed.next()).reason).toBe('malformed');
  });

  it('closes with 1009 above maxMessageBytes', async () => {
    const gateway = await gatewayWith();
    const phone = await connected(gateway);
    phone.webSocket.send(requestText({ via: webSocketVia, body: 'x'.repeat(70_000) }));
    expect(await phone.closed).toBe(1009);
    expect((await gateway.user.closed.next()).reason).toBe('malformed');
  });

  it('closes with 1007 for a text frame that is not UTF-8', async () => {
    const gateway = await gatewayWith();
    const phone = await connected(gateway);
    phone.webSocket.send(Buffer.from([0xc3, 0x28]), { binary: false });
    expect(await phone.closed).toBe(1007);
  });

  it.each(['\r\n', '\r\n\r\n'])(
    'answers the keepalive %j with one CRLF frame and sends none unasked',
    async (keepalive) => {
      const clock = new FakeClock();
      const gateway = await gatewayWith({ clock });
      const phone = await connected(gateway);
      phone.webSocket.send(keepalive);
      expect(await phone.messages.next()).toEqual({ text: '\r\n', binary: false });
      clock.advance(5_000);
      phone.webSocket.send(requestText({ via: webSocketVia }));
      expect((await phone.messages.next()).text).toMatch(/^SIP\/2.0 200/);
    },
  );

  it('pings a silent phone and keeps it as long as it answers (RFC 6455 §5.5.2)', async () => {
    const clock = new FakeClock();
    const gateway = await gatewayWith({ clock });
    const phone = await connected(gateway);
    await gateway.user.opened.next();
    for (let round = 0; round < 5; round++) {
      const pinged = once(phone.webSocket, 'ping');
      clock.advance(20_000);
      await pinged;
      // A message behind the pong proves that the pong has arrived.
      phone.webSocket.send(requestText({ via: webSocketVia }));
      await phone.messages.next();
    }
    clock.advance(9_000);
    expect(gateway.user.closed.size).toBe(0);
  });

  it('finds a dead phone within pingIntervalMs + pongTimeoutMs', async () => {
    const clock = new FakeClock();
    const gateway = await gatewayWith({ clock, limits: { pingIntervalMs: 20_000, pongTimeoutMs: 10_000 } });
    const phone = dial(gateway);
    await once(phone.webSocket, 'open');
    const flow = await gateway.user.opened.next();
    phone.webSocket.pause();
    clock.advance(25_000);
    expect(gateway.user.closed.size).toBe(0);
    clock.advance(5_000);
    expect(await gateway.user.closed.next()).toEqual({ flow, reason: 'pong-timeout' });
    expect(gateway.layer.flow(flow.id)).toBeUndefined();
  });

  it('closes a phone that sends one byte a second within 10 s', async () => {
    const clock = new FakeClock();
    const gateway = await gatewayWith({ clock });
    const client = await connectTcp(gateway.port('ws'));
    const key = Buffer.alloc(16).toString('base64');
    client.socket.write(
      `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    await client.readUntil('\r\n\r\n');
    await gateway.user.opened.next();
    // Header of a masked text frame of 125 bytes, then its payload byte by byte.
    const bytes = Buffer.alloc(131, 'a');
    bytes.writeUInt16BE(0x81fd);
    let seconds = 0;
    for (const byte of bytes) {
      client.socket.write(Buffer.of(byte));
      // Two turns through the loopback: the byte is there before the clock moves.
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      clock.advance(1_000);
      seconds++;
      if (gateway.user.closed.size > 0) break;
    }
    expect((await gateway.user.closed.next()).reason).toBe('message-timeout');
    expect(seconds).toBeLessThanOrEqual(10);
    client.socket.destroy();
  });

  it('ends a handshake that does not come to an end within firstByteTimeoutMs', async () => {
    const clock = new FakeClock();
    const gateway = await gatewayWith({ clock, limits: { firstByteTimeoutMs: 5_000 } });
    const client = await connectTcp(gateway.port('ws'));
    client.socket.write('GET / HTTP/1.1\r\nX-Slow: ');
    while (gateway.layer.stats().connections === 0) await new Promise(setImmediate);
    clock.advance(6_000);
    await client.closed;
    expect(gateway.layer.stats().transports.ws.refused).toEqual({ handshake: 1 });
  });

  it('says 1001 to its phones when it closes', async () => {
    const gateway = await gatewayWith();
    const phone = await connected(gateway);
    await gateway.user.opened.next();
    await gateway.layer.close();
    expect(await phone.closed).toBe(1001);
    expect((await gateway.user.closed.next()).reason).toBe('shutdown');
  });
});
