import { type Clock, encodeBase64Url, epochSeconds, type Random } from '../base/index.ts';
import {
  type AnswerVerdict,
  type Ask,
  type AskOptions,
  askClaimIssuer,
  confirmRealm,
  delegateClaimCheck,
  type Fingerprint,
  type IdentityToken,
  type Question,
  questionNonceBytes,
  type RealmVerdict,
  type SignedAnswer,
  sha256,
  type VerifiableClaim,
} from '../tokens/index.ts';
import { AnswerCache, type AnswerCacheLimits } from './answer-cache.ts';
import type { Authority } from './authorities.ts';
import { maxAnswerBytes, questionBody, readAnswer } from './question-wire.ts';

export interface VouchingClientOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: AnswerCacheLimits;
}

/** Puts questions to realms and to issuers of claims over HTTP, and remembers what they have answered. */
export class VouchingClient {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #cache: AnswerCache;

  constructor({ clock, random, limits }: VouchingClientOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#cache = new AnswerCache(clock, limits);
  }

  /** Whether the realm that `token` claims knows it as a member; only `confirmed` admits. At once when remembered. */
  async realmConfirms(token: IdentityToken, realm: Authority): Promise<RealmVerdict> {
    let refused: RealmVerdict | undefined;
    const key = `realm ${realm.token.fingerprint} ${token.fingerprint}`;
    const verdict = await this.#cache.verdict(key, () =>
      this.#asking(realm, async (options) => {
        const found = await confirmRealm(token, realm.token, options);
        if (found === 'confirmed') return 'yes';
        if (found === 'denied') return 'no';
        refused = found;
        return found === 'expired' || found === 'forged' ? found : 'unreachable';
      }),
    );
    if (verdict === 'yes') return 'confirmed';
    return verdict === 'no' ? 'denied' : (refused ?? verdict);
  }

  /** Whether the issuer of a claim still stands by it. */
  claimStands(claim: VerifiableClaim, issuer: Authority): AnswerVerdict | Promise<AnswerVerdict> {
    return this.#cache.verdict(`claim ${encodeBase64Url(sha256(claim.bytes))}`, () =>
      this.#asking(issuer, (options) => askClaimIssuer(claim, issuer.token, options)),
    );
  }

  /** Lets a trusted party check a claim, for a device that cannot do so itself. Nothing is remembered. */
  async delegate(claim: Uint8Array, subject: Fingerprint, delegate: Authority): Promise<AnswerVerdict> {
    const { verdict } = await this.#asking(
      delegate,
      (options) => delegateClaimCheck(claim, subject, delegate.token, options),
      claim,
    );
    return verdict;
  }

  async #asking(
    { url, timeoutMs }: Authority,
    put: (options: AskOptions) => Promise<AnswerVerdict>,
    claim?: Uint8Array,
  ): Promise<{ readonly verdict: AnswerVerdict; readonly until: number | undefined }> {
    if (url === undefined) return { verdict: 'unreachable', until: undefined };
    let until: number | undefined;
    const ask: Ask = async (question, signal) => {
      const answer = await askOverHttp(url, question, signal, claim);
      until = answer.until;
      return answer;
    };
    const verdict = await put({
      ask,
      nonce: this.#random.bytes(questionNonceBytes),
      now: epochSeconds(this.#clock),
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { verdict, until };
  }
}

/** One POST; rejects for whatever is no answer. Redirects are not followed: the address is the operator's. */
async function askOverHttp(
  url: string,
  question: Question,
  signal: AbortSignal,
  claim?: Uint8Array,
): Promise<SignedAnswer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: questionBody(question, claim),
    redirect: 'error',
    signal,
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const answer = readAnswer(JSON.parse(await limitedText(response, maxAnswerBytes)));
  if (answer === undefined) throw new Error(`${url} gave no signed answer`);
  return answer;
}

/** The body of a response up to a limit; rejects for a longer one without reading on. */
export async function limitedText(response: Response, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  if (response.body === null) return '';
  for await (const part of response.body) {
    length += part.length;
    if (length > maxBytes) throw new Error(`the answer has more than ${maxBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
