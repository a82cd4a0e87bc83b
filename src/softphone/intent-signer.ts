import { type Clock, decodeBase64Url, epochSeconds, type Random } from '../base/index.ts';
import { addressOf, intentRequestOf } from '../intent/index.ts';
import {
  defaultMessageLimits,
  headerValue,
  parseMessage,
  type SipMessage,
  SipParseError,
  type SipRequest,
} from '../sip/index.ts';
import {
  type Attribute,
  calleeHash,
  createIntentToken,
  fitIntentText,
  type IdentityToken,
  mergeAttributes,
  type SigningKey,
} from '../tokens/index.ts';
import type { PhoneNode } from './phone-node.ts';
import type { MessageTap } from './signing-transport.ts';

/** How long a request's token says it is good for; the gateway itself accepts it for 60 s. */
const intentLifetimeSeconds = 120;

export interface IntentSignerOptions {
  readonly token: IdentityToken;
  readonly key: SigningKey;
  readonly clock: Clock;
  readonly random: Random;
  /** What the person declares for the call with this Call-ID, asked anew for each INVITE. */
  readonly declaredIntent: (callId: string) => string | undefined;
  /** What a call is to be matched by, in the same way. */
  readonly topic?: (callId: string) => string | undefined;
  /** The identity's, of every level; the node's are added to them. */
  readonly attributes?: readonly Attribute[];
  /** The run of this program; without one no node is named. */
  readonly node?: PhoneNode;
  /** `encodeSuccession`: the identity takes the place of an earlier one. */
  readonly succession?: Uint8Array | undefined;
}

/** Adds a fresh `Intent-Token` to each request that a phone sends; responses and keepalives pass untouched. */
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
    const request = readMessage(message);
    if (request?.kind !== 'request' || headerValue(request, 'intent-token') !== undefined) return message;
    const lineEnd = message.indexOf('\r\n') + 2;
    return `${message.slice(0, lineEnd)}Intent-Token: ${this.sign(request)}\r\n${message.slice(lineEnd)}`;
  }

  incoming(message: string): void {
    const response = message.startsWith('SIP/2.0 ') ? readMessage(message) : undefined;
    if (response?.kind !== 'response' || response.status < 200) return;
    const nonce = headerValue(response, 'intent-nonce');
    if (nonce !== undefined) {
      this.#nonce = decodeBase64Url(nonce);
      const theirsMs = Date.parse(headerValue(response, 'date') ?? '');
      if (!Number.isNaN(theirsMs)) this.#clockOffsetMs = theirsMs - this.#options.clock.now();
    }
    if (response.cseq.method === 'REGISTER') this.#known = response.status === 200;
  }

  /** Forgets what the gateway has said: a new connection may lead to another gateway. */
  reset(): void {
    this.#nonce = undefined;
    this.#known = false;
  }

  /** The value of the `Intent-Token` header field for `request`. */
  sign(request: SipRequest): string {
    const { token, key, clock, random } = this.#options;
    const now = epochSeconds(clock) + Math.floor(this.#clockOffsetMs / 1000);
    // By a clock that runs ahead the identity may have ended: the gateway's own clock decides that.
    const iat = Math.min(now, token.expires - 1);
    const inDialog = request.to.tag !== undefined;
    const callee = addressOf(inDialog || request.method === 'REGISTER' ? request.to.uri : request.uri);
    const salt = random.bytes(16);
    const nonce = this.#nonce;
    const { node, attributes = [], succession } = this.#options;
    const topic = request.method === 'INVITE' ? this.#options.topic?.(request.callId) : undefined;
    return createIntentToken({
      signer: { key, fingerprint: token.fingerprint, expires: token.expires },
      // A telephone number (RFC 3966) names no domain: it is dialled at the caller's own.
      audience: domainIn(callee.slice(0, 4).toLowerCase() === 'tel:' ? addressOf(request.from.uri) : callee),
      iat,
      exp: iat + intentLifetimeSeconds,
      cti: random.bytes(16),
      ...(nonce === undefined ? {} : { nonce }),
      request: intentRequestOf(request),
      callee: { salt, hash: calleeHash(callee, salt) },
      intent: { code: request.method.toLowerCase(), text: this.#textFor(request, callee) },
      parents: [],
      assurance: 3,
      attributes: mergeAttributes(attributes, node?.attributes ?? []),
      ...(topic === undefined ? {} : { topic }),
      ...(node && { node: node.fingerprint }),
      // Until a gateway has accepted us once it may not know our key, nor our node.
      ...(this.#known
        ? {}
        : {
            identityToken: token.bytes,
            ...(succession && { succession }),
            ...(node && { nodeProof: node.proof }),
          }),
    });
  }

  #textFor(request: SipRequest, callee: string): string {
    const declared = request.method === 'INVITE' ? this.#options.declaredIntent(request.callId) : undefined;
    return fitIntentText(declared ?? '') || fitIntentText(`${request.method.toLowerCase()} ${callee}`);
  }
}

function domainIn(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}

/** Undefined for a keepalive and for what is no SIP: the library or the other side will deal with that. */
function readMessage(text: string): SipMessage | undefined {
  try {
    return parseMessage(Buffer.from(text, 'utf8'), defaultMessageLimits);
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}
