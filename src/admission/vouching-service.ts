import { type FastifyInstance, fastify } from 'fastify';
import { type Clock, encodeBase64Url, epochSeconds, equalBytes, listen } from '../base/index.ts';
import {
  answerClaimCheck,
  claimDelegateContext,
  claimStatusContext,
  decodeClaim,
  fingerprintBytes,
  fingerprintFromBytes,
  type IdentityToken,
  type Question,
  realmContext,
  type SignedAnswer,
  type SigningKey,
  sha256,
  signAnswer,
  TokenError,
} from '../tokens/index.ts';
import type { Authorities } from './authorities.ts';
import type { MemberBook } from './member-book.ts';
import { answerBody, maxQuestionBytes, readQuestion } from './question-wire.ts';

/** Where questions are answered. */
export const vouchingPath = '/vouch';

export interface VouchingServiceOptions {
  readonly host: string;
  readonly port: number;
  /** The realm's own identity: it signs each answer. */
  readonly key: SigningKey;
  readonly token: IdentityToken;
  readonly members: MemberBook;
  /** How long those who asked may remember an answer. */
  readonly answerLifetimeSeconds: number;
  readonly clock: Clock;
  /** Whose claims it checks for devices that cannot, besides its own. */
  readonly authorities?: Authorities;
}

/** A realm's public service: answers, signed, who is a member, whether a claim stands, whether a claim is good. */
export class VouchingService {
  readonly #options: VouchingServiceOptions;
  readonly #server: FastifyInstance;

  constructor(options: VouchingServiceOptions) {
    this.#options = options;
    this.#server = fastify({ logger: false, forceCloseConnections: true, bodyLimit: maxQuestionBytes });
    this.#server.post(vouchingPath, (request, reply) => {
      const asked = readQuestion(request.body);
      const answer = asked && this.answer(asked.question, asked.claim);
      if (answer === undefined) return reply.code(400).send({ error: 'not a question for this realm' });
      return reply.type('application/json').header('cache-control', 'no-store').send(answerBody(answer));
    });
    // What is known of the realm in public: its own token, by which its answers are checked.
    this.#server.get(vouchingPath, () => ({
      name: options.token.subject,
      fingerprint: options.token.fingerprint,
      token: encodeBase64Url(options.token.bytes),
    }));
  }

  /** Resolves with the port that serves; rejects with the system's error when it cannot listen. */
  start(): Promise<number> {
    return listen(this.#server, this.#options);
  }

  async close(): Promise<void> {
    await this.#server.close();
  }

  /** Undefined for what is not this realm's to answer. Throws Error when the members cannot be read. */
  answer(question: Question, claim?: Uint8Array): SignedAnswer | undefined {
    const { key, token, members, clock, answerLifetimeSeconds } = this.#options;
    const until = Math.min(epochSeconds(clock) + answerLifetimeSeconds, token.expires);
    const [first, second] = question.about;
    if (first === undefined) return undefined;
    const say = (isTrue: boolean): SignedAnswer => signAnswer(key, question, isTrue ? 'yes' : 'no', until);
    if (question.context === realmContext && second !== undefined)
      return equalBytes(first, fingerprintBytes(token.fingerprint))
        ? say(members.find(fingerprintFromBytes(second)) !== undefined)
        : undefined;
    if (question.context === claimStatusContext && second === undefined)
      return say(!members.isWithdrawn(encodeBase64Url(first)));
    if (question.context !== claimDelegateContext || second === undefined || claim === undefined)
      return undefined;
    return equalBytes(sha256(claim), first) ? this.#check(question, claim, second, until) : undefined;
  }

  #check(
    question: Question,
    bytes: Uint8Array,
    subject: Uint8Array,
    until: number,
  ): SignedAnswer | undefined {
    const { key, token, authorities, members, clock } = this.#options;
    try {
      const claim = decodeClaim(bytes);
      const own = claim.issuer === token.fingerprint;
      const issuer = own ? token : authorities?.of(claim.issuer)?.token;
      if (issuer === undefined || (own && members.isWithdrawn(encodeBase64Url(sha256(bytes)))))
        return signAnswer(key, question, 'no', until);
      const expected = { issuer, subject: fingerprintFromBytes(subject), now: epochSeconds(clock) };
      return answerClaimCheck(key, claim, question.nonce, expected, until);
    } catch (error) {
      if (error instanceof TokenError) return signAnswer(key, question, 'no', until);
      throw error;
    }
  }
}
