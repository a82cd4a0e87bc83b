import type { Param } from './params.ts';
import type { SipUri, TelUri, Uri } from './uri.ts';
import { normalizeEscapes } from './uri-escape.ts';

/** URI equality after RFC 3261 §19.1.4, RFC 3966 §5 and, for other schemes, octet by octet. */
export function sameUri(a: Uri, b: Uri): boolean {
  if (a.scheme === 'other' || b.scheme === 'other') {
    return a.scheme === 'other' && b.scheme === 'other' && a.schemeName === b.schemeName && a.rest === b.rest;
  }
  if (a.scheme === 'tel' || b.scheme === 'tel') {
    return a.scheme === 'tel' && b.scheme === 'tel' && sameTel(a, b);
  }
  return sameSip(a, b);
}

function sameSip(a: SipUri, b: SipUri): boolean {
  return (
    a.scheme === b.scheme &&
    sameText(a.user, b.user) &&
    sameText(a.password, b.password) &&
    a.host.toLowerCase() === b.host.toLowerCase() &&
    // An absent port is not the default port.
    a.port === b.port &&
    sameParams(a.params, b.params) &&
    sameHeaders(a.headers, b.headers)
  );
}

/** With case; an escape equals the character only when that is not reserved, so escapes of reserved ones stay. */
function sameText(a: string | undefined, b: string | undefined): boolean {
  if (a === b) return true;
  return a !== undefined && b !== undefined && normalizeEscapes(a) === normalizeEscapes(b);
}

/** Present in one URI only, these make it another URI; any other lone parameter is ignored. */
const decisive = new Set(['user', 'ttl', 'method', 'maddr', 'transport']);

function sameParams(a: readonly Param[], b: readonly Param[]): boolean {
  return coveredBy(a, b) && coveredBy(b, a);
}

function coveredBy(some: readonly Param[], others: readonly Param[]): boolean {
  for (const { name, value } of some) {
    const other = others.find((param) => param.name === name);
    if (other === undefined) {
      if (decisive.has(name)) return false;
    } else if (!sameText(value?.toLowerCase(), other.value?.toLowerCase())) {
      return false;
    }
  }
  return true;
}

/** Headers are never ignored; their order does not matter. */
function sameHeaders(a: readonly Param[], b: readonly Param[]): boolean {
  if (a.length !== b.length) return false;
  const rest = b.map((header) => [header.name.toLowerCase(), normalizeEscapes(header.value ?? '')] as const);
  for (const header of a) {
    const name = header.name.toLowerCase();
    const value = normalizeEscapes(header.value ?? '');
    const index = rest.findIndex(([otherName, otherValue]) => otherName === name && otherValue === value);
    if (index < 0) return false;
    rest.splice(index, 1);
  }
  return true;
}

function sameTel(a: TelUri, b: TelUri): boolean {
  if (telDigits(a.number) !== telDigits(b.number) || a.params.length !== b.params.length) return false;
  return a.params.every(({ name, value }) => {
    const other = b.params.find((param) => param.name === name);
    return other !== undefined && telValue(name, value) === telValue(name, other.value);
  });
}

/** Visual separators carry no meaning (RFC 3966 §5.1.1). */
export function telDigits(number: string): string {
  let digits = '';
  for (let i = 0; i < number.length; i++) {
    const char = number.charAt(i);
    if (!'-.()'.includes(char)) digits += char.toLowerCase();
  }
  return digits;
}

function telValue(name: string, value: string | undefined): string {
  const text = (value ?? '').toLowerCase();
  return name === 'ext' || name === 'phone-context' ? telContext(text) : text;
}

function telContext(text: string): string {
  return text.startsWith('+') ? telDigits(text) : text;
}
