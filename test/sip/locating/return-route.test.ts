import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger, systemClock, systemRandom } from '../../../src/base/index.ts';
import { DnsNames, defaultLocatingLimits, Locator, ReturnRouting } from '../../../src/sip/locating/index.ts';
import { createResponse, type SipRequest } from '../../../src/sip/message/index.ts';
import { type ServerTransaction, TransactionLayer } from '../../../src/sip/transaction/index.ts';
import {
  defaultTransportLimits,
  type Flow,
  type ListenAddress,
  TransportLayer,
} from '../../../src/sip/transport/index.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { until } from '../../support/until.ts';
import { Queue } from '../transport/support.ts';

/** A peer's own listener: what comes on new connections. */
class PeerListener {
  readonly received: Queue<string> = new Queue();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('data', (chunk: Buffer) => this.received.push(chunk.toString('latin1')));
    });
  }

  static async open(host: string): Promise<PeerListener> {
    const server = createServer();
    server.listen(0, host);
    await once(server, 'listening');
    return new PeerListener(server);
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

let dns: DnsServer;
let listening: readonly ListenAddress[];
let trusted = true;
const asked: Queue<ServerTransaction> = new Queue();
const failed: Queue<ServerTransaction> = new Queue();
const cancelled: Queue<ServerTransaction> = new Queue();
const lost: Queue<string> = new Queue();
const closing: (() => Promise<void> | void)[] = [];

beforeEach(async () => {
  trusted = true;
  dns = await DnsServer.open();
  const transport = new TransportLayer({
    listen: [
      { transport: 'udp', host: '127.0.0.1', port: 0 },
      { transport: 'tcp', host: '127.0.0.1', port: 0 },
    ],
    limits: defaultTransportLimits,
    clock: systemClock,
    logger: silentLogger,
  });
  const locator = new Locator({
    names: new DnsNames({ servers: [dns.address], timeoutMs: 500, tries: 1 }),
    clock: systemClock,
    random: systemRandom,
    limits: defaultLocatingLimits,
    transports: ['udp', 'tcp', 'tls'],
  });
  const logger = { ...silentLogger, warn: (_: unknown, message: string): void => lost.push(message) };
  const layer = new TransactionLayer({
    transport: new ReturnRouting({ transport, locator, trustsVia: () => trusted, logger }),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  listening = await layer.start({
    onRequest: (_, transaction) => asked.push(transaction),
    onCancel: (_, transaction) => cancelled.push(transaction),
    onAck: () => {},
    onStrayResponse: () => {},
    onTransportError: (transaction) => failed.push(transaction),
  });
  closing.push(
    () => dns.close(),
    () => locator.close(),
    () => transport.close(),
    () => layer.close(),
  );
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function portOf(transport: string): number {
  return listening.find((address) => address.transport === transport)?.port ?? 0;
}

function request(method: string, via: string): string {
  return [
    `${method} sip:bob@127.0.0.1 SIP/2.0`,
    `Via: ${via};branch=z9hG4bKreturn`,
    'From: <sip:pbx@pbx.example>;tag=1',
    'To: <sip:bob@127.0.0.1>',
    'Call-ID: return',
    `CSeq: 1 ${method}`,
    'Max-Forwards: 70',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

/** Sends a request over TCP, and takes its transaction. */
async function askOverTcp(text: string): Promise<{ socket: Socket; transaction: ServerTransaction }> {
  const socket = connect(portOf('tcp'), '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(text);
  return { socket, transaction: await asked.next() };
}

async function hangUp(socket: Socket, transaction: ServerTransaction): Promise<void> {
  const raw = transaction.flow;
  socket.destroy();
  // The connection is gone once a second one, opened after it, has been served.
  await once(socket, 'close');
  const probe = await askOverTcp(request('OPTIONS', 'SIP/2.0/TCP 127.0.0.1:9'));
  probe.transaction.abandon();
  probe.socket.destroy();
  expect(raw.id).not.toBe(probe.transaction.flow.id);
}

describe('a response whose connection is gone (RFC 3261 §18.2.2)', () => {
  it('goes to the source address at the port in sent-by, and the transaction lives on until then', async () => {
    const peer = await PeerListener.open('127.0.0.1');
    closing.push(() => peer.close());
    const { socket, transaction } = await askOverTcp(
      request('INVITE', `SIP/2.0/TCP pbx.example:${peer.port}`),
    );
    await hangUp(socket, transaction);
    transaction.respond(createResponse(transaction.request, 180, undefined, { toTag: 'x' }));
    transaction.respond(createResponse(transaction.request, 486, undefined, { toTag: 'x' }));
    let text = await peer.received.next();
    while (!text.includes('486')) text += await peer.received.next();
    expect(text.indexOf('SIP/2.0 180')).toBe(0);
    expect(failed.size).toBe(0);
  });

  it('goes where the name in sent-by leads when nobody listens at the source (RFC 3263 §5)', async () => {
    const peer = await PeerListener.open('127.0.0.3');
    closing.push(() => peer.close());
    dns.srv('_sip._tcp.pbx.example', { priority: 0, weight: 0, port: peer.port, target: 'b.pbx.example' });
    dns.a('b.pbx.example', '127.0.0.3');
    // Without a port in sent-by: first the source at 5060, where nobody is, then the SRV record.
    const { socket, transaction } = await askOverTcp(request('INVITE', 'SIP/2.0/TCP pbx.example'));
    await hangUp(socket, transaction);
    transaction.respond(createResponse(transaction.request, 603, undefined, { toTag: 'x' }));
    expect(await peer.received.next()).toMatch(/^SIP\/2\.0 603 /);
  });

  it('fails its request, with a word in the log, as soon as it is known to lead nowhere', async () => {
    const { socket, transaction } = await askOverTcp(request('INVITE', 'SIP/2.0/TCP nobody.example'));
    socket.destroy();
    expect((await failed.next()).request.callId).toBe(transaction.request.callId);
    expect(await lost.next()).toBe('a response cannot be returned to its peer');
    expect(transaction.flow.open).toBe(false);
  });

  it('goes nowhere for a source whose Via is not trusted: its request has failed', async () => {
    trusted = false;
    const peer = await PeerListener.open('127.0.0.1');
    closing.push(() => peer.close());
    const { socket, transaction } = await askOverTcp(request('INVITE', `SIP/2.0/TCP 127.0.0.1:${peer.port}`));
    socket.destroy();
    expect((await failed.next()).request.callId).toBe(transaction.request.callId);
    expect(peer.received.size).toBe(0);
  });

  it('may be cancelled from another connection of the same peer', async () => {
    const via = 'SIP/2.0/TCP 127.0.0.1:5999';
    const { socket, transaction } = await askOverTcp(request('INVITE', via));
    socket.destroy();
    const second = connect(portOf('tcp'), '127.0.0.1');
    await once(second, 'connect');
    second.write(request('CANCEL', via));
    const [answer] = (await once(second, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^SIP\/2\.0 200 /);
    expect((await cancelled.next()).request.callId).toBe(transaction.request.callId);
    second.destroy();
  });
});

describe('a response over UDP (RFC 3261 §18.2.2, RFC 3581 §4)', () => {
  async function udpPair(): Promise<{
    sender: ReturnType<typeof createSocket>;
    listener: ReturnType<typeof createSocket>;
  }> {
    const [sender, listener] = [createSocket('udp4'), createSocket('udp4')];
    for (const socket of [sender, listener]) {
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      closing.push(() => void socket.close());
    }
    return { sender, listener };
  }

  it.each([
    ['to the port in sent-by when a trusted peer asks for no rport', true, '', 'listener'],
    ['to the source port when it does', true, ';rport', 'sender'],
    ['to the source port for anybody else', false, '', 'sender'],
  ] as const)('goes %s', async (_, trusts, rport, where) => {
    trusted = trusts;
    const sockets = await udpPair();
    const via = `SIP/2.0/UDP 127.0.0.1:${sockets.listener.address().port}${rport}`;
    const answered = once(sockets[where], 'message');
    sockets.sender.send(request('OPTIONS', via), portOf('udp'), '127.0.0.1');
    const transaction = await asked.next();
    transaction.respond(createResponse(transaction.request, 200, undefined, { toTag: 'x' }));
    const [datagram] = (await answered) as [Buffer];
    expect(datagram.toString()).toMatch(/^SIP\/2\.0 200 /);
  });
});

describe('what is kept of a request to find the way back', () => {
  it('does not keep the request, for as long as a transaction of it may linger', async () => {
    const transport = new TransportLayer({
      listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
      limits: defaultTransportLimits,
      clock: systemClock,
      logger: silentLogger,
    });
    const names = new DnsNames({ servers: [dns.address], timeoutMs: 500, tries: 1 });
    const locator = new Locator({
      ...{ names, clock: systemClock, random: systemRandom },
      ...{ limits: defaultLocatingLimits, transports: ['udp'] },
    });
    const came: Queue<{ readonly request: WeakRef<SipRequest>; readonly flow: Flow }> = new Queue();
    const routing = new ReturnRouting({ transport, locator, trustsVia: () => true, logger: silentLogger });
    const [address] = await routing.start({
      onRequest: (request, flow) => came.push({ request: new WeakRef(request), flow }),
      onResponse: () => {},
      onFlowClosed: () => {},
    });
    closing.push(
      () => locator.close(),
      () => transport.close(),
    );
    const phone = createSocket('udp4');
    closing.push(() => void phone.close());
    phone.send(request('OPTIONS', 'SIP/2.0/UDP 127.0.0.1'), address?.port ?? 0, '127.0.0.1');
    const { request: kept, flow } = await came.next();
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    await until('the request is forgotten', () => {
      collectGarbage();
      return kept.deref() === undefined;
    });
    expect(flow.open).toBe(true);
  });
});
