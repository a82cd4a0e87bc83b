import { equalBytes } from '../base/index.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { type Fingerprint, fingerprintBytes, fingerprintFromBytes } from './fingerprint.ts';
import { blake2b256, type SeededSigningKey } from './keys.ts';

/** Who makes a pseudonym: its key opens the commitment again whenever a link is to be proved. */
export interface HiddenParent {
  readonly key: SeededSigningKey;
  readonly fingerprint: Fingerprint;
}

export const hiddenIssuerSaltBytes = 32;

const issuerContext = 'tibet-hidden-issuer-v1';
const saltContext = 'tibet-hidden-salt-v1';

/**
 * The issuer of a pseudonym that does not tell its parent: a commitment in the place of the parent's fingerprint.
 * Nothing has to be kept for opening it, since the salt follows from the parent's secret and the child's key.
 */
export function hiddenIssuer(parent: HiddenParent, childKey: Uint8Array): Fingerprint {
  return commit(parent.fingerprint, hiddenIssuerSalt(parent, childKey));
}

/** What opens the commitment; whoever has it can tell the parent of this one child, and of no other. */
export function hiddenIssuerSalt({ key }: HiddenParent, childKey: Uint8Array): Uint8Array {
  return blake2b256(encodeCbor([saltContext, key.seed, childKey]));
}

export function opensHiddenIssuer(issuer: Fingerprint, parent: Fingerprint, salt: Uint8Array): boolean {
  return equalBytes(fingerprintBytes(issuer), fingerprintBytes(commit(parent, salt)));
}

function commit(parent: Fingerprint, salt: Uint8Array): Fingerprint {
  return fingerprintFromBytes(blake2b256(encodeCbor([issuerContext, fingerprintBytes(parent), salt])));
}
