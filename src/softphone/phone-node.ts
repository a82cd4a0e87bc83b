import { type Clock, epochSeconds, type Random } from '../base/index.ts';
import {
  type Attribute,
  createNodeToken,
  crossSign,
  encodeCrossSigning,
  type Fingerprint,
  generateSigningKey,
  type NodeProof,
  type Party,
} from '../tokens/index.ts';

/** One run of a phone: a key and fingerprint of its own, tied to the identity that runs on it. */
export interface PhoneNode {
  readonly fingerprint: Fingerprint;
  readonly attributes: readonly Attribute[];
  /** For a gateway that has not seen this run yet. */
  readonly proof: NodeProof;
}

/** No run is longer than this. */
const lifetimeSeconds = 366 * 86_400;
/** Others may look at a new token with a clock that is behind. */
const clockToleranceSeconds = 3_600;

/** Made at each start, and never saved: node and identity sign each other. */
export function startPhoneNode(
  identity: Party,
  attributes: readonly Attribute[],
  clock: Clock,
  random: Random,
): PhoneNode {
  const key = generateSigningKey(random);
  const now = epochSeconds(clock);
  const token = createNodeToken({
    key,
    subject: 'node:phone',
    notBefore: now - clockToleranceSeconds,
    expires: now + lifetimeSeconds,
    now,
    attributes,
  });
  const crossSigning = encodeCrossSigning(crossSign({ key, token }, identity));
  return { fingerprint: token.fingerprint, attributes, proof: { token: token.bytes, crossSigning } };
}
