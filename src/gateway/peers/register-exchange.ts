import { type Random, randomId } from '../../base/index.ts';
import type { PeerConfig, PeerCredentialConfig } from '../../config/index.ts';
import {
  createRequest,
  type HeaderField,
  headerField,
  headerValue,
  parseDeltaSeconds,
  type SipRequest,
  type SipResponse,
} from '../../sip/index.ts';
import { nodeSoftware } from '../software.ts';
import { boundContact, grantedSeconds } from './granted-time.ts';
import { addressAt, domainOf } from './peer-addresses.ts';
import type { PeerCredentials } from './peer-credentials.ts';
import type { OwnEnd, PeerAnswer, PeerRequests } from './peer-requests.ts';

/** Who is registered at a peer: the account there, and the user part at which it reaches them here. */
export interface UpstreamSubject {
  readonly account: string;
  readonly contactUser: string;
  readonly fingerprint: string | undefined;
  readonly credential: PeerCredentialConfig | undefined;
}

export interface RegisterExchangeOptions {
  readonly peer: PeerConfig;
  readonly subject: UpstreamSubject;
  readonly requests: PeerRequests;
  readonly credentials: PeerCredentials;
  readonly random: Random;
  /** For one request, its challenge apart. */
  readonly timeoutMs: number;
}

export type RegisterOutcome =
  | { readonly kind: 'granted'; readonly expiresSeconds: number }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly retryAfterMs: number };

/** Answered challenges of one REGISTER: the second is for a nonce that was stale. */
const maxChallenges = 2;

/** The REGISTER requests of one registration at a peer (RFC 3261 §10.2): one Call-ID, a rising CSeq. */
export class RegisterExchange {
  readonly #options: RegisterExchangeOptions;
  readonly #callId: string;
  readonly #tag: string;
  #cseq = 0;
  /** As asked for, unless the peer found it too brief. */
  #expiresSeconds: number;

  constructor(options: RegisterExchangeOptions) {
    this.#options = options;
    this.#callId = randomId(options.random, 80);
    this.#tag = randomId(options.random, 40);
    this.#expiresSeconds = options.peer.registrations.expires;
  }

  async register(): Promise<RegisterOutcome> {
    const outcome = await this.#ask(this.#expiresSeconds);
    if (outcome.kind !== 'answered') return { kind: 'unreachable', retryAfterMs: 0 };
    const { response } = outcome;
    if (response.status === 423) {
      // RFC 3261 §10.2.8.
      const least = parseDeltaSeconds(headerValue(response, 'min-expires') ?? '');
      if (least !== undefined && least > this.#expiresSeconds) {
        this.#expiresSeconds = least;
        return this.register();
      }
    }
    return this.#read(response);
  }

  async unregister(): Promise<void> {
    await this.#ask(0);
  }

  /** Whether the peer still has the contact (RFC 3261 §10.2.3); `untold`: it takes no such question. */
  async isKnown(): Promise<boolean | 'silent' | 'untold'> {
    const answer = await this.#ask(undefined);
    if (answer.kind !== 'answered' || answer.response.status >= 500) return 'silent';
    if (answer.response.status !== 200) return 'untold';
    return boundContact(answer.response, this.#options.subject.contactUser) !== undefined;
  }

  /** With `expires` undefined it only asks what is bound. */
  async #ask(expires: number | undefined): Promise<PeerAnswer> {
    const { peer, subject, requests, credentials, timeoutMs } = this.#options;
    const ask = (authorization: readonly HeaderField[]): Promise<PeerAnswer> =>
      requests.toPeer(peer, (own) => this.#request(own, expires, authorization), timeoutMs);
    let answer = await ask([]);
    for (let challenges = 0; challenges < maxChallenges; challenges++) {
      if (answer.kind !== 'answered' || subject.credential === undefined) return answer;
      const { request, response } = answer;
      if (response.status !== 401 && response.status !== 407) return answer;
      const authorization = credentials.answer(peer, subject.credential, request, response);
      if (authorization === undefined) return answer;
      answer = await ask([authorization]);
    }
    return answer;
  }

  #request(
    { via, hostPort, transportParam }: OwnEnd,
    expires: number | undefined,
    authorization: readonly HeaderField[],
  ): SipRequest {
    const { peer, subject } = this.#options;
    const { account, contactUser } = subject;
    const address = addressAt(peer, account);
    const binding =
      expires === undefined
        ? []
        : [
            headerField('Contact', `<sip:${contactUser}@${hostPort}${transportParam}>;expires=${expires}`),
            headerField('Expires', String(expires)),
            ...(peer.role === 'pbx'
              ? [
                  // RFC 3327: a PBX that is spread over several machines finds back to this gateway.
                  headerField('Path', `<sip:${hostPort}${transportParam};lr>`),
                  headerField('Supported', 'path'),
                ]
              : []),
          ];
    return createRequest({
      method: 'REGISTER',
      uri: `sip:${domainOf(peer)}`,
      via,
      from: `<${address}>;tag=${this.#tag}`,
      to: `<${address}>`,
      callId: this.#callId,
      cseq: ++this.#cseq,
      headers: [...binding, headerField('User-Agent', nodeSoftware), ...authorization],
    });
  }

  #read(response: SipResponse): RegisterOutcome {
    const { status, reason } = response;
    if (status < 300) {
      const { contactUser } = this.#options.subject;
      return { kind: 'granted', expiresSeconds: grantedSeconds(response, contactUser, this.#expiresSeconds) };
    }
    // RFC 3261 §21.5: another time, or another server, may do better.
    if (status === 408 || (status >= 500 && status < 600)) {
      const retryAfter = parseDeltaSeconds(headerValue(response, 'retry-after') ?? '') ?? 0;
      return { kind: 'unreachable', retryAfterMs: retryAfter * 1000 };
    }
    return { kind: 'refused', status, reason };
  }
}
