import type { Clock } from '../../src/base/index.ts';
import { randomId, systemClock, systemRandom } from '../../src/base/index.ts';
import {
  answerChallenge,
  appendHeaders,
  createRequest,
  createResponse,
  createVia,
  type HeaderField,
  headerField,
  headerItems,
  headerValue,
  headerValues,
  parseNameAddr,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  serializeMessage,
} from '../../src/sip/index.ts';
import { IntentSigner } from '../../src/softphone/index.ts';
import type { IdentityToken, SigningKey } from '../../src/tokens/index.ts';
import { SipInbox } from './sip-inbox.ts';
import { openUdp, openWire, type Wire, type WireTransport } from './sip-wire.ts';

export interface KeyIdentity {
  readonly token: IdentityToken;
  readonly key: SigningKey;
}

export interface AgentOptions {
  /** The gateway's port for `transport`. */
  readonly port: number;
  readonly transport: WireTransport;
  readonly domain: string;
  /** User part of its address. */
  readonly user: string;
  /** Signs each request that it builds. */
  readonly identity?: KeyIdentity;
  /** Answers challenges. */
  readonly password?: string;
  /** Digest user name, where it is not `user`. */
  readonly username?: string;
  readonly clock?: Clock;
  /** UDP only: comes back on the address that it had before. */
  readonly localPort?: number;
}

export interface RequestOptions {
  readonly headers?: readonly HeaderField[];
  readonly from?: string;
  readonly to?: string;
  /** Instead of the agent's own; empty for none. */
  readonly contact?: string;
  readonly callId?: string;
  readonly cseq?: number;
  readonly maxForwards?: number;
  readonly body?: string;
  readonly contentType?: string;
  /** False leaves the identity's token away. */
  readonly signed?: boolean;
  /** The declared intent of a device that signs. */
  readonly intent?: string;
}

/** One side's view of a dialog (RFC 3261 §12). */
export interface Dialog {
  readonly callId: string;
  readonly local: string;
  readonly remote: string;
  readonly target: string;
  readonly routes: readonly string[];
  /** The INVITE's number: its ACK repeats it. */
  readonly inviteCSeq: number;
}

/** A user agent on a real socket that does only what a test tells it to. */
export class SipAgent {
  readonly inbox: SipInbox;
  readonly user: string;
  readonly domain: string;
  readonly signer: IntentSigner | undefined;
  readonly tag: string = randomId(systemRandom, 40);
  readonly #options: AgentOptions;
  readonly #wire: Wire;
  #cseq = 0;
  /** A connection on which it has registered speaks for it: there is no further challenge (design §5). */
  #proved = false;
  #intent: string | undefined;

  private constructor(options: AgentOptions, wire: Wire, inbox: SipInbox) {
    const { identity, user, domain, clock } = options;
    this.#options = options;
    this.#wire = wire;
    this.inbox = inbox;
    this.user = user;
    this.domain = domain;
    this.signer =
      identity &&
      new IntentSigner({
        ...identity,
        clock: clock ?? systemClock,
        random: systemRandom,
        declaredIntent: () => this.#intent,
      });
  }

  static async open(options: AgentOptions): Promise<SipAgent> {
    const { user, transport, port, localPort } = options;
    const inbox = new SipInbox(user);
    const receive = (message: SipMessage): void => inbox.arrive(message);
    const wire =
      transport === 'udp'
        ? await openUdp(port, localPort ?? 0, receive)
        : await openWire(transport, port, receive);
    return new SipAgent(options, wire, inbox);
  }

  get localPort(): number {
    return this.#wire.port;
  }

  get address(): string {
    return `sip:${this.user}@${this.domain}`;
  }

  /** Where nobody listens: the gateway must not go by it. */
  get contact(): string {
    const { transport } = this.#wire;
    return `<sip:${this.user}@192.0.2.99:9${transport === 'udp' ? '' : `;transport=${transport}`}>`;
  }

  close(): Promise<void> {
    return this.#wire.close();
  }

  send(message: SipMessage): void {
    this.#wire.send(serializeMessage(message));
  }

  sendText(text: string): void {
    this.#wire.send(Buffer.from(text, 'latin1'));
  }

  /** A request outside of a dialog; signed when the agent has an identity. */
  build(method: string, uri: string, options: RequestOptions = {}): SipRequest {
    const { headers = [], body, contentType, maxForwards, signed = true, contact = this.contact } = options;
    const request = createRequest({
      method,
      uri,
      via: this.via(),
      from: options.from ?? `<${this.address}>;tag=${this.tag}`,
      to: options.to ?? `<${uri}>`,
      callId: options.callId ?? randomId(systemRandom, 80),
      cseq: options.cseq ?? ++this.#cseq,
      headers: contact === '' ? headers : [headerField('Contact', contact), ...headers],
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
      ...(contentType === undefined ? {} : { contentType }),
      ...(maxForwards === undefined ? {} : { maxForwards }),
    });
    return signed ? this.sign(request, options.intent) : request;
  }

  sign(request: SipRequest, intent?: string): SipRequest {
    if (this.signer === undefined) return request;
    this.#intent = intent;
    return appendHeaders(request, [headerField('Intent-Token', this.signer.sign(request))]);
  }

  via(): ReturnType<typeof createVia> {
    const host = this.#wire.transport === 'ws' ? 'phone.invalid' : '127.0.0.1';
    return createVia({
      transport: this.#wire.transport,
      host,
      port: this.#wire.port || 5060,
      branch: randomId(systemRandom, 80),
      rport: true,
    });
  }

  /** The final response to a request that was sent; a refused INVITE is acknowledged (RFC 3261 §17.1.1.3). */
  async final(request: SipRequest): Promise<SipResponse> {
    const response = await this.inbox.take(`the final response to ${request.method}`, answers(request, 200));
    if (request.method === 'INVITE' && response.status >= 300) this.#ackRefusal(request, response);
    this.signer?.incoming(Buffer.from(serializeMessage(response)).toString('utf8'));
    return response;
  }

  provisional(request: SipRequest, status: number): Promise<SipResponse> {
    return this.inbox.take(`${status} to ${request.method}`, (message): message is SipResponse => {
      return answers(request, status)(message) && message.status === status;
    });
  }

  /** Sends a request and, with a password, once more with the answer to the challenge. */
  async ask(
    method: string,
    uri: string,
    options: RequestOptions = {},
  ): Promise<{ request: SipRequest; response: SipResponse }> {
    const { request, response } = await this.begin(method, uri, options);
    return { request, response: response ?? (await this.final(request)) };
  }

  /** As `ask`, but returns when the request that counts is on its way; `response` is set when there was no challenge to answer. */
  async begin(
    method: string,
    uri: string,
    options: RequestOptions = {},
  ): Promise<{ request: SipRequest; response: SipResponse | undefined }> {
    const request = this.build(method, uri, options);
    this.send(request);
    if (this.#options.password === undefined || (this.#proved && method !== 'REGISTER'))
      return { request, response: undefined };
    const response = await this.final(request);
    const answer = this.answerTo(request, response);
    if (answer === undefined) return { request, response };
    const { callId } = request;
    const second = this.build(method, uri, {
      ...options,
      callId,
      headers: [...(options.headers ?? []), answer],
    });
    this.send(second);
    return { request: second, response: undefined };
  }

  answerTo(request: SipRequest, response: SipResponse, nonceCount = 1): HeaderField | undefined {
    const { password = '', username = this.user, domain } = this.#options;
    const credential = { realm: domain, username, password };
    return answerChallenge({ request, response, credential, random: systemRandom, nonceCount });
  }

  async register(options: RequestOptions & { readonly expires?: number } = {}): Promise<SipResponse> {
    const { expires = 300, headers = [], ...others } = options;
    const { response } = await this.ask('REGISTER', `sip:${this.domain}`, {
      to: `<${this.address}>`,
      ...others,
      headers: [headerField('Expires', String(expires)), ...headers],
    });
    this.#proved ||= response.status === 200 && this.#wire.transport !== 'udp';
    return response;
  }

  /** The next request of a method. */
  incoming(method: string): Promise<SipRequest> {
    return this.inbox.take(method, (message): message is SipRequest => {
      return message.kind === 'request' && message.method === method;
    });
  }

  /** Answers; what makes a dialog repeats the Record-Route (RFC 3261 §12.1.1). */
  reply(request: SipRequest, status: number, headers: readonly HeaderField[] = []): SipResponse {
    const routes = request.headers.filter(({ name }) => name === 'record-route');
    const contact = headerField('Contact', this.contact);
    const response = createResponse(request, status, undefined, {
      toTag: this.tag,
      headers: [...routes, contact, ...headers],
    });
    this.send(response);
    return response;
  }

  /** A request within a dialog; an ACK repeats the INVITE's number. */
  inDialog(dialog: Dialog, method: string, options: RequestOptions = {}): SipRequest {
    const { headers = [], ...others } = options;
    const routes = dialog.routes.map((route) => headerField('Route', route));
    const request = this.build(method, dialog.target, {
      from: dialog.local,
      to: dialog.remote,
      callId: dialog.callId,
      ...(method === 'ACK' ? { cseq: dialog.inviteCSeq } : {}),
      ...others,
      headers: [...routes, ...headers],
    });
    this.send(request);
    return request;
  }

  #ackRefusal(request: SipRequest, response: SipResponse): void {
    const { method: _, headers: __, ...core } = request;
    const kept = request.headers.filter(
      ({ name }) => name === 'via' || name === 'from' || name === 'call-id',
    );
    const to = headerField('To', headerValue(response, 'to') ?? '');
    const cseq = headerField('CSeq', `${request.cseq.number} ACK`);
    this.send({ ...core, method: 'ACK', headers: [...kept, to, cseq], body: new Uint8Array(0) });
  }
}

/** The same phone, keeping its signature back. */
export function withoutSigning(agent: SipAgent): Pick<SipAgent, 'build' | 'begin'> {
  return {
    build: (method, uri, options) => agent.build(method, uri, { ...options, signed: false }),
    begin: (method, uri, options) => agent.begin(method, uri, { ...options, signed: false }),
  };
}

/** Matches responses of a request's transaction from a status on (RFC 3261 §17.1.3). */
function answers(request: SipRequest, fromStatus: number): (message: SipMessage) => message is SipResponse {
  return (message): message is SipResponse =>
    message.kind === 'response' &&
    message.status >= fromStatus &&
    message.via.branch === request.via.branch &&
    message.cseq.method === request.cseq.method;
}

/** The CANCEL of a request (RFC 3261 §9.1). */
export function cancelOf(request: SipRequest): SipRequest {
  const kept = new Set(['via', 'from', 'to', 'call-id', 'max-forwards']);
  return {
    ...request,
    method: 'CANCEL',
    cseq: { number: request.cseq.number, method: 'CANCEL' },
    headers: [
      ...request.headers.filter(({ name }) => kept.has(name)),
      headerField('CSeq', `${request.cseq.number} CANCEL`),
      headerField('Reason', 'SIP;cause=487;text="given up"'),
    ],
    body: new Uint8Array(0),
  };
}

/** The caller's dialog: routes in reverse order (RFC 3261 §12.1.2). */
export function callerDialog(response: SipResponse): Dialog {
  return {
    callId: response.callId,
    local: headerValue(response, 'from') ?? '',
    remote: headerValue(response, 'to') ?? '',
    target: parseNameAddr(headerValue(response, 'contact') ?? '').uri,
    routes: headerItems(response, 'record-route').reverse(),
    inviteCSeq: response.cseq.number,
  };
}

/** The callee's dialog: routes in the order of the request (RFC 3261 §12.1.1). */
export function calleeDialog(request: SipRequest, response: SipResponse): Dialog {
  return {
    callId: request.callId,
    local: headerValue(response, 'to') ?? '',
    remote: headerValue(request, 'from') ?? '',
    target: parseNameAddr(headerValue(request, 'contact') ?? '').uri,
    routes: headerValues(request, 'record-route').flatMap((value) => value.split(/,\s*/)),
    inviteCSeq: request.cseq.number,
  };
}
