import {
  at,
  comma,
  greaterThan,
  isLetter,
  isToken,
  lessThan,
  question,
  quote,
  quoteText,
  schemeChars,
  semicolon,
  skipClass,
  skipQuoted,
  skipWhitespace,
  space,
  trimEnd,
  unquote,
} from './grammar.ts';
import { noParams, type Param, paramValue, parseParams, serializeParams, withParam } from './params.ts';
import { SipParseError } from './parse-error.ts';

/** name-addr or addr-spec with header parameters: From, To, Contact, Route and their like (RFC 3261 §20.10). */
export interface NameAddr {
  /** Without quotes and escapes. */
  readonly displayName: string | undefined;
  /** The addr-spec exactly as written; `parseUri` reads it. */
  readonly uri: string;
  readonly params: readonly Param[];
  readonly tag: string | undefined;
}

/** Parses one value, which must be all of `text[from, to)`. */
export function parseNameAddr(text: string, from = 0, to: number = text.length): NameAddr {
  const end = trimEnd(text, from, to);
  const start = skipWhitespace(text, from, end);
  if (start >= end) throw malformed('empty address');
  let displayName: string | undefined;
  let open = start;
  if (text.charCodeAt(start) === quote) {
    const nameEnd = skipQuoted(text, start, end);
    if (nameEnd < 0) throw malformed('unterminated display name');
    displayName = unquote(text.slice(start, nameEnd));
    open = skipWhitespace(text, nameEnd, end);
    if (text.charCodeAt(open) !== lessThan) throw malformed('no <addr-spec> behind the display name');
  } else {
    while (open < end && !endsDisplayName(text.charCodeAt(open))) open++;
    if (text.charCodeAt(open) !== lessThan) return parseBareAddress(text, start, end);
    const nameEnd = trimEnd(text, start, open);
    if (nameEnd > start) displayName = text.slice(start, nameEnd);
  }
  const close = text.indexOf('>', open);
  if (close < 0 || close >= end) throw malformed('unterminated <addr-spec>');
  checkAddrSpec(text, open + 1, close);
  return makeNameAddr(displayName, text.slice(open + 1, close), parseParams(text, close + 1, end));
}

/** Without <> what follows `;` belongs to the header; `,` and `?` are not allowed (RFC 3261 §20.10). */
function parseBareAddress(text: string, start: number, end: number): NameAddr {
  let i = start;
  while (i < end && text.charCodeAt(i) !== semicolon) {
    const code = text.charCodeAt(i);
    if (code === comma || code === question) throw malformed('"," or "?" outside of <>');
    i++;
  }
  const uriEnd = trimEnd(text, start, i);
  checkAddrSpec(text, start, uriEnd);
  return makeNameAddr(undefined, text.slice(start, uriEnd), parseParams(text, i, end));
}

function endsDisplayName(code: number): boolean {
  return code === lessThan || code === semicolon || code === comma || code === quote || code === at;
}

/** A scheme and visible ASCII; the URI's own grammar is checked by who needs it (`parseUri`). */
function checkAddrSpec(text: string, from: number, to: number): void {
  const schemeEnd = skipClass(schemeChars, text, from, to);
  if (schemeEnd >= to - 1 || text[schemeEnd] !== ':' || !isLetter(text.charCodeAt(from))) {
    throw malformed('URI without a scheme');
  }
  for (let i = schemeEnd; i < to; i++) {
    const code = text.charCodeAt(i);
    if (code <= space || code >= 127 || code === quote || code === lessThan || code === greaterThan) {
      throw malformed('character that no URI contains');
    }
  }
}

function makeNameAddr(displayName: string | undefined, uri: string, params: readonly Param[]): NameAddr {
  let tag: string | undefined;
  for (const param of params) {
    if (param.name !== 'tag') continue;
    if (param.value === undefined || tag !== undefined) throw malformed('tag');
    tag = param.value;
  }
  return { displayName, uri, params, tag };
}

function malformed(what: string): SipParseError {
  return new SipParseError('name-addr', `malformed address: ${what}`);
}

/** An address of our own; the display name is quoted when it is written. */
export function createNameAddr(
  uri: string,
  displayName?: string,
  params: readonly Param[] = noParams,
): NameAddr {
  return makeNameAddr(displayName, uri, params);
}

export function withTag(address: NameAddr, tag: string): NameAddr {
  return makeNameAddr(address.displayName, address.uri, withParam(address.params, 'tag', tag));
}

export function nameAddrParam(address: NameAddr, name: string): string | undefined {
  return paramValue(address.params, name);
}

/** Always in <>, so that nothing of the URI can be read as a header parameter. */
export function serializeNameAddr(address: NameAddr): string {
  const name = address.displayName;
  const shown = name === undefined ? '' : isToken(name) ? `${name} ` : `${quoteText(name)} `;
  return `${shown}<${address.uri}>${serializeParams(address.params)}`;
}
