import { type CSeq, parseCSeq } from './cseq.ts';
import { isDigit, listItemEnd } from './grammar.ts';
import type { MessageLimits } from './limits.ts';
import type { HeaderField } from './model.ts';
import { type NameAddr, parseNameAddr } from './name-addr.ts';
import { SipParseError } from './parse-error.ts';
import { magicCookie, parseVia, type Via } from './via.ts';

/** The header fields that every message needs, typed. */
export interface CoreFields {
  readonly callId: string;
  readonly cseq: CSeq;
  readonly from: NameAddr;
  readonly to: NameAddr;
  readonly via: Via;
  readonly maxForwards: number | undefined;
}

/** Reads the core from header fields; throws when one is missing or malformed (RFC 3261 §8.1.1). */
export function readCore(headers: readonly HeaderField[], limits: MessageLimits): CoreFields {
  let callId: string | undefined;
  let cseq: CSeq | undefined;
  let from: NameAddr | undefined;
  let to: NameAddr | undefined;
  let via: Via | undefined;
  let maxForwards: number | undefined;
  for (const field of headers) {
    switch (field.name) {
      case 'via':
        via ??= parseTopVia(field.value, limits);
        break;
      case 'from':
        from ??= parseAddress(field.value, limits);
        break;
      case 'to':
        to ??= parseAddress(field.value, limits);
        break;
      case 'call-id':
        callId ??= checkCallId(field.value, limits);
        break;
      case 'cseq':
        cseq ??= parseCSeq(field.value);
        break;
      case 'max-forwards':
        maxForwards ??= parseMaxForwards(field.value);
        break;
      default:
    }
  }
  if (via === undefined) throw missing('Via');
  if (from === undefined) throw missing('From');
  if (to === undefined) throw missing('To');
  if (callId === undefined) throw missing('Call-ID');
  if (cseq === undefined) throw missing('CSeq');
  return { callId, cseq, from, to, via, maxForwards };
}

function parseTopVia(value: string, limits: MessageLimits): Via {
  const via = parseVia(value, 0, listItemEnd(value, 0, value.length));
  if (via.branch !== undefined) {
    checkIdentifier(via.branch, limits);
    // RFC 4475 §3.2.1: the cookie alone identifies nothing.
    if (via.branch === magicCookie) throw new SipParseError('via', 'Via branch without an identifier');
  }
  return via;
}

function parseAddress(value: string, limits: MessageLimits): NameAddr {
  const address = parseNameAddr(value);
  if (address.tag !== undefined) checkIdentifier(address.tag, limits);
  return address;
}

/** word [ "@" word ] (RFC 3261 §25.1), read generously: any text without a blank. */
function checkCallId(value: string, limits: MessageLimits): string {
  if (value === '' || value.includes(' ') || value.includes('\t')) {
    throw new SipParseError('call-id', 'malformed Call-ID');
  }
  checkIdentifier(value, limits);
  return value;
}

function checkIdentifier(value: string, limits: MessageLimits): void {
  if (value.length > limits.maxIdentifierBytes) {
    throw new SipParseError(
      'identifier-too-long',
      `identifier longer than ${limits.maxIdentifierBytes} bytes`,
    );
  }
}

/** RFC 3261 §20.22: 0 to 255. */
function parseMaxForwards(value: string): number {
  let hops = value.length === 0 ? 256 : 0;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    hops = isDigit(code) && hops < 256 ? hops * 10 + code - 48 : 256;
  }
  if (hops > 255) throw new SipParseError('max-forwards', 'Max-Forwards is not a number up to 255');
  return hops;
}

function missing(name: string): SipParseError {
  return new SipParseError('header-missing', `no ${name} header`);
}
