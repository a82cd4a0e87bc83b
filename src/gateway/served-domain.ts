import type { ListenAddress } from '../config/index.ts';
import { readUri } from '../intent/index.ts';
import { createSipUri, paramValue, type SipUri, type TelUri, telDigits } from '../sip/index.ts';

/** What a request is told whose Request-URI is none of this domain's (RFC 3261 §8.2.2.1). */
export function foreignUriRefusal(text: string): { readonly status: number; readonly reason?: string } {
  const scheme = readUri(text)?.scheme;
  if (scheme === undefined) return { status: 400, reason: 'Bad Request-URI' };
  const foreign = scheme === 'sip' || scheme === 'sips';
  return foreign ? { status: 403, reason: 'Foreign Domain Not Served Here' } : { status: 416 };
}

/** Decides which SIP addresses are this gateway's own, and gives them one spelling. */
export class ServedDomain {
  readonly #domain: string;
  readonly #hosts: ReadonlySet<string>;

  constructor(domain: string, listen: readonly ListenAddress[], advertise?: string) {
    this.#domain = domain;
    const hosts = new Set([domain.toLowerCase()]);
    if (advertise !== undefined) hosts.add(advertise.toLowerCase());
    for (const { host } of listen) hosts.add(host.toLowerCase());
    // A gateway on the loopback address is spoken to by either of its names.
    if (hosts.has('127.0.0.1') || hosts.has('::1') || hosts.has('localhost')) {
      for (const loopback of ['127.0.0.1', '::1', 'localhost']) hosts.add(loopback);
    }
    this.#hosts = hosts;
  }

  /** `localAddress` is where the request arrived: a gateway on 0.0.0.0 is addressed by any of its addresses. */
  serves(host: string, localAddress: string): boolean {
    const bare = host.startsWith('[') ? host.slice(1, -1) : host;
    return this.#hosts.has(bare.toLowerCase()) || bare === localAddress;
  }

  /** The URI when it is a SIP URI of this domain. */
  ownUri(text: string, localAddress: string): SipUri | undefined {
    const uri = readUri(text);
    if (uri === undefined || (uri.scheme !== 'sip' && uri.scheme !== 'sips')) return undefined;
    return this.serves(uri.host, localAddress) ? uri : undefined;
  }

  /** As `ownUri`, and a telephone number as a user of this domain (RFC 3261 §19.1.6), without separators and parameters. */
  dialledUri(text: string, localAddress: string): SipUri | undefined {
    const uri = readUri(text);
    if (uri?.scheme !== 'tel') return this.ownUri(text, localAddress);
    if (!this.#isDialledHere(uri, localAddress)) return undefined;
    return createSipUri({ user: telDigits(uri.number), host: this.#domain });
  }

  /** RFC 3966 §5.1.5: an extension, or a number as another country dials it, means nothing outside of its context. */
  #isDialledHere({ number, params }: TelUri, localAddress: string): boolean {
    const context = paramValue(params, 'phone-context');
    return number.startsWith('+') || context === undefined || this.serves(context, localAddress);
  }
}
