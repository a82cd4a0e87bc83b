import { type Clock, concatBytes, epochSeconds, type Random } from '../../base/index.ts';
import { addressOf, intentRequestOf } from '../../intent/index.ts';
import type { SipRequest } from '../../sip/index.ts';
import {
  calleeHash,
  checkIntent,
  createIntentToken,
  decodeIntentToken,
  type Fingerprint,
  fingerprintBytes,
  type SigningKey,
  sha256,
  TokenError,
  verifyIntentToken,
} from '../../tokens/index.ts';
import type { Assurance } from '../principal.ts';
import type { SingleUse } from '../single-use.ts';

/** In lower case: the header field in which one gateway tells another for whom it asks. */
export const hopTokenHeader = 'hop-token';
const lifetimeSeconds = 60;
const hopCode = 'hop';
const peerPrefix = 'peer ';

/** For whom a gateway sends a request to another one. */
export interface HopClaim {
  /** Undefined when a peer sent it. */
  readonly caller: Fingerprint | undefined;
  readonly assurance: Assurance;
  /** Name of the peer that sent it. */
  readonly peer: string | undefined;
  /** Where the caller is at home, when that is another operator. */
  readonly domain?: string | undefined;
}

export interface HopTokensOptions {
  /** The gateway's own identity. */
  readonly key: SigningKey;
  readonly fingerprint: Fingerprint;
  readonly used: SingleUse;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Proof that a request comes from one certain gateway: an intent token of that gateway for exactly this request and this
 * receiver, good once and for a minute. It stands for the connection, so that no address has to be trusted.
 */
export class HopTokens {
  readonly #options: HopTokensOptions;

  constructor(options: HopTokensOptions) {
    this.#options = options;
  }

  sign(request: SipRequest, to: Fingerprint, claim: HopClaim): string {
    const { key, fingerprint, clock, random } = this.#options;
    const { caller } = claim;
    const now = epochSeconds(clock);
    const salt = random.bytes(16);
    return createIntentToken({
      signer: { key, fingerprint },
      ...(caller === undefined ? {} : { onBehalfOf: caller }),
      audience: audienceOf(to),
      iat: now,
      exp: now + lifetimeSeconds,
      cti: random.bytes(16),
      request: intentRequestOf(request),
      callee: { salt, hash: calleeHash(addressOf(request.to.uri), salt) },
      intent: { code: hopCode, text: textOf(claim) },
      parents: [],
      // What the gateway itself vouches for; that a device has signed stands in the text.
      assurance: 0,
    });
  }

  /** Who signed a token, before anything of it is checked; undefined for what is none. */
  signerOf(value: string): Fingerprint | undefined {
    try {
      return decodeIntentToken(value).signer;
    } catch (error) {
      if (error instanceof TokenError) return undefined;
      throw error;
    }
  }

  /** What the gateway with this key says of a request, or why it is not to be believed. */
  check(value: string, request: SipRequest, publicKey: Uint8Array): HopClaim | string {
    const { fingerprint, used, clock } = this.#options;
    try {
      const token = decodeIntentToken(value);
      if (token.intent.code !== hopCode || !verifyIntentToken(token, publicKey)) return 'hop-signature';
      const fault = checkIntent(token, {
        audience: audienceOf(fingerprint),
        request: intentRequestOf(request),
        calleeAddresses: { address: addressOf(request.to.uri) },
        now: epochSeconds(clock),
      });
      if (fault !== undefined) return `hop-${fault}`;
      const id = sha256(concatBytes(fingerprintBytes(token.signer), token.cti));
      if (!used.use(id, clock.now())) return 'hop-replay';
      const { onBehalfOf: caller, intent } = token;
      if (intent.text.startsWith(peerPrefix))
        return { caller, assurance: 0, peer: intent.text.slice(peerPrefix.length) };
      const [level, domain] = intent.text.split(' ');
      const assurance = ([0, 1, 2, 3] as const).find((known) => String(known) === level);
      return assurance === undefined ? 'hop-malformed' : { caller, assurance, peer: undefined, domain };
    } catch (error) {
      if (error instanceof TokenError) return `hop-${error.code}`;
      throw error;
    }
  }
}

function textOf({ assurance, peer, domain }: HopClaim): string {
  if (peer !== undefined) return peerPrefix + peer;
  return domain === undefined ? String(assurance) : `${assurance} ${domain}`;
}

function audienceOf(fingerprint: Fingerprint): string {
  return `node:${fingerprint}`;
}
