import {
  comma,
  equals,
  greaterThan,
  isToken,
  lessThan,
  lowerCase,
  quote,
  quoteText,
  semicolon,
  skipClass,
  skipQuoted,
  skipWhitespace,
  space,
  tokenChars,
  unquote,
} from './grammar.ts';
import { SipParseError } from './parse-error.ts';

/** One `;name=value` of a header field. */
export interface Param {
  /** In lower case: parameter names compare without case (RFC 3261 §7.3.1). */
  readonly name: string;
  /** As written, quotes included; undefined for a flag such as `;lr`. */
  readonly value: string | undefined;
}

export const noParams: readonly Param[] = [];

/** Parses `*( SEMI generic-param )` in `text[from, end)`; a bare `;` or an unfinished quote is an error. */
export function parseParams(text: string, from: number, end: number): readonly Param[] {
  let i = skipWhitespace(text, from, end);
  if (i >= end) return noParams;
  const params: Param[] = [];
  while (i < end) {
    if (text.charCodeAt(i) !== semicolon)
      throw new SipParseError('params', 'expected ";" before a parameter');
    i = skipWhitespace(text, i + 1, end);
    const nameEnd = skipClass(tokenChars, text, i, end);
    if (nameEnd === i) throw new SipParseError('params', 'parameter without a name');
    const name = lowerCase(text, i, nameEnd);
    i = skipWhitespace(text, nameEnd, end);
    let value: string | undefined;
    if (i < end && text.charCodeAt(i) === equals) {
      i = skipWhitespace(text, i + 1, end);
      const valueEnd = skipParamValue(text, i, end);
      if (valueEnd <= i) throw new SipParseError('params', 'parameter with a malformed value');
      value = text.slice(i, valueEnd);
      i = skipWhitespace(text, valueEnd, end);
    }
    params.push({ name, value });
  }
  return params;
}

/** Token, host (IPv6 with or without brackets, RFC 5118 §4.5) or quoted-string; what deployed phones put beside a token passes too. */
function skipParamValue(text: string, from: number, end: number): number {
  if (text.charCodeAt(from) === quote) return skipQuoted(text, from, end);
  let i = from;
  for (; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code <= space || code === semicolon || code === comma) break;
    if (code === quote || code === lessThan || code === greaterThan || code === 127) return -1;
  }
  return i;
}

/** The value of the first parameter of that name, unquoted; '' for a flag, undefined when absent. */
export function paramValue(params: readonly Param[], name: string): string | undefined {
  for (const param of params) {
    if (param.name === name) return param.value === undefined ? '' : unquote(param.value);
  }
  return undefined;
}

export function hasParam(params: readonly Param[], name: string): boolean {
  for (const param of params) if (param.name === name) return true;
  return false;
}

/** A copy where the parameter has this value (undefined: a flag), in its old place or last; quoted when it must be. */
export function withParam(
  params: readonly Param[],
  name: string,
  value: string | undefined,
): readonly Param[] {
  const written = value === undefined || isBareValue(value) ? value : quoteText(value);
  const changed: Param[] = [];
  let placed = false;
  for (const param of params) {
    if (param.name !== name) changed.push(param);
    else if (!placed) {
      changed.push({ name, value: written });
      placed = true;
    }
  }
  if (!placed) changed.push({ name, value: written });
  return changed;
}

export function withoutParam(params: readonly Param[], name: string): readonly Param[] {
  return hasParam(params, name) ? params.filter((param) => param.name !== name) : params;
}

function isBareValue(value: string): boolean {
  return (
    value.length > 0 &&
    (isToken(value) ||
      (skipParamValue(value, 0, value.length) === value.length && value.charCodeAt(0) !== quote))
  );
}

export function serializeParams(params: readonly Param[]): string {
  let text = '';
  for (const param of params) {
    text += param.value === undefined ? `;${param.name}` : `;${param.name}=${param.value}`;
  }
  return text;
}
