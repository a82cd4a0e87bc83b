/** Char codes and character classes of RFC 3261 §25.1; parsers test codes, never regular expressions. */

export const tab = 9;
export const lf = 10;
export const cr = 13;
export const space = 32;
export const quote = 34;
export const comma = 44;
export const slash = 47;
export const zero = 48;
export const colon = 58;
export const semicolon = 59;
export const lessThan = 60;
export const equals = 61;
export const greaterThan = 62;
export const question = 63;
export const at = 64;
export const backslash = 92;

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const digits = '0123456789';

/** A table of 256 flags; a code beyond it (or NaN, past the end of a text) is in no class. */
export function charClass(members: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < members.length; i++) table[members.charCodeAt(i)] = 1;
  return table;
}

export const tokenChars: Uint8Array = charClass(`${letters}${digits}-.!%*_+\`'~`);
export const hostChars: Uint8Array = charClass(`${letters}${digits}-._`);
export const ipv6Chars: Uint8Array = charClass(`0123456789abcdefABCDEF:.`);
export const hexChars: Uint8Array = charClass('0123456789abcdefABCDEF');
export const schemeChars: Uint8Array = charClass(`${letters}${digits}+-.`);
/** unreserved and user-unreserved; '%' is checked as an escape. */
export const userChars: Uint8Array = charClass(`${letters}${digits}-_.!~*'()&=+$,;?/`);
/** unreserved and the extra characters of password. */
export const passwordChars: Uint8Array = charClass(`${letters}${digits}-_.!~*'()&=+$,`);
/** unreserved and param-unreserved. */
export const uriParamChars: Uint8Array = charClass(`${letters}${digits}-_.!~*'()[]/:&+$`);
/** unreserved and hnv-unreserved. */
export const uriHeaderChars: Uint8Array = charClass(`${letters}${digits}-_.!~*'()[]/?:+$`);

export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

export function isLetter(code: number): boolean {
  const lower = code | 32;
  return lower >= 97 && lower <= 122;
}

export function isWhitespace(code: number): boolean {
  return code === space || code === tab;
}

/** The first index from `from` on that holds neither SP nor HTAB. */
export function skipWhitespace(text: string, from: number, end: number): number {
  let i = from;
  while (i < end && isWhitespace(text.charCodeAt(i))) i++;
  return i;
}

/** The end of `text[from, end)` without its trailing SP and HTAB. */
export function trimEnd(text: string, from: number, end: number): number {
  let i = end;
  while (i > from && isWhitespace(text.charCodeAt(i - 1))) i--;
  return i;
}

/** The first index from `from` on whose code is not in the class. */
export function skipClass(table: Uint8Array, text: string, from: number, end: number): number {
  let i = from;
  while (i < end && table[text.charCodeAt(i)] === 1) i++;
  return i;
}

/** `text[from, end)` in lower case; a slice already in lower case is not copied again. */
export function lowerCase(text: string, from: number, end: number): string {
  const slice = text.slice(from, end);
  for (let i = from; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code >= 65 && code <= 90) return slice.toLowerCase();
  }
  return slice;
}

export function isToken(text: string): boolean {
  return text.length > 0 && skipClass(tokenChars, text, 0, text.length) === text.length;
}

/** The value of 1*DIGIT (leading zeros allowed) up to `max`, or -1: no sign, no blank, no overflow. */
export function parseDecimal(text: string, from: number, end: number, max: number): number {
  if (from >= end) return -1;
  let value = 0;
  for (let i = from; i < end; i++) {
    const digit = text.charCodeAt(i) - zero;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
    if (value > max) return -1;
  }
  return value;
}

/** The index just behind the closing quote of the quoted-string that opens at `from`, or -1. */
export function skipQuoted(text: string, from: number, end: number): number {
  for (let i = from + 1; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === backslash) i++;
    else if (code === quote) return i + 1;
  }
  return -1;
}

/** The content of a quoted-string without quotes and escapes; other text as it is. */
export function unquote(text: string): string {
  if (text.length < 2 || text.charCodeAt(0) !== quote) return text;
  const inner = text.slice(1, -1);
  if (!inner.includes('\\')) return inner;
  let plain = '';
  for (let i = 0; i < inner.length; i++) {
    if (inner.charCodeAt(i) === backslash && i + 1 < inner.length) i++;
    plain += inner.charAt(i);
  }
  return plain;
}

/** A quoted-string with this content. */
export function quoteText(plain: string): string {
  let escaped = '';
  for (let i = 0; i < plain.length; i++) {
    const code = plain.charCodeAt(i);
    if (code === quote || code === backslash) escaped += '\\';
    escaped += plain.charAt(i);
  }
  return `"${escaped}"`;
}

/** The index of the comma that ends the first item of a header list, or `end`; quotes and <> protect commas. */
export function listItemEnd(text: string, from: number, end: number): number {
  const firstComma = text.indexOf(',', from);
  if (firstComma < 0 || firstComma >= end) return end;
  let bracketed = false;
  for (let i = from; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === quote && !bracketed) {
      const behind = skipQuoted(text, i, end);
      if (behind < 0) return end;
      i = behind - 1;
    } else if (code === lessThan) bracketed = true;
    else if (code === greaterThan) bracketed = false;
    else if (code === comma && !bracketed) return i;
  }
  return end;
}

/** The trimmed items of a comma-separated header value (RFC 3261 §7.3.1); an empty value has none. */
export function splitCommaList(value: string): string[] {
  const items: string[] = [];
  const end = value.length;
  if (skipWhitespace(value, 0, end) === end) return items;
  let from = 0;
  while (from <= end) {
    const to = listItemEnd(value, from, end);
    items.push(value.slice(from, to).trim());
    from = to + 1;
  }
  return items;
}
