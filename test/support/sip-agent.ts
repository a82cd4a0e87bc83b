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
  headerValue,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  serializeMessage,
} from '../../src/sip/index.ts';
import { IntentSigner } from '../../src/softphone/index.ts';
import type { AgentOptions, KeyIdentity, RequestOptions } from './sip-agent-options.ts';
import { answers, type Dialog } from './sip-dialog.ts';
import { SipInbox } from './sip-inbox.ts';
import { openUdp, openWire, type Wire } from './sip-wire.ts';

export type { AgentOptions, KeyIdentity, RequestOptions };

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
    this.signer = identity && signerOf(identity, clock, () => this.#intent);
  }

  static async open(options: AgentOptions): Promise<SipAgent> {
    const { user, transport, port, localPort, addresses, patienceMs, trust } = options;
    const inbox = new SipInbox(user, patienceMs);
    const receive = (message: SipMessage): void => inbox.arrive(message);
    const wire =
      transport === 'udp'
        ? await openUdp(port, localPort ?? 0, receive, addresses)
        : await openWire(transport, port, receive, trust);
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
    const own = this.#options.addresses?.local ?? '127.0.0.1';
    const host = this.#wire.transport.startsWith('ws') ? 'phone.invalid' : own;
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

  /** Registers another identity with a key over the same connection, as a phone with several lines does. */
  async registerLine(user: string, identity: KeyIdentity): Promise<SipResponse> {
    const { domain, clock } = this.#options;
    const line = signerOf(identity, clock, () => undefined);
    const address = `sip:${user}@${domain}`;
    const plain = this.build('REGISTER', `sip:${domain}`, {
      from: `<${address}>;tag=${this.tag}`,
      to: `<${address}>`,
      signed: false,
    });
    const request = appendHeaders(plain, [headerField('Intent-Token', line.sign(plain))]);
    this.send(request);
    return this.final(request);
  }

  /** The next request of a method. */
  incoming(method: string): Promise<SipRequest> {
    return this.inbox.take(method, (message): message is SipRequest => {
      return message.kind === 'request' && message.method === method;
    });
  }

  /** Answers; what makes a dialog repeats the Record-Route (RFC 3261 §12.1.1). */
  reply(
    request: SipRequest,
    status: number,
    headers: readonly HeaderField[] = [],
    body?: { readonly body: Uint8Array; readonly contentType: string },
  ): SipResponse {
    const routes = request.headers.filter(({ name }) => name === 'record-route');
    const contact = headerField('Contact', this.contact);
    const response = createResponse(request, status, undefined, {
      toTag: this.tag,
      headers: [...routes, contact, ...headers],
      ...body,
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

function signerOf(
  identity: KeyIdentity,
  clock: Clock = systemClock,
  declaredIntent: () => string | undefined,
): IntentSigner {
  return new IntentSigner({ ...identity, clock, random: systemRandom, declaredIntent });
}

/** The same phone, keeping its signature back. */
export function withoutSigning(agent: SipAgent): Pick<SipAgent, 'build' | 'begin'> {
  return {
    build: (method, uri, options) => agent.build(method, uri, { ...options, signed: false }),
    begin: (method, uri, options) => agent.begin(method, uri, { ...options, signed: false }),
  };
}
