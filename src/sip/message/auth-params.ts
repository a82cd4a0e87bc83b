import {
  comma,
  equals,
  isToken,
  lowerCase,
  quote,
  quoteText,
  skipClass,
  skipQuoted,
  skipWhitespace,
  tokenChars,
  unquote,
} from './grammar.ts';
import { SipParseError } from './parse-error.ts';

/** A challenge or credentials: a scheme and its auth-params (RFC 3261 §25.1, RFC 7616 §3). */
export interface AuthValue {
  /** As written; schemes compare without case. */
  readonly scheme: string;
  /** Names in lower case, values without quotes and escapes. */
  readonly params: AuthParams;
}

/**
 * In the order in which they came. Few enough to be compared one by one: a `Map` first looks a name that was cut out of
 * a message up in V8's table of strings, which cost more than all the rest of the parser (`npm run bench -- --part register`).
 */
export class AuthParams implements Iterable<readonly [name: string, value: string]> {
  readonly #names: string[] = [];
  readonly #values: string[] = [];

  get size(): number {
    return this.#names.length;
  }

  has(name: string): boolean {
    return this.#names.includes(name);
  }

  get(name: string): string | undefined {
    const at = this.#names.indexOf(name);
    return at < 0 ? undefined : this.#values[at];
  }

  add(name: string, value: string): void {
    this.#names.push(name);
    this.#values.push(value);
  }

  *[Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    for (const [at, name] of this.#names.entries()) yield [name, this.#values[at] ?? ''];
  }
}

/** More are neither in any challenge nor in any credentials: a bound on what a stranger makes us keep. */
const maxAuthParams = 32;

/** Parses one Authorization or WWW-Authenticate value. A name that occurs twice is refused. Throws SipParseError 'auth'. */
export function parseAuthValue(value: string): AuthValue {
  const end = value.length;
  const schemeEnd = skipClass(tokenChars, value, 0, end);
  if (schemeEnd === 0) throw malformed('scheme');
  const scheme = value.slice(0, schemeEnd);
  const params = new AuthParams();
  let i = skipWhitespace(value, schemeEnd, end);
  if (i === schemeEnd && i < end) throw malformed('scheme');
  while (i < end) {
    const nameEnd = skipClass(tokenChars, value, i, end);
    if (nameEnd === i) throw malformed('parameter name');
    const name = lowerCase(value, i, nameEnd);
    i = skipWhitespace(value, nameEnd, end);
    if (value.charCodeAt(i) !== equals) throw malformed('parameter');
    i = skipWhitespace(value, i + 1, end);
    const valueEnd = value.charCodeAt(i) === quote ? skipQuoted(value, i, end) : skipBare(value, i, end);
    if (valueEnd <= i) throw malformed('parameter value');
    if (params.has(name) || params.size >= maxAuthParams) throw malformed('parameter list');
    params.add(name, unquote(value.slice(i, valueEnd)));
    i = skipWhitespace(value, valueEnd, end);
    if (i >= end) break;
    if (value.charCodeAt(i) !== comma) throw malformed('parameter list');
    i = skipWhitespace(value, i + 1, end);
    if (i >= end) throw malformed('parameter list');
  }
  return { scheme, params };
}

/** A token, or what stock phones leave unquoted (a URI, base64). */
function skipBare(text: string, from: number, end: number): number {
  let i = from;
  for (; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === comma || code <= 32) break;
    if (code === quote || code === 127) return -1;
  }
  return i;
}

function malformed(part: string): SipParseError {
  return new SipParseError('auth', `malformed ${part} in an authentication header`);
}

/** Values that RFC 7616 §3.3 and §3.4 write as tokens; all others are quoted. */
const bareNames = new Set(['algorithm', 'stale', 'nc']);

/**
 * The header value. `qop` is quoted in a challenge (a list) and bare in credentials (RFC 7616 §3.4): give `kind`.
 */
export function serializeAuthValue(
  scheme: string,
  params: Iterable<readonly [string, string]>,
  kind: 'challenge' | 'credentials',
): string {
  let text = '';
  for (const [name, value] of params) {
    const bare = bareNames.has(name) || (name === 'qop' && kind === 'credentials');
    text += `${text === '' ? ' ' : ', '}${name}=${bare && isToken(value) ? value : quoteText(value)}`;
  }
  return scheme + text;
}
