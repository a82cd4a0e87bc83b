import {
  charClass,
  colon,
  hostChars,
  ipv6Chars,
  parseDecimal,
  skipClass,
  skipWhitespace,
  slash,
  tokenChars,
  trimEnd,
} from './grammar.ts';
import { type Param, parseParams, serializeParams, withParam } from './params.ts';
import { SipParseError } from './parse-error.ts';

/** One Via value (RFC 3261 §20.42); `params` is what is written, the fields beside it are read from it. */
export interface Via {
  /** In upper case: UDP, TCP, TLS, WS, WSS. */
  readonly transport: string;
  /** As written; an IPv6 address keeps its brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly branch: string | undefined;
  readonly received: string | undefined;
  /** True for `;rport` and `;rport=N` (RFC 3581). */
  readonly hasRport: boolean;
  readonly rport: number | undefined;
  readonly params: readonly Param[];
}

/** RFC 3261 §8.1.1.7: a branch that starts so is unique as a transaction key. */
export const magicCookie = 'z9hG4bK';

const portChars = charClass('0123456789');
const knownTransports = new Map<string, string>(
  ['UDP', 'TCP', 'TLS', 'WS', 'WSS'].map((name) => [name, name]),
);

/** Parses one Via value, which must be all of `text[from, end)`. */
export function parseVia(text: string, from = 0, end: number = text.length): Via {
  let i = skipWhitespace(text, from, end);
  // sent-protocol = protocol-name SLASH protocol-version SLASH transport, with LWS around each slash.
  i = expectWord(text, i, end, 'SIP');
  i = expectSlash(text, i, end);
  i = expectWord(text, i, end, '2.0');
  i = expectSlash(text, i, end);
  const transportEnd = skipClass(tokenChars, text, i, end);
  if (transportEnd === i) throw malformed('transport');
  const written = text.slice(i, transportEnd);
  const transport = knownTransports.get(written) ?? written.toUpperCase();
  i = skipWhitespace(text, transportEnd, end);
  if (i === transportEnd) throw malformed('sent-by');

  const hostEnd = skipHost(text, i, end);
  if (hostEnd <= i) throw malformed('host');
  const host = text.slice(i, hostEnd);
  i = skipWhitespace(text, hostEnd, end);
  let port: number | undefined;
  if (i < end && text.charCodeAt(i) === colon) {
    i = skipWhitespace(text, i + 1, end);
    const portEnd = skipClass(portChars, text, i, end);
    port = parseDecimal(text, i, portEnd, 65_535);
    if (port < 0) throw malformed('port');
    i = portEnd;
  }
  return makeVia(transport, host, port, parseParams(text, i, trimEnd(text, i, end)));
}

function makeVia(transport: string, host: string, port: number | undefined, params: readonly Param[]): Via {
  let branch: string | undefined;
  let received: string | undefined;
  let hasRport = false;
  let rport: number | undefined;
  for (const { name, value } of params) {
    if (name === 'branch') branch ??= value;
    else if (name === 'received') received ??= value;
    else if (name === 'rport') {
      hasRport = true;
      if (value !== undefined) {
        rport = parseDecimal(value, 0, value.length, 65_535);
        if (rport < 0) throw malformed('rport');
      }
    }
  }
  return { transport, host, port, branch, received, hasRport, rport, params };
}

/** Host name, IPv4 address or IPv6reference (RFC 3261 §25.1); returns its end, or -1. */
export function skipHost(text: string, from: number, end: number): number {
  if (text.charCodeAt(from) !== 91) return skipClass(hostChars, text, from, end);
  const i = skipClass(ipv6Chars, text, from + 1, end);
  return i >= from + 3 && text.charCodeAt(i) === 93 ? i + 1 : -1;
}

function expectWord(text: string, from: number, end: number, word: string): number {
  const to = skipClass(tokenChars, text, from, end);
  const found = text.slice(from, to);
  if (found !== word && found.toUpperCase() !== word) throw malformed('protocol');
  return to;
}

function expectSlash(text: string, from: number, end: number): number {
  const i = skipWhitespace(text, from, end);
  if (text.charCodeAt(i) !== slash) throw malformed('protocol');
  return skipWhitespace(text, i + 1, end);
}

function malformed(part: string): SipParseError {
  return new SipParseError('via', `malformed Via ${part}`);
}

/** A Via for a request of our own; `branch` without the magic cookie gets it. */
export function createVia(options: {
  readonly transport: string;
  readonly host: string;
  readonly port?: number | undefined;
  readonly branch: string;
  readonly rport?: boolean;
}): Via {
  const branch = options.branch.startsWith(magicCookie) ? options.branch : magicCookie + options.branch;
  const params: Param[] = [{ name: 'branch', value: branch }];
  if (options.rport === true) params.push({ name: 'rport', value: undefined });
  return makeVia(options.transport.toUpperCase(), options.host, options.port, params);
}

/** A copy with one parameter set (undefined: a flag). */
export function withViaParam(via: Via, name: string, value: string | undefined): Via {
  return makeVia(via.transport, via.host, via.port, withParam(via.params, name, value));
}

/**
 * What a server notes about the source of a request: `received` when sent-by differs from it (RFC 3261 §18.2.1),
 * and both `received` and `rport=N` when rport was asked for (RFC 3581 §4). A forged value is overwritten.
 */
export function withViaSource(via: Via, address: string, port: number): Via {
  const sameHost = via.host === address || via.host === `[${address}]`;
  let params = via.params;
  if (via.hasRport) params = withParam(params, 'rport', String(port));
  if (!sameHost || via.hasRport || via.received !== undefined)
    params = withParam(params, 'received', address);
  return params === via.params ? via : makeVia(via.transport, via.host, via.port, params);
}

export function serializeVia(via: Via): string {
  const sentBy = via.port === undefined ? via.host : `${via.host}:${via.port}`;
  return `SIP/2.0/${via.transport} ${sentBy}${serializeParams(via.params)}`;
}
