import { equalBytes } from '../base/index.ts';
import { decodeAttributes } from './attributes.ts';
import { decodeCbor } from './cbor-decoder.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { decodeCoseSign1 } from './cose.ts';
import { ClaimReader, claim, confirmation, privateClaim } from './cwt-claims.ts';
import { TokenError } from './errors.ts';
import { extendedFingerprint, fingerprintBytes, fingerprintOf } from './fingerprint.ts';
import {
  encodeCore,
  type IdentityCore,
  type IdentityKind,
  maxSubjectLength,
  rootIssuer,
} from './identity-core.ts';
import {
  coseKey,
  type IdentityToken,
  identityMember,
  identityTyp,
  maxIdentityTokenBytes,
} from './identity-token.ts';
import { decodeIssuerProof } from './issuer-proof.ts';
import { publicKeyBytes, signatureBytes, verifySignature } from './keys.ts';

/**
 * Checks form, key, core signature and token signature; not the time (`checkValidity`), the issuer
 * (`verifyIssuer`) or the realm (`confirmRealm`). Throws TokenError. The bytes come from the network.
 */
export function decodeIdentityToken(bytes: Uint8Array): IdentityToken {
  if (bytes.length > maxIdentityTokenBytes)
    throw new TokenError('too-large', 'the identity token is too large');
  // Decoded values are views: a token that is kept must not keep a datagram or change with it.
  const own = Uint8Array.from(bytes);
  const sign1 = decodeCoseSign1(own);
  const kind = kindOfTyp(sign1.typ);
  if (sign1.payload === null) throw new TokenError('cose-malformed', 'an identity token carries its payload');
  if (sign1.unprotectedMap.size > 0)
    throw new TokenError('cose-malformed', 'an identity token has no unprotected header');
  const claims = new ClaimReader(decodeCbor(sign1.payload), 'identity token');
  const details = claims.map(privateClaim.identity);
  const core: IdentityCore = {
    kind,
    realm: details.optionalText(identityMember.realm, maxSubjectLength),
    issuer: claims.text(claim.iss, maxSubjectLength),
    subject: claims.text(claim.sub, maxSubjectLength),
    publicKey: decodeCoseKey(claims.map(claim.cnf)),
  };
  const coreBytes = encodeCore(core);
  const coreSignature = details.bytes(identityMember.coreSignature, signatureBytes);
  const attributeValue = details.value(identityMember.attributes);
  const issuerProof = details.has(identityMember.issuerProof)
    ? decodeIssuerProof(details.map(identityMember.issuerProof))
    : undefined;
  const fingerprint = fingerprintOf(coreSignature);
  const token: IdentityToken = {
    ...core,
    fingerprint,
    // Only when asked for: no registration looks at it, and it is 8 us of each decoding (bench/README.md).
    get extendedFingerprint() {
      const attributes = encodeCbor(attributeValue ?? null);
      return extendedFingerprint({ coreSignature, attributes, tokenSignature: sign1.signature });
    },
    notBefore: claims.unsigned(claim.nbf),
    expires: claims.unsigned(claim.exp),
    issuedAt: claims.unsigned(claim.iat),
    attributes: decodeAttributes(attributeValue, 'identity'),
    coreSignature,
    issuerProof,
    issuerHidden: hiddenFlag(details),
    bytes: own,
  };
  claims.finish();
  details.finish();
  checkConsistency(token, sign1.kid);
  if (!verifySignature(core.publicKey, coreBytes, coreSignature))
    throw new TokenError('core-signature', 'the core signature does not verify');
  if (!verifySignature(core.publicKey, sign1.toBeSigned(), sign1.signature))
    throw new TokenError('signature', 'the identity token is not signed by its own key');
  return token;
}

function checkConsistency(token: IdentityToken, kid: Uint8Array | undefined): void {
  if (kid === undefined || !equalBytes(kid, fingerprintBytes(token.fingerprint)))
    throw new TokenError('kid', 'kid is not the fingerprint of the core signature');
  if (token.notBefore >= token.expires) throw new TokenError('lifetime', 'expires must come after notBefore');
  const claimsParent = token.issuer !== rootIssuer(token.subject);
  const shown = token.issuerProof !== undefined;
  if (claimsParent !== (shown || token.issuerHidden) || (shown && token.issuerHidden))
    throw new TokenError('issuer-proof', 'an issuer other than the subject itself needs its proof');
  if (token.issuerProof && token.expires > token.issuerProof.approvedUntil)
    throw new TokenError('issuer-proof', 'the token outlives what its issuer has approved');
}

function hiddenFlag(details: ClaimReader): boolean {
  if (!details.has(identityMember.issuerHidden)) return false;
  if (details.value(identityMember.issuerHidden) === true) return true;
  throw new TokenError('claims', 'a flag that is not set is left out');
}

function kindOfTyp(typ: string | undefined): IdentityKind {
  if (typ === identityTyp.identity) return 'identity';
  if (typ === identityTyp.node) return 'node';
  throw new TokenError('typ', 'not an identity or node token');
}

function decodeCoseKey(cnf: ClaimReader): Uint8Array {
  const key = cnf.map(confirmation.coseKey);
  cnf.finish();
  if (key.value(coseKey.kty) !== coseKey.okp || key.value(coseKey.crv) !== coseKey.ed25519)
    throw new TokenError('key-invalid', 'the key is not an Ed25519 key');
  const x = key.bytes(coseKey.x, publicKeyBytes);
  key.finish();
  return x;
}
