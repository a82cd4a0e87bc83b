import {
  type AuthValue,
  headerValues,
  parseAuthValue,
  parseUri,
  SipParseError,
  type SipRequest,
  sameUri,
} from '../message/index.ts';
import { type DigestAlgorithm, type DigestQop, digestAlgorithmNamed } from './digest.ts';

/** What a phone answered to a challenge (RFC 7616 §3.4); all of it chosen by the peer. */
export interface DigestAnswer {
  readonly username: string;
  readonly nonce: string;
  readonly uri: string;
  readonly response: string;
  readonly algorithm: DigestAlgorithm;
  /** Absent when the phone speaks RFC 2069 only. */
  readonly protection: { readonly qop: DigestQop; readonly nc: string; readonly cnonce: string } | undefined;
}

const digestScheme = 'digest';

/**
 * The first Digest answer for `realm` with an algorithm that is known here. Answers for other realms are meant for
 * others on the way (RFC 3261 §22.3) and passed over.
 */
export function findDigestAnswer(
  request: SipRequest,
  headerName: string,
  realm: string,
): DigestAnswer | 'malformed' | undefined {
  for (const value of headerValues(request, headerName)) {
    // `Basic` and `Bearer` (RFC 8898) have another form: whoever shows nothing else is challenged.
    if (value.slice(0, digestScheme.length).toLowerCase() !== digestScheme) continue;
    const parsed = parseOrNothing(value, parseAuthValue);
    if (parsed === undefined) return 'malformed';
    if (parsed.scheme.toLowerCase() !== digestScheme || parsed.params.get('realm') !== realm) continue;
    const algorithm = digestAlgorithmNamed(parsed.params.get('algorithm'));
    if (algorithm === undefined) continue;
    return readAnswer(parsed.params, algorithm) ?? 'malformed';
  }
  return undefined;
}

function parseOrNothing<T>(text: string, parse: (text: string) => T): T | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

function readAnswer(params: AuthValue['params'], algorithm: DigestAlgorithm): DigestAnswer | undefined {
  const username = params.get('username');
  const nonce = params.get('nonce');
  const uri = params.get('uri');
  const response = params.get('response');
  if (username === undefined || nonce === undefined || uri === undefined || response === undefined) {
    return undefined;
  }
  const qop = params.get('qop')?.toLowerCase();
  if (qop === undefined) return { username, nonce, uri, response, algorithm, protection: undefined };
  const nc = params.get('nc');
  const cnonce = params.get('cnonce');
  if ((qop !== 'auth' && qop !== 'auth-int') || cnonce === undefined || !isNonceCount(nc)) return undefined;
  return { username, nonce, uri, response, algorithm, protection: { qop, nc, cnonce } };
}

/** 8LHEX (RFC 7616 §3.4); upper case is met in the field. */
function isNonceCount(nc: string | undefined): nc is string {
  if (nc?.length !== 8) return false;
  for (let i = 0; i < 8; i++) {
    if (!'0123456789abcdefABCDEF'.includes(nc.charAt(i))) return false;
  }
  return true;
}

/**
 * Whether the `uri` that a phone signed covers the Request-URI (RFC 7616 §3.4.6). Parameters, and a port given in
 * one of the two only, may differ: proxies and phones add and drop them. A digest URI without a user names only the
 * server, as SIPp writes it, and so covers any request to it: nonce and realm tie it to us already. A captured
 * answer that names a callee, however, opens no call to another.
 */
export function coversRequestUri(digestUri: string, requestUri: string): boolean {
  if (digestUri === requestUri) return true;
  const signed = parseOrNothing(digestUri, parseUri);
  const requested = parseOrNothing(requestUri, parseUri);
  if (signed === undefined || requested === undefined) return false;
  if (signed.scheme === 'tel' || signed.scheme === 'other') return sameUri(signed, requested);
  if (signed.user === undefined) return true;
  if (requested.scheme === 'tel' || requested.scheme === 'other') return false;
  const samePort =
    signed.port === undefined || requested.port === undefined || signed.port === requested.port;
  return signed.user === requested.user && signed.host === requested.host && samePort;
}
