/**
 * CPU microseconds per call through transaction layer and proxy, without sockets, policy and records: INVITE, 180, 200,
 * ACK, BYE, 200, each parsed and serialised as on the wire. `node bench/proxy.ts [calls]`
 */
import { silentLogger, systemClock, systemRandom } from '../src/base/index.ts';
import {
  createRequest,
  createResponse,
  createVia,
  defaultMessageLimits,
  headerField,
  headerItems,
  headerValue,
  parseMessage,
  parseNameAddr,
  replaceTopVia,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  serializeMessage,
  withViaSource,
} from '../src/sip/message/index.ts';
import { decideByToken, FlowTokens, ProxyCore } from '../src/sip/proxy/index.ts';
import { TransactionLayer } from '../src/sip/transaction/index.ts';
import type { Flow, TransportUser } from '../src/sip/transport/index.ts';

const calls = Number(process.argv[2] ?? 20_000);
const rounds = 5;

/** The gateway's end of a UDP flow; `receive` gets the bytes that it sends. */
class BenchFlow implements Flow {
  readonly transport = 'udp';
  readonly reliable = false;
  readonly secure = false;
  readonly open = true;
  readonly local = { address: '198.51.100.1', port: 5060 };
  readonly peerCertificate = undefined;
  readonly id: string;
  readonly remote: { readonly address: string; readonly port: number };
  readonly sent: Uint8Array[] = [];

  constructor(id: string, address: string) {
    this.id = id;
    this.remote = { address, port: 5066 };
  }

  send(message: SipMessage | Uint8Array): boolean {
    this.sent.push(message instanceof Uint8Array ? message : serializeMessage(message));
    return true;
  }

  close(): void {}

  /** The last message that came out of the gateway. */
  last(): Uint8Array {
    const bytes = this.sent.at(-1);
    this.sent.length = 0;
    if (bytes === undefined) throw new Error('the gateway sent nothing');
    return bytes;
  }
}

let user: TransportUser | undefined;
const layer = new TransactionLayer({
  transport: {
    start: (up) => {
      user = up;
      return Promise.resolve();
    },
  },
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  // The bench makes more calls than any gateway has at one time.
  limits: { maxTransactions: 10_000_000, retryAfterSeconds: 5 },
});
const alice = new BenchFlow('u.alice.192.0.2.1.5066', '192.0.2.1');
const bob = new BenchFlow('u.bob.192.0.2.2.5066', '192.0.2.2');
const flows = new Map<string, Flow>([alice, bob].map((flow) => [flow.id, flow]));
const proxy = new ProxyCore({
  transactions: layer,
  tokens: new FlowTokens({
    keys: [{ id: 1, secret: systemRandom.bytes(32) }],
    node: 'bench',
    random: systemRandom,
  }),
  random: systemRandom,
  logger: silentLogger,
  isOwnAddress: (host) => host === '198.51.100.1',
  policy: {
    onRequest: () => ({
      kind: 'forward',
      targets: [{ flow: bob, requestUri: 'sip:bob@192.0.2.2:5066', qValue: 1000, identity: 'b'.repeat(52) }],
      recordRoute: true,
      callerIdentity: 'a'.repeat(52),
    }),
    onInDialog: (request, source, token) => decideByToken(request, source, token, (id) => flows.get(id)),
  },
});
await layer.start(proxy);

/** A datagram from its bytes to the bytes that leave. */
function arrive(bytes: Uint8Array, flow: Flow): void {
  const message = parseMessage(bytes, defaultMessageLimits);
  if (message.kind === 'response') user?.onResponse(message, flow);
  else {
    const via = withViaSource(message.via, flow.remote.address, flow.remote.port);
    user?.onRequest(replaceTopVia(message, via), flow);
  }
}

const contactOf = (name: string): string => `<sip:${name}@10.0.0.1:5066>`;
let serial = 0;

function requestOf(
  method: string,
  cseq: number,
  callId: string,
  uri: string,
  to: string,
  routes: readonly string[],
): SipRequest {
  return createRequest({
    method,
    uri,
    via: createVia({
      transport: 'udp',
      host: '10.0.0.1',
      port: 5066,
      branch: `alice-${++serial}`,
      rport: true,
    }),
    from: '<sip:alice@example.com>;tag=a1b2c3',
    to,
    callId,
    cseq,
    headers: [
      headerField('Contact', contactOf('alice')),
      ...routes.map((route) => headerField('Route', route)),
    ],
  });
}

function answer(request: SipRequest, status: number): SipResponse {
  const routes = request.headers.filter(({ name }) => name === 'record-route');
  const headers = [...routes, headerField('Contact', contactOf('bob'))];
  return createResponse(request, status, undefined, { toTag: 'bobtag', headers });
}

function request(bytes: Uint8Array): SipRequest {
  const message = parseMessage(bytes, defaultMessageLimits);
  if (message.kind !== 'request') throw new Error('expected a request');
  return message;
}

function call(number: number): void {
  const callId = `bench-${number}@10.0.0.1`;
  arrive(
    serializeMessage(requestOf('INVITE', 1, callId, 'sip:bob@example.com', '<sip:bob@example.com>', [])),
    alice,
  );
  const invite = request(bob.last());
  arrive(serializeMessage(answer(invite, 180)), bob);
  arrive(serializeMessage(answer(invite, 200)), bob);
  const ok = parseMessage(alice.last(), defaultMessageLimits);
  const routes = headerItems(ok, 'record-route').reverse();
  const to = headerValue(ok, 'to') ?? '';
  const target = parseNameAddr(headerValue(ok, 'contact') ?? '').uri;
  arrive(serializeMessage(requestOf('ACK', 1, callId, target, to, routes)), alice);
  bob.last();
  arrive(serializeMessage(requestOf('BYE', 2, callId, target, to, routes)), alice);
  arrive(serializeMessage(answer(request(bob.last()), 200)), bob);
  alice.last();
}

let best = Number.POSITIVE_INFINITY;
let number = 0;
for (let round = 0; round < rounds; round++) {
  const before = process.cpuUsage();
  for (let i = 0; i < calls; i++) call(++number);
  const { user: userUs, system } = process.cpuUsage(before);
  best = Math.min(best, (userUs + system) / calls);
  // Half a minute of lingering transactions is not part of the question.
  layer.close();
}
console.log(`${best.toFixed(1)} us of CPU per call (phones included), best of ${rounds} times ${calls}`);
process.exit(0);
