import { decodeCbor } from './cbor-decoder.ts';
import { decodeCoseSign1 } from './cose.ts';
import { ClaimReader, claim, confirmation, privateClaim } from './cwt-claims.ts';
import { type IdentityKind, maxSubjectLength } from './identity-core.ts';
import { coseKey, identityMember, identityTyp } from './identity-token.ts';
import { publicKeyBytes, signatureBytes } from './keys.ts';

/**
 * An identity's core and the signature over it, which its fingerprint hashes: all that somebody without the overlay needs
 * to check what the identity has signed. Kind, realm, issuer, subject, public key, signature.
 */
export type ShownCore = readonly [IdentityKind, string | null, string, string, Uint8Array, Uint8Array];

/** The core in a token that was checked when it was taken in; throws TokenError for what is no identity token. */
export function shownCore(token: Uint8Array): ShownCore {
  const { typ, payload } = decodeCoseSign1(token);
  const claims = new ClaimReader(decodeCbor(payload ?? new Uint8Array(0)), 'identity token');
  const details = claims.map(privateClaim.identity);
  const key = claims.map(claim.cnf).map(confirmation.coseKey);
  return [
    typ === identityTyp.node ? 'node' : 'identity',
    details.optionalText(identityMember.realm, maxSubjectLength) ?? null,
    claims.text(claim.iss, maxSubjectLength),
    claims.text(claim.sub, maxSubjectLength),
    Uint8Array.from(key.bytes(coseKey.x, publicKeyBytes)),
    Uint8Array.from(details.bytes(identityMember.coreSignature, signatureBytes)),
  ];
}
