import { hexChars, userChars } from './grammar.ts';

/** Every char in the class, or `%` with two hexadecimal digits. */
export function isEscapedText(chars: Uint8Array, text: string, from: number, end: number): boolean {
  for (let i = from; i < end; i++) {
    const code = text.charCodeAt(i);
    if (chars[code] === 1) continue;
    if (code !== 37 || i + 2 >= end) return false;
    if (hexChars[text.charCodeAt(i + 1)] !== 1 || hexChars[text.charCodeAt(i + 2)] !== 1) return false;
    i += 2;
  }
  return true;
}

/** Escapes what may not stand bare in a user part, as UTF-8. */
export function escapeUser(user: string): string {
  let text = '';
  for (const byte of Buffer.from(user, 'utf8')) {
    text +=
      userChars[byte] === 1
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

/** Undoes escapes, giving latin1 text (one char per byte); a stray `%` stays. */
export function unescapeUri(text: string): string {
  if (!text.includes('%')) return text;
  let plain = '';
  for (let i = 0; i < text.length; i++) {
    const escaped =
      text.charCodeAt(i) === 37 &&
      hexChars[text.charCodeAt(i + 1)] === 1 &&
      hexChars[text.charCodeAt(i + 2)] === 1;
    plain += escaped ? String.fromCharCode(Number.parseInt(text.slice(i + 1, i + 3), 16)) : text.charAt(i);
    if (escaped) i += 2;
  }
  return plain;
}

const reserved = ';/?:@&=+$,%';

/** Escapes of unreserved characters undone, the others in upper case (RFC 3261 §19.1.4, RFC 2396 §2). */
export function normalizeEscapes(text: string): string {
  if (!text.includes('%')) return text;
  let normal = '';
  for (let i = 0; i < text.length; i++) {
    const escaped = text.slice(i, i + 3);
    const plain = text.charAt(i) === '%' ? unescapeUri(escaped) : escaped;
    if (plain.length !== 1) {
      normal += text.charAt(i);
      continue;
    }
    const code = plain.charCodeAt(0);
    normal += code > 32 && code < 127 && !reserved.includes(plain) ? plain : escaped.toUpperCase();
    i += 2;
  }
  return normal;
}
