import { headerValue, type SipRequest } from '../message/index.ts';

/** RFC 5393 §5.3.3.1: what a request without Max-Breadth may be split into. */
const initialBreadth = 60;
/** More digits than that say nothing that a proxy could use. */
const maxDigits = 6;

/** Into how many parallel branches a request may be split from here on; unreadable text counts as none given. */
export function incomingBreadth(request: SipRequest): number {
  const text = headerValue(request, 'max-breadth');
  if (text === undefined || text.length === 0 || text.length > maxDigits) return initialBreadth;
  let breadth = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return initialBreadth;
    breadth = breadth * 10 + digit;
  }
  return breadth;
}

/**
 * The breadth of one request's branches (RFC 5393 §5.3.3): those under way never have more between them than came in.
 * An INVITE keeps half back, since a phone may join while others ring.
 */
export class Breadth {
  #free: number;

  constructor(incoming: number) {
    this.#free = incoming;
  }

  get free(): number {
    return this.#free;
  }

  /** The share of each of `count` branches that start now; `free` must be at least `count`. */
  take(count: number, keepsHalf: boolean): number {
    const spendable = keepsHalf ? Math.max(count, Math.ceil(this.#free / 2)) : this.#free;
    const share = Math.floor(spendable / count);
    this.#free -= share * count;
    return share;
  }

  giveBack(share: number): void {
    this.#free += share;
  }
}
