import { type Clock, epochSeconds, type Random } from '../base/index.ts';
import { intentRequestOf } from '../intent/index.ts';
import type { SipRequest } from '../sip/index.ts';
import { type CalleeClaim, calleeHash, createIntentToken, type SigningKey } from '../tokens/index.ts';
import type { Assurance } from './principal.ts';

/** How long an intent that the gateway signs is good for: the callee checks it while its phone rings. */
const lifetimeSeconds = 120;

export interface OnBehalfOptions {
  /** The gateway's own identity: its fingerprint is the token's kid, so that nobody takes it for the caller's. */
  readonly key: SigningKey;
  readonly fingerprint: string;
  /** The run of the gateway, which its identity has signed and which has signed it. */
  readonly node: string;
  readonly clock: Clock;
  readonly random: Random;
}

export interface OnBehalfIntent {
  readonly request: SipRequest;
  readonly caller: string | undefined;
  readonly assurance: Assurance;
  readonly audience: string;
  readonly callee: { readonly fingerprint: string | undefined; readonly address: string };
  readonly text: string;
}

/** Signs intents for phones that cannot: the token names the caller, the true assurance and the gateway as signer. */
export class OnBehalfSigner {
  readonly #options: OnBehalfOptions;

  constructor(options: OnBehalfOptions) {
    this.#options = options;
  }

  /** The `Intent-Token` value for a request whose sender did not sign. */
  sign(intent: OnBehalfIntent): string {
    const { key, fingerprint, node, clock, random } = this.#options;
    const now = epochSeconds(clock);
    return createIntentToken({
      signer: { key, fingerprint },
      ...(intent.caller === undefined ? {} : { onBehalfOf: intent.caller }),
      audience: intent.audience,
      iat: now,
      exp: now + lifetimeSeconds,
      cti: random.bytes(16),
      request: intentRequestOf(intent.request),
      callee: this.#calleeClaim(intent.callee),
      intent: { code: intent.request.method.toLowerCase(), text: intent.text },
      parents: [],
      node,
      assurance: intent.assurance,
    });
  }

  #calleeClaim(callee: OnBehalfIntent['callee']): CalleeClaim {
    if (callee.fingerprint !== undefined) return { fingerprint: callee.fingerprint };
    const salt = this.#options.random.bytes(16);
    return { salt, hash: calleeHash(callee.address, salt) };
  }
}
