import {
  createRequest,
  createResponse,
  createVia,
  type HeaderField,
  headerField,
  headerItems,
  headerValue,
  parseNameAddr,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from '../../src/sip/message/index.ts';
import type { TransportName } from '../../src/sip/transport/index.ts';
import type { MemoryFlow, MemoryTransport } from './memory-transport.ts';

export interface PhoneRequestOptions {
  readonly headers?: readonly HeaderField[];
  readonly callId?: string;
  readonly branch?: string;
  readonly maxForwards?: number;
  readonly body?: Uint8Array;
}

/** One side's view of a dialog: enough to build its requests (RFC 3261 §12). */
export interface PhoneDialog {
  readonly callId: string;
  readonly local: string;
  readonly remote: string;
  readonly target: string;
  readonly routes: readonly string[];
}

let serial = 0;

/** A user agent on a memory flow. It does nothing by itself: tests say what it sends and read what it received. */
export class MemoryPhone {
  readonly name: string;
  readonly flow: MemoryFlow;
  readonly requests: SipRequest[] = [];
  readonly responses: SipResponse[] = [];
  readonly #network: MemoryTransport;
  #cseq = 0;

  constructor(network: MemoryTransport, name: string, transport: TransportName = 'udp', address?: string) {
    this.name = name;
    this.#network = network;
    const receive = (message: SipMessage): void => {
      if (message.kind === 'request') this.requests.push(message);
      else this.responses.push(message);
    };
    this.flow = network.connect(transport, receive, address);
  }

  get contact(): string {
    return `sip:${this.name}@10.0.0.1:5066`;
  }

  /** Statuses of all responses so far, in order. */
  get statuses(): readonly number[] {
    return this.responses.map((response) => response.status);
  }

  get methods(): readonly string[] {
    return this.requests.map((request) => request.method);
  }

  /** The latest request of a method. */
  lastRequest(method: string): SipRequest {
    const found = this.requests.findLast((request) => request.method === method);
    if (found === undefined) throw new Error(`${this.name} received no ${method}`);
    return found;
  }

  lastResponse(): SipResponse {
    const found = this.responses.at(-1);
    if (found === undefined) throw new Error(`${this.name} received no response`);
    return found;
  }

  /** Puts a message on the wire and lets the network settle. */
  send<M extends SipMessage>(message: M): M {
    this.#network.arrive(message, this.flow);
    this.#network.flush();
    return message;
  }

  /** Sends a request outside of any dialog. */
  request(method: string, uri: string, options: PhoneRequestOptions = {}): SipRequest {
    const { headers = [], body, maxForwards } = options;
    return this.send(
      createRequest({
        method,
        uri,
        via: this.#via(options.branch),
        from: `<sip:${this.name}@example.com>;tag=${this.name}-${++serial}`,
        to: `<${uri}>`,
        callId: options.callId ?? `call-${++serial}`,
        cseq: ++this.#cseq,
        headers: [headerField('Contact', `<${this.contact}>`), ...headers],
        ...(body === undefined ? {} : { body }),
        ...(maxForwards === undefined ? {} : { maxForwards }),
      }),
    );
  }

  /** Answers a request; a response that makes a dialog repeats the Record-Route (RFC 3261 §12.1.1). */
  reply(
    request: SipRequest,
    status: number,
    toTag = `${this.name}-tag`,
    headers: readonly HeaderField[] = [],
  ): SipResponse {
    const routes = request.headers.filter((field) => field.name === 'record-route');
    const contact = headerField('Contact', `<${this.contact}>`);
    return this.send(
      createResponse(request, status, undefined, { toTag, headers: [...routes, contact, ...headers] }),
    );
  }

  /** The ACK or another request of a dialog that this phone is part of. */
  inDialog(
    method: string,
    dialog: PhoneDialog,
    headers: readonly HeaderField[] = [],
    cseq?: number,
  ): SipRequest {
    return this.send(
      createRequest({
        method,
        uri: dialog.target,
        via: this.#via(undefined),
        from: dialog.local,
        to: dialog.remote,
        callId: dialog.callId,
        cseq: cseq ?? ++this.#cseq,
        headers: [...dialog.routes.map((route) => headerField('Route', route)), ...headers],
      }),
    );
  }

  #via(branch: string | undefined): ReturnType<typeof createVia> {
    const { transport } = this.flow;
    return createVia({
      transport,
      host: '10.0.0.1',
      port: 5066,
      branch: branch ?? `${this.name}-${++serial}`,
      rport: true,
    });
  }
}

/** The caller's dialog: routes in reverse order (RFC 3261 §12.1.2). */
export function callerDialog(response: SipResponse): PhoneDialog {
  return {
    callId: response.callId,
    local: headerValue(response, 'from') ?? '',
    remote: headerValue(response, 'to') ?? '',
    target: parseNameAddr(headerValue(response, 'contact') ?? '').uri,
    routes: headerItems(response, 'record-route').reverse(),
  };
}

/** The callee's dialog: routes in the order of the request (RFC 3261 §12.1.1). */
export function calleeDialog(request: SipRequest, toTag: string): PhoneDialog {
  return {
    callId: request.callId,
    local: `${headerValue(request, 'to') ?? ''};tag=${toTag}`,
    remote: headerValue(request, 'from') ?? '',
    target: parseNameAddr(headerValue(request, 'contact') ?? '').uri,
    routes: headerItems(request, 'record-route'),
  };
}
