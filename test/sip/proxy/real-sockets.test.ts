import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { silentLogger, systemClock, systemRandom } from '../../../src/base/index.ts';
import {
  createRequest,
  createResponse,
  createVia,
  defaultMessageLimits,
  headerField,
  parseMessage,
  type SipMessage,
  type SipRequest,
  StreamFramer,
  serializeMessage,
} from '../../../src/sip/message/index.ts';
import { decideByToken, FlowTokens, ProxyCore } from '../../../src/sip/proxy/index.ts';
import { TransactionLayer } from '../../../src/sip/transaction/index.ts';
import { defaultTransportLimits, type Flow, TransportLayer } from '../../../src/sip/transport/index.ts';
import { callerDialog } from '../../support/memory-phone.ts';

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Messages that arrived, and a way to wait for the next one. */
class Inbox {
  readonly #messages: SipMessage[] = [];
  readonly #waiting: ((message: SipMessage) => void)[] = [];
  put(message: SipMessage): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#messages.push(message);
    else waiting(message);
  }
  next(): Promise<SipMessage> {
    const message = this.#messages.shift();
    return message === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(message);
  }
  async request(): Promise<SipRequest> {
    const message = await this.next();
    if (message.kind !== 'request') throw new Error('expected a request');
    return message;
  }
  async status(): Promise<number> {
    const message = await this.next();
    return message.kind === 'response' ? message.status : 0;
  }
}

async function udpPhone(
  port: number,
): Promise<{ inbox: Inbox; send(message: SipMessage): void; port: number }> {
  const socket: UdpSocket = createSocket('udp4');
  const inbox = new Inbox();
  socket.on('message', (bytes) => inbox.put(parseMessage(bytes, defaultMessageLimits)));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  closers.push(() => void socket.close());
  return {
    inbox,
    port: socket.address().port,
    send: (message) => socket.send(serializeMessage(message), port, '127.0.0.1'),
  };
}

async function tcpPhone(port: number): Promise<{ inbox: Inbox; send(message: SipMessage): void }> {
  const socket: Socket = connect(port, '127.0.0.1');
  const inbox = new Inbox();
  const framer = new StreamFramer(defaultMessageLimits);
  socket.on('data', (chunk) => {
    framer.push(Buffer.from(chunk));
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
      if (typeof frame !== 'string') inbox.put(parseMessage(frame, defaultMessageLimits));
    }
  });
  await once(socket, 'connect');
  closers.push(() => void socket.destroy());
  return { inbox, send: (message) => void socket.write(serializeMessage(message)) };
}

function request(
  method: string,
  transport: string,
  port: number,
  more: { routes?: readonly string[]; to?: string; uri?: string } = {},
): SipRequest {
  return createRequest({
    method,
    uri: more.uri ?? 'sip:bob@example.com',
    via: createVia({ transport, host: '127.0.0.1', port, branch: `test-${method}`, rport: true }),
    from: '<sip:alice@example.com>;tag=a',
    to: more.to ?? '<sip:bob@example.com>',
    callId: 'real-call',
    cseq: method === 'BYE' ? 2 : 1,
    headers: [
      headerField('Contact', `<sip:alice@127.0.0.1:${port}>`),
      ...(more.routes ?? []).map((route) => headerField('Route', route)),
    ],
  });
}

it('a call over real sockets: UDP caller, TCP callee, ACK and BYE along the double Record-Route', async () => {
  const transport = new TransportLayer({
    listen: [
      { transport: 'udp', host: '127.0.0.1', port: 0 },
      { transport: 'tcp', host: '127.0.0.1', port: 0 },
    ],
    limits: defaultTransportLimits,
    clock: systemClock,
    logger: silentLogger,
  });
  const layer = new TransactionLayer({
    transport,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  let callee: Flow | undefined;
  const proxy = new ProxyCore({
    transactions: layer,
    tokens: new FlowTokens({
      keys: [{ id: 1, secret: systemRandom.bytes(32) }],
      node: 'gw',
      random: systemRandom,
    }),
    random: systemRandom,
    logger: silentLogger,
    isOwnAddress: () => false,
    policy: {
      onRequest: (received, { flow }) => {
        if (received.method === 'OPTIONS') callee = flow;
        if (received.method === 'OPTIONS' || callee === undefined) return { kind: 'respond', status: 200 };
        return {
          kind: 'forward',
          targets: [{ flow: callee, requestUri: 'sip:bob@10.0.0.1', qValue: 1000 }],
          recordRoute: true,
        };
      },
      onInDialog: (received, source, token) =>
        decideByToken(received, source, token, (id) => transport.flow(id)),
    },
  });
  const [udp, tcp] = await layer.start(proxy);
  closers.push(() => transport.close());
  if (udp === undefined || tcp === undefined) throw new Error('not listening');
  const alice = await udpPhone(udp.port);
  const bob = await tcpPhone(tcp.port);
  bob.send(request('OPTIONS', 'TCP', 1));
  expect(await bob.inbox.status()).toBe(200);

  alice.send(request('INVITE', 'UDP', alice.port));
  expect(await alice.inbox.status()).toBe(100);
  const invite = await bob.inbox.request();
  const routes = invite.headers.filter(({ name }) => name === 'record-route');
  expect(routes).toHaveLength(2);
  const contact = headerField('Contact', '<sip:bob@10.0.0.1>');
  bob.send(createResponse(invite, 200, undefined, { toTag: 'b', headers: [...routes, contact] }));
  const answer = await alice.inbox.next();
  if (answer.kind !== 'response') throw new Error('expected a response');
  expect(answer.status).toBe(200);

  const dialog = callerDialog(answer);
  const inDialog = { routes: dialog.routes, to: dialog.remote, uri: dialog.target };
  alice.send(request('ACK', 'UDP', alice.port, inDialog));
  expect((await bob.inbox.request()).method).toBe('ACK');
  alice.send(request('BYE', 'UDP', alice.port, inDialog));
  const bye = await bob.inbox.request();
  expect(bye.method).toBe('BYE');
  bob.send(createResponse(bye, 200));
  expect(await alice.inbox.status()).toBe(200);
  layer.close();
  expect(layer.counts().timers).toBe(0);
});
