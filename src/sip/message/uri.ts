import {
  colon,
  equals,
  hexChars,
  isLetter,
  parseDecimal,
  passwordChars,
  question,
  schemeChars,
  semicolon,
  skipClass,
  uriHeaderChars,
  uriParamChars,
  userChars,
} from './grammar.ts';
import { noParams, type Param } from './params.ts';
import { SipParseError } from './parse-error.ts';
import { escapeUser, isEscapedText, normalizeEscapes } from './uri-escape.ts';
import { skipHost } from './via.ts';

/** sip: and sips: (RFC 3261 §19.1). User, password and parameter values are as written, escapes included. */
export interface SipUri {
  readonly scheme: 'sip' | 'sips';
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** In lower case; an IPv6 address keeps its brackets. */
  readonly host: string;
  readonly port: number | undefined;
  /** Names in lower case. */
  readonly params: readonly Param[];
  /** What follows `?`, names as written. */
  readonly headers: readonly Param[];
}

/** tel: (RFC 3966). */
export interface TelUri {
  readonly scheme: 'tel';
  /** As written, visual separators included. */
  readonly number: string;
  readonly params: readonly Param[];
}

/** Any other absolute URI: named, not understood (a proxy answers 416). */
export interface OtherUri {
  readonly scheme: 'other';
  /** In lower case. */
  readonly schemeName: string;
  readonly rest: string;
}

export type Uri = SipUri | TelUri | OtherUri;

/** Throws SipParseError 'uri'. */
export function parseUri(text: string): Uri {
  const schemeEnd = skipClass(schemeChars, text, 0, text.length);
  if (schemeEnd === 0 || text.charCodeAt(schemeEnd) !== colon || !isLetter(text.charCodeAt(0))) {
    throw malformed('scheme');
  }
  const written = text.slice(0, schemeEnd);
  switch (written === 'sip' ? written : written.toLowerCase()) {
    case 'sip':
      return parseSipUri('sip', text, schemeEnd + 1);
    case 'sips':
      return parseSipUri('sips', text, schemeEnd + 1);
    case 'tel':
      return parseTelUri(text, schemeEnd + 1);
    default:
      return parseOtherUri(written.toLowerCase(), text, schemeEnd + 1);
  }
}

function parseSipUri(scheme: 'sip' | 'sips', text: string, from: number): SipUri {
  const end = text.length;
  // Neither user part nor password holds a bare '@'; host, parameters and headers hold none either.
  const atSign = text.indexOf('@', from);
  let user: string | undefined;
  let password: string | undefined;
  let i = from;
  if (atSign >= 0) {
    const colonAt = text.indexOf(':', from);
    const userEnd = colonAt >= 0 && colonAt < atSign ? colonAt : atSign;
    checkEscaped(userChars, text, from, userEnd, 'user');
    if (userEnd === from) throw malformed('user');
    user = text.slice(from, userEnd);
    if (userEnd < atSign) {
      checkEscaped(passwordChars, text, userEnd + 1, atSign, 'password');
      password = text.slice(userEnd + 1, atSign);
    }
    i = atSign + 1;
  }
  const hostEnd = skipHost(text, i, end);
  if (hostEnd <= i) throw malformed('host');
  const host = text.slice(i, hostEnd).toLowerCase();
  i = hostEnd;
  let port: number | undefined;
  if (text.charCodeAt(i) === colon) {
    const portEnd = findEnd(text, i + 1, end);
    port = parseDecimal(text, i + 1, portEnd, 65_535);
    if (port < 0) throw malformed('port');
    i = portEnd;
  }
  const headersAt = text.indexOf('?', i);
  const paramsEnd = headersAt < 0 ? end : headersAt;
  const params = i < paramsEnd ? parseUriParams(text, i, paramsEnd) : noParams;
  const headers = headersAt < 0 ? noParams : parseUriHeaders(text, headersAt + 1, end);
  return { scheme, user, password, host, port, params, headers };
}

function findEnd(text: string, from: number, end: number): number {
  let i = from;
  while (i < end && text.charCodeAt(i) !== semicolon && text.charCodeAt(i) !== question) i++;
  return i;
}

function parseUriParams(text: string, from: number, end: number): readonly Param[] {
  const params: Param[] = [];
  let i = from;
  while (i < end) {
    if (text.charCodeAt(i) !== semicolon) throw malformed('parameter');
    let itemEnd = text.indexOf(';', i + 1);
    if (itemEnd < 0 || itemEnd > end) itemEnd = end;
    const param = parsePair(text, i + 1, itemEnd, uriParamChars, 'parameter');
    const name = normalizeEscapes(param.name).toLowerCase();
    // RFC 3261 §19.1.1: a parameter name occurs once.
    for (const other of params) if (other.name === name) throw malformed('parameter');
    params.push({ name, value: param.value });
    i = itemEnd;
  }
  return params;
}

function parseUriHeaders(text: string, from: number, end: number): readonly Param[] {
  const headers: Param[] = [];
  let i = from;
  for (;;) {
    let itemEnd = text.indexOf('&', i);
    if (itemEnd < 0) itemEnd = end;
    const header = parsePair(text, i, itemEnd, uriHeaderChars, 'header');
    if (header.value === undefined) throw malformed('header');
    headers.push(header);
    if (itemEnd === end) return headers;
    i = itemEnd + 1;
  }
}

function checkEscaped(chars: Uint8Array, text: string, from: number, end: number, what: string): void {
  if (!isEscapedText(chars, text, from, end)) throw malformed(what);
}

function parsePair(text: string, from: number, end: number, chars: Uint8Array, what: string): Param {
  let nameEnd = from;
  while (nameEnd < end && text.charCodeAt(nameEnd) !== equals) nameEnd++;
  if (nameEnd === from) throw malformed(what);
  checkEscaped(chars, text, from, nameEnd, what);
  const name = text.slice(from, nameEnd);
  if (nameEnd === end) return { name, value: undefined };
  checkEscaped(chars, text, nameEnd + 1, end, what);
  return { name, value: text.slice(nameEnd + 1, end) };
}

function parseTelUri(text: string, from: number): TelUri {
  const end = text.length;
  const numberEnd = findEnd(text, from, end);
  let digits = 0;
  for (let i = from; i < numberEnd; i++) {
    const code = text.charCodeAt(i);
    if (isPhoneDigit(code)) digits++;
    else if (!isVisualSeparator(code) && !(code === 43 && i === from)) throw malformed('telephone number');
  }
  if (digits === 0) throw malformed('telephone number');
  const params = numberEnd < end ? parseUriParams(text, numberEnd, end) : noParams;
  return { scheme: 'tel', number: text.slice(from, numberEnd), params };
}

/** DIGIT, and of local numbers also HEXDIG, `*` and `#` (RFC 3966 §3). */
function isPhoneDigit(code: number): boolean {
  return hexChars[code] === 1 || code === 42 || code === 35;
}

function isVisualSeparator(code: number): boolean {
  return code === 45 || code === 46 || code === 40 || code === 41;
}

function parseOtherUri(schemeName: string, text: string, from: number): OtherUri {
  if (from >= text.length) throw malformed('opaque part');
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 32 || code >= 127 || code === 34 || code === 60 || code === 62)
      throw malformed('opaque part');
  }
  return { scheme: 'other', schemeName, rest: text.slice(from) };
}

function malformed(part: string): SipParseError {
  return new SipParseError('uri', `malformed ${part} in a URI`);
}

export function serializeUri(uri: Uri): string {
  if (uri.scheme === 'other') return `${uri.schemeName}:${uri.rest}`;
  if (uri.scheme === 'tel') return `tel:${uri.number}${serializePairs(uri.params, ';', ';')}`;
  let text = `${uri.scheme}:`;
  if (uri.user !== undefined) {
    text += uri.password === undefined ? `${uri.user}@` : `${uri.user}:${uri.password}@`;
  }
  text += uri.port === undefined ? uri.host : `${uri.host}:${uri.port}`;
  return text + serializePairs(uri.params, ';', ';') + serializePairs(uri.headers, '?', '&');
}

function serializePairs(pairs: readonly Param[], first: string, next: string): string {
  let text = '';
  for (const { name, value } of pairs) {
    text += (text === '' ? first : next) + (value === undefined ? name : `${name}=${value}`);
  }
  return text;
}

/** A sip: URI of our own; the user part is escaped here, so it may be any text. */
export function createSipUri(options: {
  readonly user?: string | undefined;
  readonly host: string;
  readonly port?: number | undefined;
  readonly params?: readonly Param[];
}): SipUri {
  return {
    scheme: 'sip',
    user: options.user === undefined ? undefined : escapeUser(options.user),
    password: undefined,
    host: options.host.toLowerCase(),
    port: options.port,
    params: options.params ?? noParams,
    headers: noParams,
  };
}
