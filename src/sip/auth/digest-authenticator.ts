import type { Clock, Random } from '../../base/index.ts';
import { type HeaderField, headerField, headerValue, type SipRequest } from '../message/index.ts';
import type { Flow } from '../transport/index.ts';
import { authenticationInfo } from './authentication-info.ts';
import { coversRequestUri, type DigestAnswer, findDigestAnswer } from './authorization.ts';
import {
  type AgentAlgorithms,
  answerHeaders,
  type ChallengeAlgorithms,
  type ChallengeKind,
  challengeHeaderFields,
  challengeStatus,
  defaultAgentAlgorithms,
  defaultChallengeAlgorithms,
} from './challenge.ts';
import { type CredentialStore, type DigestCredential, ha1Of, unmatchableCredential } from './credential.ts';
import { type DigestAlgorithm, type DigestQop, digestResponse, sameResponse } from './digest.ts';
import { FailureThrottle, type ThrottleLimits } from './failure-throttle.ts';
import { type NonceMint, nonceMintedAtMs } from './nonce.ts';
import { NonceCounts } from './nonce-counts.ts';

/** What authentication needs to know of a flow. */
export type AuthSource = Pick<Flow, 'id' | 'transport' | 'remote'>;

/** Why a request was refused: for the log. The peer sees only the status, so it can't tell names that exist from others. */
export type DigestFault =
  | 'missing'
  | 'malformed'
  | 'algorithm-not-offered'
  | 'stale-nonce'
  | 'foreign-nonce'
  | 'uri-mismatch'
  | 'throttled'
  | 'unknown-user'
  | 'wrong-response'
  | 'replayed';

export type DigestVerdict =
  | {
      readonly kind: 'accepted';
      readonly username: string;
      readonly credential: DigestCredential;
      readonly algorithm: DigestAlgorithm;
      /** For the response to a REGISTER: shows the phone that this server knows its password too. */
      readonly info: readonly HeaderField[];
    }
  | {
      readonly kind: 'refused';
      readonly fault: DigestFault;
      /** The response to send; `headers` go into it. */
      readonly status: 400 | 401 | 407 | 503;
      readonly headers: readonly HeaderField[];
      /** The name that was claimed, unproven. */
      readonly username: string | undefined;
    };

export interface DigestOptions {
  readonly realm: string;
  readonly credentials: CredentialStore;
  readonly nonces: NonceMint;
  readonly clock: Clock;
  readonly random: Random;
  readonly algorithms?: Partial<ChallengeAlgorithms>;
  /** The first whose prefix fits wins over `algorithms`. */
  readonly agents?: readonly AgentAlgorithms[];
  /** Offered protection; `auth-int` covers the body too (default: `auth` alone, which every phone knows). */
  readonly qop?: readonly DigestQop[];
  readonly throttle?: Partial<ThrottleLimits>;
  readonly maxNonces?: number;
}

/** Digest as a server asks for it and checks it (RFC 3261 §22, RFC 7616, RFC 8760). Refusals are values. */
export class DigestAuthenticator {
  readonly #realm: string;
  readonly #credentials: CredentialStore;
  readonly #nonces: NonceMint;
  readonly #clock: Clock;
  readonly #algorithms: ChallengeAlgorithms;
  readonly #agents: readonly AgentAlgorithms[];
  readonly #qop: readonly DigestQop[];
  readonly #counts: NonceCounts;
  readonly #throttle: FailureThrottle;
  readonly #nobody: Required<DigestCredential>;

  constructor(options: DigestOptions) {
    this.#realm = options.realm;
    this.#credentials = options.credentials;
    this.#nonces = options.nonces;
    this.#clock = options.clock;
    this.#algorithms = { ...defaultChallengeAlgorithms, ...options.algorithms };
    this.#agents = options.agents ?? defaultAgentAlgorithms;
    this.#qop = options.qop ?? ['auth'];
    const { lifetimeMs } = options.nonces;
    const { maxNonces } = options;
    this.#counts = new NonceCounts(maxNonces === undefined ? { lifetimeMs } : { lifetimeMs, maxNonces });
    this.#throttle = new FailureThrottle(options.throttle);
    this.#nobody = unmatchableCredential(options.realm, options.random);
  }

  /** The header fields that a 401 (`www`) or 407 (`proxy`) to this request carries. */
  challenge(request: SipRequest, source: AuthSource, kind: ChallengeKind, stale = false): HeaderField[] {
    return challengeHeaderFields({
      kind,
      realm: this.#realm,
      nonce: this.#nonces.mint(source.id, this.#clock.now()),
      algorithms: this.#algorithmsFor(request, source),
      qop: this.#qop,
      stale,
    });
  }

  /**
   * Checks the request's answer to an earlier challenge. Answers at once when the store does. Not for ACK and CANCEL,
   * which can't be challenged (RFC 3261 §22.1).
   */
  verify(
    request: SipRequest,
    source: AuthSource,
    kind: ChallengeKind,
  ): DigestVerdict | Promise<DigestVerdict> {
    const answer = findDigestAnswer(request, answerHeaders[kind], this.#realm);
    if (answer === undefined) return this.#challenged('missing', request, source, kind);
    if (answer === 'malformed') {
      return { kind: 'refused', fault: 'malformed', status: 400, headers: [], username: undefined };
    }
    const { username } = answer;
    if (!this.#offered(answer, request, source)) {
      return this.#challenged('algorithm-not-offered', request, source, kind, username);
    }
    const nowMs = this.#clock.now();
    // Nothing is computed or counted for a nonce that this flow was not given just now: a forged source can neither
    // guess passwords nor use up its victim's attempts, and a phone that kept a nonce is asked again at no harm.
    switch (this.#nonces.check(answer.nonce, source.id, nowMs)) {
      case 'fresh':
        break;
      case 'stale':
        return this.#challenged('stale-nonce', request, source, kind, username);
      case 'foreign':
      case 'malformed':
        return this.#challenged('foreign-nonce', request, source, kind, username);
    }
    if (!coversRequestUri(answer.uri, request.uri)) {
      return { kind: 'refused', fault: 'uri-mismatch', status: 400, headers: [], username };
    }
    const throttled = this.#throttled(source, username, nowMs);
    if (throttled) return throttled;
    const found = this.#credentials.find(username, this.#realm);
    return found instanceof Promise
      ? found.then((credential) => this.#conclude(request, source, kind, answer, credential))
      : this.#conclude(request, source, kind, answer, found);
  }

  #algorithmsFor(request: SipRequest, source: AuthSource): readonly DigestAlgorithm[] {
    const userAgent = headerValue(request, 'user-agent') ?? '';
    const agent = this.#agents.find(({ prefix }) => userAgent.startsWith(prefix));
    return agent?.algorithms ?? this.#algorithms[source.transport];
  }

  #offered(answer: DigestAnswer, request: SipRequest, source: AuthSource): boolean {
    // An answer in the style of RFC 2069 protects what `auth` does.
    const qop = answer.protection?.qop ?? 'auth';
    return this.#algorithmsFor(request, source).includes(answer.algorithm) && this.#qop.includes(qop);
  }

  #conclude(
    request: SipRequest,
    source: AuthSource,
    kind: ChallengeKind,
    answer: DigestAnswer,
    credential: DigestCredential | undefined,
  ): DigestVerdict {
    const { username, algorithm, nonce, uri, protection } = answer;
    const ha1 = credential && ha1Of(credential, algorithm);
    const expected = digestResponse({
      algorithm,
      // An unknown name costs what a known one costs.
      ha1: ha1 ?? ha1Of(this.#nobody, algorithm),
      nonce,
      method: request.method,
      uri,
      ...(protection && { protection }),
      body: request.body,
    });
    const nowMs = this.#clock.now();
    // Once more: many answers may have waited for the store together.
    const throttled = this.#throttled(source, username, nowMs);
    if (throttled) return throttled;
    if (!sameResponse(expected, answer.response) || credential === undefined || ha1 === undefined) {
      this.#throttle.recordFailure(source.remote.address, username, nowMs);
      return this.#challenged(
        credential ? 'wrong-response' : 'unknown-user',
        request,
        source,
        kind,
        username,
      );
    }
    this.#throttle.recordSuccess(source.remote.address, username);
    // RFC 2069 answers have no count: their nonce serves once.
    const count = protection === undefined ? 1 : Number.parseInt(protection.nc, 16);
    if (!this.#counts.use(nonce, nonceMintedAtMs(nonce) ?? 0, count, nowMs)) {
      return this.#challenged('replayed', request, source, kind, username);
    }
    const info = kind === 'www' ? authenticationInfo(answer, ha1) : [];
    return { kind: 'accepted', username, credential, algorithm, info };
  }

  #throttled(source: AuthSource, username: string, nowMs: number): DigestVerdict | undefined {
    const waitMs = this.#throttle.waitMs(source.remote.address, username, nowMs);
    if (waitMs <= 0) return undefined;
    const retryAfter = headerField('Retry-After', String(Math.ceil(waitMs / 1000)));
    return { kind: 'refused', fault: 'throttled', status: 503, headers: [retryAfter], username };
  }

  #challenged(
    fault: DigestFault,
    request: SipRequest,
    source: AuthSource,
    kind: ChallengeKind,
    username?: string,
  ): DigestVerdict {
    const stale = fault === 'stale-nonce' || fault === 'foreign-nonce' || fault === 'replayed';
    const headers = this.challenge(request, source, kind, stale);
    return { kind: 'refused', fault, status: challengeStatus[kind], headers, username };
  }
}
