import { type Random, randomId } from '../../base/index.ts';
import { headerValues, magicCookie, type SipRequest } from '../message/index.ts';

/**
 * Branches of this proxy: cookie, a mark that all of them share, a hash of what routing depends on, a random part.
 * The mark finds our own Via values without parsing any; the hash tells a loop from a spiral (RFC 5393 §4.2).
 */
export class BranchIds {
  readonly #random: Random;
  readonly #mark: string;

  constructor(random: Random) {
    this.#random = random;
    this.#mark = `${magicCookie}${randomId(random, 40)}.`;
  }

  /** `loopHash` is of the request as it was received. */
  next(loopHash: string): string {
    return `${this.#mark}${loopHash}.${randomId(this.#random, 80)}`;
  }

  /** RFC 3261 §16.11: each copy of an ACK for a 2xx goes on under the same branch, so that its callee knows it again. */
  ofAck({ via, from, to, callId, cseq }: SipRequest): string {
    const tags = `${from.tag ?? ''}\n${to.tag ?? ''}`;
    return `${this.#mark}.${digestOf(`${via.branch ?? ''}\n${via.host}\n${tags}\n${callId}\n${cseq.number}`)}`;
  }

  /** RFC 3261 §16.3 step 4: the request passed here before and would be routed the same way again. */
  isLoop(request: SipRequest): boolean {
    let sought: string | undefined;
    for (const via of headerValues(request, 'via')) {
      if (!via.includes(this.#mark)) continue;
      sought ??= `${this.#mark}${loopHash(request)}.`;
      if (via.includes(sought)) return true;
    }
    return false;
  }
}

/**
 * RFC 3261 §16.6 step 8 with RFC 5393 §4.2.1: Request-URI, Route, tags, Call-ID, CSeq number, Proxy-Require and
 * Proxy-Authorization, never Via, which differs on each pass. Not a cryptographic hash: whoever forges one only
 * gets a 482 for a request of his own.
 */
export function loopHash(request: SipRequest): string {
  const { uri, from, to, callId, cseq } = request;
  let text = `${uri}\n${from.tag ?? ''}\n${to.tag ?? ''}\n${callId}\n${cseq.number}`;
  for (const { name, value } of request.headers) {
    if (name === 'route' || name === 'proxy-require' || name === 'proxy-authorization') text += `\n${value}`;
  }
  return digestOf(text);
}

function digestOf(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x85ebca6b);
  }
  return (a >>> 0).toString(36) + ((b ^ (b >>> 15)) >>> 0).toString(36);
}
