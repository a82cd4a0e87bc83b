import {
  greaterThan,
  isDigit,
  isLetter,
  lessThan,
  quote,
  schemeChars,
  skipClass,
  space,
  tab,
  tokenChars,
} from './grammar.ts';
import { internMethod } from './methods.ts';
import { SipParseError } from './parse-error.ts';

export interface RequestLine {
  readonly kind: 'request';
  readonly method: string;
  readonly uri: string;
}

export interface StatusLine {
  readonly kind: 'response';
  readonly status: number;
  readonly reason: string;
}

export function parseStartLine(text: string, lineEnd: number): RequestLine | StatusLine {
  return startsWithVersion(text) ? parseStatusLine(text, lineEnd) : parseRequestLine(text, lineEnd);
}

/** A method holds no slash, so `SIP/` tells a status line from a request line. */
function startsWithVersion(text: string): boolean {
  return text.startsWith('SIP/') || text.slice(0, 4).toUpperCase() === 'SIP/';
}

/** RFC 3261 §7.1: Method SP Request-URI SP SIP-Version, single spaces and nothing behind. */
function parseRequestLine(text: string, lineEnd: number): RequestLine {
  const methodEnd = skipClass(tokenChars, text, 0, lineEnd);
  if (methodEnd === 0 || text.charCodeAt(methodEnd) !== space) throw badStartLine('method');
  const uriStart = methodEnd + 1;
  const schemeEnd = skipClass(schemeChars, text, uriStart, lineEnd);
  if (text[schemeEnd] !== ':' || !isLetter(text.charCodeAt(uriStart))) throw badStartLine('Request-URI');
  let uriEnd = schemeEnd;
  for (; uriEnd < lineEnd; uriEnd++) {
    const code = text.charCodeAt(uriEnd);
    if (code === space) break;
    if (code < space || code >= 127 || code === quote || code === lessThan || code === greaterThan)
      throw badStartLine('Request-URI');
  }
  if (uriEnd === schemeEnd + 1 || uriEnd >= lineEnd) throw badStartLine('Request-URI');
  checkVersion(text, uriEnd + 1, lineEnd);
  return {
    kind: 'request',
    method: internMethod(text.slice(0, methodEnd)),
    uri: text.slice(uriStart, uriEnd),
  };
}

/** RFC 3261 §7.2; the space before an empty reason is often forgotten. */
function parseStatusLine(text: string, lineEnd: number): StatusLine {
  const versionEnd = text.indexOf(' ');
  if (versionEnd < 0 || versionEnd > lineEnd) throw badStartLine('version');
  checkVersion(text, 0, versionEnd);
  let status = 0;
  for (let i = versionEnd + 1; i < versionEnd + 4; i++) {
    const code = text.charCodeAt(i);
    if (!isDigit(code)) throw badStartLine('status code');
    status = status * 10 + code - 48;
  }
  const reasonStart = versionEnd + 5;
  if (status < 100 || status > 699) throw badStartLine('status code');
  if (reasonStart - 1 === lineEnd) return { kind: 'response', status, reason: '' };
  if (text.charCodeAt(reasonStart - 1) !== space) throw badStartLine('status code');
  for (let i = reasonStart; i < lineEnd; i++) {
    const code = text.charCodeAt(i);
    if ((code < space && code !== tab) || code === 127) throw badStartLine('reason phrase');
  }
  return { kind: 'response', status, reason: text.slice(reasonStart, lineEnd) };
}

/** Compared without case (RFC 3261 §7.1); another version of SIP gets 505. */
function checkVersion(text: string, from: number, to: number): void {
  if (to - from === 7 && text.startsWith('SIP/2.0', from)) return;
  const version = text.slice(from, to).toUpperCase();
  if (version === 'SIP/2.0') return;
  if (!version.startsWith('SIP/')) throw badStartLine('version');
  for (let i = 4; i < version.length; i++) {
    const code = version.charCodeAt(i);
    if (!isDigit(code) && code !== 46) throw badStartLine('version');
  }
  throw new SipParseError('version', 'not SIP/2.0', 505);
}

function badStartLine(part: string): SipParseError {
  return new SipParseError('start-line', `malformed ${part} in the start line`);
}
