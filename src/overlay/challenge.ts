import { type Clock, encodeBase64Url, type Random } from '../base/index.ts';
import type { Fingerprint, SigningKey } from '../tokens/index.ts';
import { verifySignature } from '../tokens/index.ts';

/** A question that only the holder of one key can answer, once and for a short time. */
export interface Challenge {
  /** The name that is to be proved. */
  readonly id: string;
  readonly fingerprint: Fingerprint;
  readonly nonce: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** What is signed: `jis-challenge:v1:<id>:<nonce>:<issued at, in seconds>` in UTF-8. */
  readonly message: Uint8Array;
}

/** Reaches the device that holds an identity's key: in this process, over SIP, over HTTP. */
export interface Prover {
  /** The device's Ed25519 signature over `challenge.message`; undefined when it cannot be reached. */
  prove(challenge: Challenge, signal: AbortSignal): Promise<Uint8Array | undefined>;
}

/** A prover for a key that is at hand. It signs nothing but challenges. */
export function localProver(key: SigningKey): Prover {
  return { prove: async ({ message }) => key.sign(message) };
}

export type ProofFault = 'unknown-challenge' | 'late' | 'signature';

const nonceBytes = 32;

/** The questions that are open. An answer is taken once, right or wrong: a wrong one does not get a second try. */
export class ChallengeBook {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #lifetimeMs: number;
  readonly #maxOpen: number;
  readonly #open = new Map<string, Challenge>();

  constructor(options: {
    readonly clock: Clock;
    readonly random: Random;
    readonly lifetimeMs: number;
    readonly maxOpen: number;
  }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#lifetimeMs = options.lifetimeMs;
    this.#maxOpen = options.maxOpen;
  }

  mint(id: string, fingerprint: Fingerprint): Challenge {
    const nonce = encodeBase64Url(this.#random.bytes(nonceBytes));
    const issuedAtMs = this.#clock.now();
    // Neither nonce nor time holds a colon, so the text has one reading whatever the name holds.
    const text = `jis-challenge:v1:${id}:${nonce}:${Math.floor(issuedAtMs / 1000)}`;
    const challenge: Challenge = {
      id,
      fingerprint,
      nonce,
      issuedAtMs,
      expiresAtMs: issuedAtMs + this.#lifetimeMs,
      message: new TextEncoder().encode(text),
    };
    this.#forget();
    this.#open.set(nonce, challenge);
    return challenge;
  }

  /** Closes the question. `publicKey` is the registered key, never one that came with the answer. */
  redeem(nonce: string, publicKey: Uint8Array, signature: Uint8Array): ProofFault | undefined {
    const challenge = this.take(nonce);
    if (!challenge) return 'unknown-challenge';
    if (this.#clock.now() >= challenge.expiresAtMs) return 'late';
    return verifySignature(publicKey, challenge.message, signature) ? undefined : 'signature';
  }

  /** The open question, which is closed thereby. */
  take(nonce: string): Challenge | undefined {
    const challenge = this.#open.get(nonce);
    this.#open.delete(nonce);
    return challenge;
  }

  /** In the order of minting: the first ones are those that expire first. */
  #forget(): void {
    for (const [nonce, challenge] of this.#open) {
      if (this.#open.size < this.#maxOpen && this.#clock.now() < challenge.expiresAtMs) return;
      this.#open.delete(nonce);
    }
  }
}
