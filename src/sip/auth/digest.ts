import { hash, timingSafeEqual } from 'node:crypto';

/** Digest algorithms by their registered names (RFC 7616 §6.1, RFC 8760 §2.1). */
export type DigestAlgorithm = 'MD5' | 'SHA-256' | 'SHA-512-256';
export type DigestQop = 'auth' | 'auth-int';

const opensslNames: Readonly<Record<DigestAlgorithm, string>> = {
  MD5: 'md5',
  'SHA-256': 'sha256',
  'SHA-512-256': 'sha512-256',
};

/** The algorithm of a challenge or an answer; names are case-insensitive and the default is MD5 (RFC 7616 §3.3). */
export function digestAlgorithmNamed(name: string | undefined): DigestAlgorithm | undefined {
  const upper = (name ?? 'MD5').toUpperCase();
  return upper === 'MD5' || upper === 'SHA-256' || upper === 'SHA-512-256' ? upper : undefined;
}

/** H(A1) as lower-case hexadecimal: the hash of username, realm and password (RFC 7616 §3.4.2), text as UTF-8. */
export function digestHa1(
  algorithm: DigestAlgorithm,
  username: string,
  realm: string,
  password: string,
): string {
  return hash(opensslNames[algorithm], `${username}:${realm}:${password}`, 'hex');
}

/** What a digest response is computed over. Text comes from header fields: latin1, so that each wire byte counts. */
export interface DigestInput {
  readonly algorithm: DigestAlgorithm;
  readonly ha1: string;
  readonly nonce: string;
  readonly method: string;
  readonly uri: string;
  /** Absent for answers in the style of RFC 2069, which carry neither nonce count nor cnonce. */
  readonly protection?: { readonly qop: DigestQop; readonly nc: string; readonly cnonce: string };
  /** The request's body; only `auth-int` covers it. */
  readonly body?: Uint8Array;
}

/** The `response` value as lower-case hexadecimal (RFC 7616 §3.4.1). */
export function digestResponse(input: DigestInput): string {
  const { algorithm, protection } = input;
  // RFC 7616 §3.4.3: A2 takes in the hash of the body under auth-int.
  const a2 =
    protection?.qop === 'auth-int'
      ? `${input.method}:${input.uri}:${hash(opensslNames[algorithm], input.body ?? new Uint8Array(), 'hex')}`
      : `${input.method}:${input.uri}`;
  const ha2 = hashHeaderText(algorithm, a2);
  return hashHeaderText(
    algorithm,
    protection
      ? `${input.ha1}:${input.nonce}:${protection.nc}:${protection.cnonce}:${protection.qop}:${ha2}`
      : `${input.ha1}:${input.nonce}:${ha2}`,
  );
}

/** Compares a received `response` with the computed one in constant time; the received text may be anything. */
export function sameResponse(expected: string, received: string): boolean {
  const left = Buffer.from(expected, 'latin1');
  const right = Buffer.from(received.toLowerCase(), 'latin1');
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Node hashes a string as UTF-8, which of ASCII is the same bytes, in half the time that a Buffer of them takes. */
function hashHeaderText(algorithm: DigestAlgorithm, text: string): string {
  return hash(opensslNames[algorithm], isAscii(text) ? text : Buffer.from(text, 'latin1'), 'hex');
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}
