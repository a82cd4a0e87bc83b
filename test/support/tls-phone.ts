import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import {
  createRequest,
  createVia,
  defaultMessageLimits,
  headerField,
  parseMessage,
  type SipResponse,
  StreamFramer,
  serializeMessage,
} from '../../src/sip/index.ts';
import type { CertificateFiles } from './certificates.ts';

export interface TlsPhoneOptions {
  readonly port: number;
  readonly domain: string;
  /** Who vouches for the gateway. */
  readonly ca: string;
  readonly certificate?: CertificateFiles | undefined;
}

let serial = 0;

/** One TLS connection to a gateway, with or without a certificate of its own; one request at a time. */
export class TlsPhone {
  readonly socket: TLSSocket;
  readonly #domain: string;
  readonly #framer = new StreamFramer(defaultMessageLimits, 'opened');
  #onFinal: (response: SipResponse) => void = () => {};

  private constructor(socket: TLSSocket, domain: string) {
    this.socket = socket;
    this.#domain = domain;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#framer.push(chunk);
      for (let frame = this.#framer.next(); frame !== undefined; frame = this.#framer.next()) {
        const message = typeof frame === 'string' ? undefined : parseMessage(frame, defaultMessageLimits);
        if (message?.kind === 'response' && message.status >= 200) this.#onFinal(message);
      }
    });
  }

  static async open({ port, domain, ca, certificate }: TlsPhoneOptions): Promise<TlsPhone> {
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: domain,
      ca: readFileSync(ca),
      ...(certificate === undefined
        ? {}
        : { cert: readFileSync(certificate.cert), key: readFileSync(certificate.key) }),
    });
    await once(socket, 'secureConnect');
    return new TlsPhone(socket, domain);
  }

  /** Common name of the certificate that the gateway has shown. */
  get shown(): unknown {
    return this.socket.getPeerCertificate().subject.CN;
  }

  /** Sends a request of `user`, and resolves with its final response. */
  async ask(method: string, user: string, to: string = user): Promise<SipResponse> {
    const response = new Promise<SipResponse>((resolve) => {
      this.#onFinal = resolve;
    });
    this.send(method, user, to);
    return await response;
  }

  send(method: string, user: string, to: string = user): void {
    serial++;
    const domain = this.#domain;
    const request = createRequest({
      method,
      uri: method === 'REGISTER' ? `sip:${domain}` : `sip:${to}@${domain}`,
      via: createVia({ transport: 'tls', host: 'phone.invalid', branch: `tls-phone-${serial}`, rport: true }),
      from: `<sip:${user}@${domain}>;tag=t${serial}`,
      to: `<sip:${to}@${domain}>`,
      callId: `tls-phone-${serial}`,
      cseq: 1,
      headers: [headerField('Contact', `<sip:${user}@192.0.2.99:9;transport=tls>`)],
    });
    this.socket.write(serializeMessage(request));
  }
}
