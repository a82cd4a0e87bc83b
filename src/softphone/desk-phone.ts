import { type Clock, type Logger, type Random, randomId } from '../base/index.ts';
import {
  answerChallenge,
  type ClientCredential,
  createRequest,
  createResponse,
  createVia,
  defaultTransportLimits,
  type Flow,
  type HeaderField,
  headerField,
  headerValue,
  headerValues,
  parseNameAddr,
  type ServerTransaction,
  type SipRequest,
  type SipResponse,
  splitCommaList,
  TransactionLayer,
  type TransactionUser,
  TransportLayer,
} from '../sip/index.ts';
import { inactiveAudio } from './silent-session.ts';

export interface DeskPhoneOptions {
  readonly gateway: { readonly address: string; readonly port: number };
  readonly domain: string;
  /** User part of its address, for instance `desk-7` or `1007`. */
  readonly user: string;
  readonly credential: ClientCredential;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** An incoming INVITE that the phone has just answered. */
  readonly onAnswered?: (invite: SipRequest) => void;
}

/** A call that a desk phone has placed and that was answered. */
export interface DeskCall {
  readonly invite: SipRequest;
  readonly answer: SipResponse;
  hangUp(): Promise<SipResponse>;
}

interface Description {
  readonly body: Uint8Array;
  readonly contentType: string;
}

/** A stock phone as they stand on desks: SIP over UDP, digest credentials, no identity key, no sound; answers every call. */
export class DeskPhone implements TransactionUser {
  readonly #options: DeskPhoneOptions;
  readonly #transport: TransportLayer;
  readonly #transactions: TransactionLayer<unknown>;
  readonly #tag: string;
  #flow: Flow | undefined;
  readonly #description: Description = {
    body: Buffer.from(inactiveAudio(1, 1)),
    contentType: 'application/sdp',
  };
  #cseq = 1;

  constructor(options: DeskPhoneOptions) {
    this.#options = options;
    const { clock, random, logger } = options;
    this.#tag = randomId(random, 64);
    this.#transport = new TransportLayer({
      listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
      limits: defaultTransportLimits,
      clock,
      logger,
      random,
    });
    this.#transactions = new TransactionLayer({ transport: this.#transport, clock, random, logger });
  }

  async start(): Promise<void> {
    await this.#transactions.start(this);
    this.#flow = await this.#transport.connect({ transport: 'udp', ...this.#options.gateway });
  }

  async close(): Promise<void> {
    this.#transactions.close();
    await this.#transport.close();
  }

  /** The final response to a REGISTER, credentials given when asked for. */
  register(expiresSeconds = 300): Promise<SipResponse> {
    const { domain } = this.#options;
    return this.#ask('REGISTER', `sip:${domain}`, this.#address(), [
      this.#contact(),
      headerField('Expires', String(expiresSeconds)),
    ]).then(({ response }) => response);
  }

  /** Calls `user` in the gateway's domain; rejects with the status line of a refusal. */
  async call(user: string, subject?: string): Promise<DeskCall> {
    const target = `sip:${user}@${this.#options.domain}`;
    const extra = subject === undefined ? [] : [headerField('Subject', subject)];
    const { request: invite, response: answer } = await this.#ask(
      'INVITE',
      target,
      `<${target}>`,
      [this.#contact(), ...extra],
      this.#description,
    );
    if (answer.status >= 300) throw new Error(`${answer.status} ${answer.reason}`);
    const inDialog = this.#inDialog(invite, answer);
    this.#wire().send(
      this.#build('ACK', inDialog.uri, inDialog.to, inDialog.headers, invite.callId, invite.cseq.number),
    );
    return {
      invite,
      answer,
      hangUp: () =>
        this.#send(
          this.#build('BYE', inDialog.uri, inDialog.to, inDialog.headers, invite.callId, ++this.#cseq),
        ),
    };
  }

  onRequest(request: SipRequest, transaction: ServerTransaction): void {
    const toTag = this.#tag;
    if (request.method === 'INVITE') {
      const routes = headerValues(request, 'record-route').map((value) => headerField('Record-Route', value));
      transaction.respond(createResponse(request, 180, undefined, { toTag, headers: routes }));
      transaction.respond(
        createResponse(request, 200, undefined, {
          toTag,
          headers: [...routes, this.#contact()],
          ...this.#description,
        }),
      );
      this.#options.onAnswered?.(request);
    } else {
      transaction.respond(
        createResponse(request, request.method === 'BYE' ? 200 : 501, undefined, { toTag }),
      );
    }
  }

  onCancel(): void {}
  onAck(): void {}
  onStrayResponse(): void {}
  onTransportError(): void {}

  async #ask(
    method: string,
    uri: string,
    to: string,
    headers: readonly HeaderField[],
    body?: Description,
  ): Promise<{ request: SipRequest; response: SipResponse }> {
    const { credential, random } = this.#options;
    const callId = randomId(random, 128);
    const first = this.#build(method, uri, to, headers, callId, ++this.#cseq, body);
    const response = await this.#send(first);
    if (response.status !== 401 && response.status !== 407) return { request: first, response };
    const answer = answerChallenge({ request: first, response, credential, random });
    if (answer === undefined) return { request: first, response };
    const second = this.#build(method, uri, to, [...headers, answer], callId, ++this.#cseq, body);
    return { request: second, response: await this.#send(second) };
  }

  #send(request: SipRequest): Promise<SipResponse> {
    return new Promise((resolve, reject) => {
      this.#transactions.send(request, this.#wire(), {
        onResponse: (response) => {
          if (response.status >= 200) resolve(response);
        },
        onTimeout: () => reject(new Error(`no answer to ${request.method}`)),
        onTransportError: () => reject(new Error(`${request.method} could not be sent`)),
      });
    });
  }

  #build(
    method: string,
    uri: string,
    to: string,
    headers: readonly HeaderField[],
    callId: string,
    cseq: number,
    body?: Description,
  ): SipRequest {
    const { local } = this.#wire();
    return createRequest({
      method,
      uri,
      via: createVia({
        transport: 'UDP',
        host: local.address,
        port: local.port,
        branch: randomId(this.#options.random, 80),
        rport: true,
      }),
      from: `${this.#address()};tag=${this.#tag}`,
      to,
      callId,
      cseq,
      headers,
      ...body,
    });
  }

  /** What in-dialog requests of the caller carry (RFC 3261 §12.2.1.1). */
  #inDialog(invite: SipRequest, answer: SipResponse): { uri: string; to: string; headers: HeaderField[] } {
    const routes = headerValues(answer, 'record-route').flatMap((value) => splitCommaList(value));
    const contact = headerValue(answer, 'contact');
    return {
      uri: contact === undefined ? invite.uri : parseNameAddr(contact).uri,
      to: headerValue(answer, 'to') ?? '',
      headers: routes.reverse().map((route) => headerField('Route', route)),
    };
  }

  #address(): string {
    return `<sip:${this.#options.user}@${this.#options.domain}>`;
  }

  #contact(): HeaderField {
    const { address, port } = this.#wire().local;
    return headerField('Contact', `<sip:${this.#options.user}@${address}:${port}>`);
  }

  #wire(): Flow {
    if (this.#flow === undefined) throw new Error('the phone has not been started');
    return this.#flow;
  }
}
