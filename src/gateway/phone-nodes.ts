import type { IdentityRecord } from '../overlay/index.ts';
import {
  checkValidity,
  decodeCrossSigning,
  decodeIdentityToken,
  type IntentToken,
  TokenError,
  verifyCrossSigning,
} from '../tokens/index.ts';

/** Nodes that are remembered; a phone that is forgotten introduces its node again. */
const maxNodes = 100_000;

interface KnownNode {
  readonly identity: string;
  /** Seconds. */
  readonly until: number;
}

/** The programs on which identities run right now: each has been signed by its identity, and has signed it. */
export class PhoneNodes {
  readonly #known = new Map<string, KnownNode>();

  /** Why the node that an intent names is not to be believed; undefined when it is, or when none is named. */
  fault(intent: IntentToken, identity: IdentityRecord, now: number): string | undefined {
    const { node, nodeProof } = intent;
    if (nodeProof !== undefined) {
      const fault = this.#introduce(intent, identity, now);
      if (fault !== undefined) return fault;
    }
    if (node === undefined) return undefined;
    const known = this.#known.get(node);
    return known?.identity === identity.fingerprint && now < known.until ? undefined : 'node-unknown';
  }

  #introduce({ node, nodeProof }: IntentToken, identity: IdentityRecord, now: number): string | undefined {
    if (nodeProof === undefined) return undefined;
    try {
      const token = decodeIdentityToken(nodeProof.token);
      const crossSigning = decodeCrossSigning(nodeProof.crossSigning);
      const verdict = verifyCrossSigning(crossSigning, token, decodeIdentityToken(identity.token), now);
      if (verdict !== 'valid') return `node-${verdict}`;
      if (node !== token.fingerprint || checkValidity(token, now) !== 'valid') return 'node-not-valid';
      const [oldest] = this.#known.keys();
      this.#known.delete(node);
      if (this.#known.size >= maxNodes && oldest !== undefined) this.#known.delete(oldest);
      this.#known.set(node, { identity: identity.fingerprint, until: crossSigning.until });
      return undefined;
    } catch (error) {
      if (error instanceof TokenError) return `node-${error.code}`;
      throw error;
    }
  }
}
