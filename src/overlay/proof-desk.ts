import type { Clock } from '../base/index.ts';
import type { Fingerprint, IdentityToken } from '../tokens/index.ts';
import {
  type Challenge,
  type ChallengeBook,
  localProver,
  type ProofFault,
  type Prover,
} from './challenge.ts';
import type { DeviceBook } from './device-book.ts';
import type { IdentityDirectory } from './identity-directory.ts';
import type { IdentityRecord } from './identity-record.ts';
import type { EventReporter } from './overlay-event.ts';

export type VerificationFault = ProofFault | 'unknown-identity' | 'revoked' | 'token-expired' | 'unreachable';

/** How a proof has ended. */
export interface Verification {
  readonly verified: boolean;
  /** From the proofs before this one: what was known of the identity when it was asked. 0 for nobody. */
  readonly trustScore: number;
  readonly fault: VerificationFault | undefined;
  readonly identity: { readonly fingerprint: Fingerprint; readonly name: string } | undefined;
}

export interface ProofDeskOptions {
  readonly directory: IdentityDirectory;
  readonly devices: DeviceBook;
  readonly challenges: ChallengeBook;
  readonly reporter: EventReporter;
  readonly clock: Clock;
  /** Reaches a device that this process does not hold. */
  readonly findProver: (identity: IdentityRecord) => Prover | undefined;
}

/** Has identities prove that they hold their key, now. */
export class ProofDesk {
  readonly #options: ProofDeskOptions;
  readonly #provers = new Map<Fingerprint, Prover>();

  constructor(options: ProofDeskOptions) {
    this.#options = options;
  }

  attach(fingerprint: Fingerprint, prover: Prover): void {
    this.#provers.set(fingerprint, prover);
  }

  detach(fingerprint: Fingerprint): void {
    this.#provers.delete(fingerprint);
  }

  /** Asks the device, wherever it is. False for anything but a right answer in time; never throws for that. */
  async verify(address: string, intent: string): Promise<Verification> {
    const identity = await this.#options.directory.lookup(address);
    const bar = this.#barred(identity);
    if (!identity || bar) return this.#refuse(address, identity, bar ?? 'unknown-identity', intent);
    const prover = await this.#proverOf(identity);
    const challenge = this.#options.challenges.mint(identity.name, identity.fingerprint);
    const signature = prover && (await this.#ask(prover, challenge));
    if (!signature) {
      this.#options.challenges.take(challenge.nonce);
      return this.#refuse(address, identity, 'unreachable', intent);
    }
    return this.#judge(address, identity, challenge, signature, intent);
  }

  /** Whether a device that is not enrolled yet holds the key of its token. */
  async holdsKey(token: IdentityToken, prover: Prover): Promise<boolean> {
    const { challenges } = this.#options;
    const challenge = challenges.mint(token.subject, token.fingerprint);
    const signature = await this.#ask(prover, challenge);
    if (signature) return challenges.redeem(challenge.nonce, token.publicKey, signature) === undefined;
    challenges.take(challenge.nonce);
    return false;
  }

  /** The two halves of a proof for a device that asks by itself, over HTTP for instance. */
  async challenge(address: string): Promise<Challenge | undefined> {
    const identity = await this.#options.directory.lookup(address);
    if (!identity || this.#barred(identity)) return undefined;
    return this.#options.challenges.mint(identity.name, identity.fingerprint);
  }

  async answer(challenge: Challenge, signature: Uint8Array, intent: string): Promise<Verification> {
    const identity = await this.#options.directory.byFingerprint(challenge.fingerprint);
    const bar = this.#barred(identity);
    if (!identity || bar) return this.#refuse(challenge.id, identity, bar ?? 'unknown-identity', intent);
    return this.#judge(challenge.id, identity, challenge, signature, intent);
  }

  async #judge(
    asked: string,
    identity: IdentityRecord,
    challenge: Challenge,
    signature: Uint8Array,
    intent: string,
  ): Promise<Verification> {
    const { challenges, directory, reporter, clock } = this.#options;
    const fault = challenges.redeem(challenge.nonce, identity.publicKey, signature);
    // Only what the key has signed, or failed to sign, says something about the key.
    if (fault === undefined || fault === 'signature')
      await directory.countProof(identity.publicKey, fault === undefined, clock.now());
    if (fault !== undefined) return this.#refuse(asked, identity, fault, intent);
    const { trustScore } = identity;
    const evidence = [challenge.message, signature];
    reporter.done('verification', {
      asked,
      identity,
      facts: { trustScore: trustScore.toFixed(4) },
      evidence,
      intent,
    });
    return { verified: true, trustScore, fault: undefined, identity: named(identity) };
  }

  #refuse(
    asked: string,
    identity: IdentityRecord | undefined,
    fault: VerificationFault,
    intent: string,
  ): Verification {
    this.#options.reporter.refused('verification', fault, { asked, identity, intent });
    return {
      verified: false,
      trustScore: identity?.trustScore ?? 0,
      fault,
      identity: identity && named(identity),
    };
  }

  #barred(identity: IdentityRecord | undefined): VerificationFault | undefined {
    if (!identity) return 'unknown-identity';
    if (identity.status === 'revoked') return 'revoked';
    return identity.expires * 1000 <= this.#options.clock.now() ? 'token-expired' : undefined;
  }

  async #proverOf(identity: IdentityRecord): Promise<Prover | undefined> {
    const attached = this.#provers.get(identity.fingerprint);
    if (attached) return attached;
    if (identity.custody === 'device') return this.#options.findProver(identity);
    const key = await this.#options.devices.key(identity.fingerprint);
    return key && localProver(key);
  }

  /** The device's answer; undefined when it fails, or gives none while the challenge lives. */
  #ask(prover: Prover, challenge: Challenge): Promise<Uint8Array | undefined> {
    const { clock } = this.#options;
    const abort = new AbortController();
    return new Promise((resolve) => {
      const timer = clock.setTimer(challenge.expiresAtMs - clock.now(), () => {
        abort.abort();
        resolve(undefined);
      });
      const settle = (signature: Uint8Array | undefined): void => {
        timer.cancel();
        resolve(signature);
      };
      prover.prove(challenge, abort.signal).then(settle, () => settle(undefined));
    });
  }
}

function named({ fingerprint, name }: IdentityRecord): { fingerprint: Fingerprint; name: string } {
  return { fingerprint, name };
}
