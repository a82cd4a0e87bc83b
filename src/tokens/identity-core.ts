import { encodeBase32 } from '../base/index.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { TokenError } from './errors.ts';
import { type Fingerprint, isFingerprint } from './fingerprint.ts';
import { blake2b256, isStrictPublicKey } from './keys.ts';

export type IdentityKind = 'identity' | 'node';

/** What an identity is, apart from times and attributes: its fingerprint hashes the signature over this. */
export interface IdentityCore {
  readonly kind: IdentityKind;
  /** The fingerprint of the community that has to confirm this identity, if it claims one. */
  readonly realm: Fingerprint | undefined;
  /** The parent's fingerprint, or for a root identity `rootIssuer(subject)`. */
  readonly issuer: Fingerprint;
  /** Free text: `jis:alice`, `mail:hey@example.com`, `did:example:123`. */
  readonly subject: string;
  readonly publicKey: Uint8Array;
}

const coreContext = 'tibet-core-v1';

export const maxSubjectLength = 256;

/** The deterministic encoding that the identity's own key signs, and that a parent signs for a pseudonym. */
export function encodeCore(core: IdentityCore): Uint8Array {
  checkCore(core);
  const { kind, realm, issuer, subject, publicKey } = core;
  return encodeCbor([coreContext, kind, realm ?? null, issuer, subject, publicKey]);
}

/** The issuer of an identity that nobody else vouches for: BLAKE2b-256 of its subject. */
export function rootIssuer(subject: string): Fingerprint {
  return encodeBase32(blake2b256(new TextEncoder().encode(subject)));
}

function checkCore({ realm, issuer, subject, publicKey }: IdentityCore): void {
  if (subject.length === 0 || subject.length > maxSubjectLength || !subject.isWellFormed())
    throw new TokenError('subject', 'the subject is empty, too long or not well-formed text');
  if (!isFingerprint(issuer)) throw new TokenError('subject', 'the issuer is not a fingerprint');
  if (realm !== undefined && !isFingerprint(realm))
    throw new TokenError('subject', 'the realm is not a fingerprint');
  if (!isStrictPublicKey(publicKey))
    throw new TokenError('key-invalid', 'not a canonical Ed25519 public key of large order');
}
