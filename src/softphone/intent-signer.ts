import type { Clock, Random } from '../base/index.ts';
import { decodeBase64Url } from '../base/index.ts';
import { addressOf, intentRequestOf } from '../intent/index.ts';
import { defaultMessageLimits, headerValue, parseMessage, type SipRequest } from '../sip/index.ts';
import { calleeHash, createIntentToken, fitIntentText, type IdentityToken, type SigningKey } from '../tokens/index.ts';
import type { MessageTap } from './signing-transport.ts';

/** How long a request's token says it is good for; the gateway itself accepts it for 60 s. */
const intentLifetimeSeconds = 120;

export interface IntentSignerOptions {
  readonly token: IdentityToken;
  readonly key: SigningKey;
  readonly clock: Clock;
  readonly random: Random;
  /** What the person declares for the call that is being made, asked anew for each INVITE. */
  readonly declaredIntent: () => string | undefined;
}

/** Adds a fresh `Intent-Token` to each request that a phone sends; responses pass untouched. */
export class IntentSigner implements MessageTap {
  readonly #options: IntentSignerOptions;
  /** The gateway's latest `Intent-Nonce`: it stands for freshness when this machine's clock is off. */
  #nonce: Uint8Array | undefined;
  /** What the gateway's clock is ahead of ours, once it has told us that our time is off. */
  #clockOffsetMs = 0;
  #known = false;

  constructor(options: IntentSignerOptions) {
    this.#options = options;
  }

  outgoing(message: string): string {
    if (message.startsWith('SIP/2.0 ')) return message;
    const request = parseMessage(Buffer.from(message, 'utf8'), defaultMessageLimits);
    if (request.kind !== 'request') return message;
    const lineEnd = message.indexOf('\r\n') + 2;
    return `${message.slice(0, lineEnd)}Intent-Token: ${this.sign(request)}\r\n${message.slice(lineEnd)}`;
  }

  incoming(message: string): void {
    if (!message.startsWith('SIP/2.0 ')) return;
    const response = parseMessage(Buffer.from(message, 'utf8'), defaultMessageLimits);
    const nonce = headerValue(response, 'intent-nonce');
    if (nonce !== undefined) {
      this.#nonce = decodeBase64Url(nonce);
      this.#clockOffsetMs = offsetOf(headerValue(response, 'date'), this.#options.clock);
    }
    if (response.kind === 'response' && response.cseq.method === 'REGISTER')
      this.#known = response.status === 200;
  }

  /** Forgets what the gateway has said: a new connection may lead to another gateway. */
  reset(): void {
    this.#nonce = undefined;
    this.#known = false;
  }

  /** The value of the `Intent-Token` header field for `request`. */
  sign(request: SipRequest): string {
    const { token, key, clock, random, declaredIntent } = this.#options;
    const now = Math.floor((clock.now() + this.#clockOffsetMs) / 1000);
    const inDialog = request.to.tag !== undefined;
    const callee = addressOf(inDialog || request.method === 'REGISTER' ? request.to.uri : request.uri);
    const salt = random.bytes(16);
    const plain = `${request.method.toLowerCase()} ${callee}`;
    const declared = request.method === 'INVITE' ? declaredIntent() : undefined;
    const text = fitIntentText(declared ?? plain) || fitIntentText(plain);
    const nonce = this.#nonce;
    return createIntentToken({
      signer: { key, fingerprint: token.fingerprint, expires: token.expires },
      audience: callee.slice(callee.lastIndexOf('@') + 1),
      iat: now,
      exp: now + intentLifetimeSeconds,
      cti: random.bytes(16),
      ...(nonce === undefined ? {} : { nonce }),
      request: intentRequestOf(request),
      callee: { salt, hash: calleeHash(callee, salt) },
      intent: { code: request.method.toLowerCase(), text },
      parents: [],
      assurance: 3,
      // Until a gateway has accepted us once it may not know our key.
      ...(this.#known ? {} : { identityToken: token.bytes }),
    });
  }
}

function offsetOf(date: string | undefined, clock: Clock): number {
  const theirsMs = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(theirsMs) ? 0 : theirsMs - clock.now();
}
