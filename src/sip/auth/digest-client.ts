import { encodeHex, type Random } from '../../base/index.ts';
import {
  type AuthValue,
  type HeaderField,
  headerField,
  headerValues,
  parseAuthValue,
  SipParseError,
  type SipRequest,
  type SipResponse,
  serializeAuthValue,
} from '../message/index.ts';
import {
  type DigestAlgorithm,
  type DigestQop,
  digestAlgorithmNamed,
  digestHa1,
  digestResponse,
} from './digest.ts';

/** What we show to a peer that challenges us. It belongs to one realm and is used for no other. */
export interface ClientCredential {
  readonly realm: string;
  readonly username: string;
  readonly password: string;
}

/**
 * The answer to the 401 or 407 that `request` got: of the challenges for the credential's realm the first that is
 * understood (RFC 8760 §2.4), or undefined when there is none. A challenge for another realm is never answered:
 * the response to it would let a stranger guess the password at leisure.
 * `nonceCount` is 1 for a new nonce and rises with each use of it.
 */
export function answerChallenge(options: {
  readonly request: SipRequest;
  readonly response: SipResponse;
  readonly credential: ClientCredential;
  readonly random: Random;
  readonly nonceCount?: number;
}): HeaderField | undefined {
  const { request, response, credential, random } = options;
  const proxy = response.status === 407;
  for (const value of headerValues(response, proxy ? 'proxy-authenticate' : 'www-authenticate')) {
    const challenge = readChallenge(value, credential.realm);
    if (challenge === undefined) continue;
    const { algorithm, nonce, opaque, qop } = challenge;
    const { username, realm, password } = credential;
    const nc = (options.nonceCount ?? 1).toString(16).padStart(8, '0');
    const protection = qop === undefined ? undefined : { qop, nc, cnonce: encodeHex(random.bytes(16)) };
    const answer = digestResponse({
      algorithm,
      ha1: digestHa1(algorithm, username, realm, password),
      nonce,
      method: request.method,
      uri: request.uri,
      ...(protection && { protection }),
      body: request.body,
    });
    const params: [string, string][] = [
      ['username', latin1Of(username)],
      ['realm', realm],
      ['nonce', nonce],
      ['uri', request.uri],
      ['algorithm', algorithm],
      ['response', answer],
    ];
    if (protection) params.push(...Object.entries(protection));
    if (opaque !== undefined) params.push(['opaque', opaque]);
    return headerField(
      proxy ? 'Proxy-Authorization' : 'Authorization',
      serializeAuthValue('Digest', params, 'credentials'),
    );
  }
  return undefined;
}

interface Challenge {
  readonly algorithm: DigestAlgorithm;
  readonly nonce: string;
  readonly opaque: string | undefined;
  /** What is answered with; without any qop offered the answer is in the style of RFC 2069. */
  readonly qop: DigestQop | undefined;
}

function readChallenge(value: string, realm: string): Challenge | undefined {
  let parsed: AuthValue;
  try {
    parsed = parseAuthValue(value);
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
  const { params } = parsed;
  if (parsed.scheme.toLowerCase() !== 'digest' || params.get('realm') !== realm) return undefined;
  const algorithm = digestAlgorithmNamed(params.get('algorithm'));
  const nonce = params.get('nonce');
  if (algorithm === undefined || nonce === undefined) return undefined;
  const offered = params
    .get('qop')
    ?.split(',')
    .map((item) => item.trim().toLowerCase());
  const qop = offered && chooseQop(offered);
  if (offered !== undefined && qop === undefined) return undefined;
  return { algorithm, nonce, opaque: params.get('opaque'), qop };
}

/** `auth` where it is enough: a body that a proxy may lawfully change would break the other (RFC 3261 §22.4). */
function chooseQop(offered: readonly string[]): DigestQop | undefined {
  if (offered.includes('auth')) return 'auth';
  return offered.includes('auth-int') ? 'auth-int' : undefined;
}

/** Header text is latin1, one char per byte of UTF-8. */
function latin1Of(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
