import { type HeaderField, headerField } from '../message/index.ts';
import type { TransportName } from '../transport/index.ts';
import type { DigestAlgorithm, DigestQop } from './digest.ts';

/** Who asks: the registrar and other user agent servers with 401, a proxy with 407 (RFC 3261 §22.2, §22.3). */
export type ChallengeKind = 'www' | 'proxy';

export const challengeStatus: Readonly<Record<ChallengeKind, 401 | 407>> = { www: 401, proxy: 407 };
const challengeHeaders: Readonly<Record<ChallengeKind, string>> = {
  www: 'WWW-Authenticate',
  proxy: 'Proxy-Authenticate',
};
/** Canonical names of the header fields in which the answers arrive. */
export const answerHeaders: Readonly<Record<ChallengeKind, string>> = {
  www: 'authorization',
  proxy: 'proxy-authorization',
};

/** Which algorithms a challenge offers on each transport, in this order: one header field each (RFC 8760 §2.4). */
export type ChallengeAlgorithms = Readonly<Record<TransportName, readonly DigestAlgorithm[]>>;

const md5Alone: readonly DigestAlgorithm[] = ['MD5'];

/**
 * One MD5 challenge, since a second one already turns phones away: SIP.js and JsSIP read only the first, baresip 1.0
 * (libre 1.1) gives up on any SHA-256 in the response, SIPp 3.6 on one that comes first.
 */
export const defaultChallengeAlgorithms: ChallengeAlgorithms = {
  udp: md5Alone,
  tcp: md5Alone,
  tls: md5Alone,
  ws: md5Alone,
  wss: md5Alone,
};

/** What phones whose User-Agent starts with `prefix` are offered instead, whatever the transport. */
export interface AgentAlgorithms {
  readonly prefix: string;
  readonly algorithms: readonly DigestAlgorithm[];
}

/** Phones that are known to choose among several challenges (tried: linphone 5.1). */
export const defaultAgentAlgorithms: readonly AgentAlgorithms[] = [
  { prefix: 'Linphone', algorithms: ['SHA-256', 'MD5'] },
];

/** The header fields of a challenge, in the order of `algorithms`. All share the nonce: one of them is answered. */
export function challengeHeaderFields(options: {
  readonly kind: ChallengeKind;
  readonly realm: string;
  readonly nonce: string;
  readonly algorithms: readonly DigestAlgorithm[];
  readonly qop: readonly DigestQop[];
  /** The answer was fine but for its nonce: the phone retries without asking its user (RFC 7616 §3.3). */
  readonly stale: boolean;
}): HeaderField[] {
  const { kind, realm, nonce, algorithms, qop, stale } = options;
  return algorithms.map((algorithm) => {
    let value = `Digest realm="${realm}", nonce="${nonce}", algorithm=${algorithm}`;
    if (qop.length > 0) value += `, qop="${qop.join(',')}"`;
    if (stale) value += ', stale=true';
    return headerField(challengeHeaders[kind], value);
  });
}
