import {
  backslash,
  colon,
  cr,
  isWhitespace,
  lf,
  lowerCase,
  skipClass,
  skipWhitespace,
  space,
  tab,
  tokenChars,
  trimEnd,
} from './grammar.ts';
import { findKnownHeader } from './header-names.ts';
import type { MessageLimits } from './limits.ts';
import type { HeaderField } from './model.ts';
import { SipParseError } from './parse-error.ts';

/** The header section of one message. */
export interface HeaderScan {
  readonly headers: readonly HeaderField[];
  /** The Content-Length value, or -1 when there is none. */
  readonly contentLength: number;
  /** The index behind the blank line. */
  readonly end: number;
}

/** Beyond it a Content-Length is not a length that this or any peer means: 400 instead of 513. */
const maxContentLength = 0x7fff_ffff;

/**
 * Reads header fields from `from` up to and with the blank line (RFC 3261 §7.3). Lines end in CRLF only: a bare CR or
 * LF is where two parsers would disagree. Continuation lines unfold to one space. `bytes` are those of `text`, index by
 * index: a loop over bytes costs a third of one over char codes.
 */
export function scanHeaders(
  text: string,
  bytes: Uint8Array,
  from: number,
  limits: MessageLimits,
): HeaderScan {
  const headers: HeaderField[] = [];
  const end = text.length;
  let contentLength = -1;
  let seen = 0;
  let at = from;
  for (;;) {
    if (at >= end) throw new SipParseError('incomplete', 'no blank line behind the headers');
    if (bytes[at] === cr) {
      expectLineFeed(bytes, at, end);
      return { headers, contentLength, end: at + 2 };
    }
    let nameEnd = at;
    while (nameEnd < end && tokenChars[bytes[nameEnd] ?? 0] === 1) nameEnd++;
    // RFC 3261 §25.1: HCOLON allows blanks before the colon.
    const colonAt = skipWhitespace(text, nameEnd, end);
    if (nameEnd === at || text.charCodeAt(colonAt) !== colon) throw badName(text, at, nameEnd, end);
    const valueStart = skipWhitespace(text, colonAt + 1, end);
    let lineEnd = skipValue(bytes, valueStart, end);
    let value: string;
    if (isWhitespace(text.charCodeAt(lineEnd + 2))) {
      value = text.slice(valueStart, trimEnd(text, valueStart, lineEnd));
      do {
        const partStart = skipWhitespace(text, lineEnd + 2, end);
        lineEnd = skipValue(bytes, partStart, end);
        const part = text.slice(partStart, trimEnd(text, partStart, lineEnd));
        if (value === '') value = part;
        else if (part !== '') value += ` ${part}`;
      } while (isWhitespace(text.charCodeAt(lineEnd + 2)));
    } else {
      value = text.slice(valueStart, trimEnd(text, valueStart, lineEnd));
    }
    if (lineEnd - at > limits.maxHeaderLineBytes) {
      throw new SipParseError('header-too-long', `header longer than ${limits.maxHeaderLineBytes} bytes`);
    }
    const nameStart = at;
    at = lineEnd + 2;
    const known = findKnownHeader(text, nameStart, nameEnd);
    if (known === undefined) {
      const rawName = text.slice(nameStart, nameEnd);
      headers.push({ name: lowerCase(text, nameStart, nameEnd), rawName, value });
    } else {
      if (known.onceBit !== 0) {
        if ((seen & known.onceBit) !== 0) throw duplicate(known.name);
        seen |= known.onceBit;
      }
      if (known.name === 'content-length') {
        contentLength = parseContentLength(value);
        continue;
      }
      // The usual spelling shares its string; another one is kept.
      const rawName = text.startsWith(known.rawName, nameStart)
        ? known.rawName
        : text.slice(nameStart, nameEnd);
      headers.push({ name: known.name, rawName, value });
    }
    if (headers.length > limits.maxHeaderCount) {
      throw new SipParseError('too-many-headers', `more than ${limits.maxHeaderCount} headers`, 513);
    }
  }
}

function duplicate(name: string): SipParseError {
  return new SipParseError('header-duplicate', `second ${name} header`);
}

/**
 * The Content-Length among header lines that end in a blank line, or -1; nothing else is read. It finds the same one
 * as `scanHeaders`: where the two differed, bytes of one message could pass as another.
 */
export function findContentLength(text: string, from: number): number {
  let contentLength = -1;
  let at = from;
  while (at < text.length) {
    let lineEnd = text.indexOf('\r\n', at);
    if (lineEnd <= at) break;
    const letter = text.charCodeAt(at) | 32;
    if (letter === 99 || letter === 108) {
      const nameEnd = skipClass(tokenChars, text, at, lineEnd);
      const colonAt = skipWhitespace(text, nameEnd, lineEnd);
      if (
        text.charCodeAt(colonAt) === colon &&
        findKnownHeader(text, at, nameEnd)?.name === 'content-length'
      ) {
        while (isWhitespace(text.charCodeAt(lineEnd + 2))) lineEnd = text.indexOf('\r\n', lineEnd + 2);
        if (contentLength >= 0) throw duplicate('content-length');
        contentLength = parseContentLength(text.slice(colonAt + 1, lineEnd).trim());
      }
    }
    at = lineEnd + 2;
  }
  return contentLength;
}

/** RFC 3261 §20.14: 1*DIGIT, so neither sign nor prefix. */
function parseContentLength(value: string): number {
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) throw new SipParseError('content-length', 'Content-Length is not a number');
    length = length * 10 + digit;
    if (length > maxContentLength)
      throw new SipParseError('content-length', 'Content-Length is out of range');
  }
  if (value.length === 0) throw new SipParseError('content-length', 'Content-Length is empty');
  return length;
}

/**
 * The index of the CR that ends the line. Control bytes are refused unless a backslash quotes them: RFC 4475 §3.1.1.2
 * has BEL, NUL and DEL as quoted-pairs.
 */
function skipValue(bytes: Uint8Array, from: number, end: number): number {
  for (let i = from; i < end; i++) {
    const code = bytes[i] ?? 0;
    if (code >= space && code !== 127) continue;
    if (code === cr) {
      expectLineFeed(bytes, i, end);
      return i;
    }
    if (code === tab) continue;
    if (code === lf) throw new SipParseError('line-break', 'bare LF');
    if (i === from || bytes[i - 1] !== backslash) {
      throw new SipParseError('control-byte', 'control byte in a header value');
    }
  }
  throw new SipParseError('incomplete', 'header line without an end');
}

function expectLineFeed(bytes: Uint8Array, at: number, end: number): void {
  if (at + 1 >= end) throw new SipParseError('incomplete', 'message ends in a line break');
  if (bytes[at + 1] !== lf) throw new SipParseError('line-break', 'bare CR');
}

function badName(text: string, at: number, nameEnd: number, end: number): SipParseError {
  if (text.charCodeAt(nameEnd) === lf) return new SipParseError('line-break', 'bare LF');
  if (nameEnd >= end) return new SipParseError('incomplete', 'header line without an end');
  const what = nameEnd === at ? 'line without a header name' : 'header name without a colon';
  return new SipParseError('header-name', what);
}
