import { equalBytes } from '../base/index.ts';
import { attributesAt, encodeAttributes } from './attributes.ts';
import { type CborMap, type CborValue, encodeCbor } from './cbor-encoder.ts';
import { signCoseSign1 } from './cose.ts';
import { claim, claimMap, confirmation, privateClaim } from './cwt-claims.ts';
import { TokenError } from './errors.ts';
import { fingerprintBytes, fingerprintOf } from './fingerprint.ts';
import { hiddenIssuer } from './hidden-issuer.ts';
import { encodeCore, type IdentityCore, type IdentityKind, rootIssuer } from './identity-core.ts';
import {
  coseKey,
  type IdentityToken,
  type IdentityTokenOptions,
  identityMember,
  identityTyp,
} from './identity-token.ts';
import { decodeIdentityToken } from './identity-token-decoder.ts';
import { encodeIssuerProof, signIssuerProof } from './issuer-proof.ts';

/** Throws TokenError for a subject, key, lifetime or attribute that no verifier would accept. */
export function createIdentityToken(options: IdentityTokenOptions): IdentityToken {
  return createToken('identity', options);
}

/**
 * The same identity with new times and attributes: its fingerprint stays. Give `issuer` again for a pseudonym that
 * shows it; one that hides it needs nobody's leave.
 */
export function renewIdentityToken(
  token: IdentityToken,
  options: Pick<IdentityTokenOptions, 'key' | 'issuer' | 'notBefore' | 'expires' | 'now' | 'attributes'>,
): IdentityToken {
  if (!equalBytes(token.publicKey, options.key.publicKey))
    throw new TokenError('key-invalid', 'this key is not the key of the token');
  const isRoot = token.issuerProof === undefined;
  if (
    isRoot !== (options.issuer === undefined) ||
    (options.issuer && options.issuer.fingerprint !== token.issuer)
  )
    throw new TokenError('issuer-proof', 'a pseudonym is renewed with its own issuer');
  const { realm } = token;
  return createToken(token.kind, { ...options, subject: token.subject, ...(realm && { realm }) }, token);
}

export function createToken(
  kind: IdentityKind,
  options: IdentityTokenOptions,
  renewed?: IdentityToken,
): IdentityToken {
  const { key, subject, issuer, realm, notBefore, expires, now } = options;
  if (notBefore >= expires) throw new TokenError('lifetime', 'expires must come after notBefore');
  const core: IdentityCore = {
    kind,
    realm,
    issuer:
      renewed?.issuer ??
      (options.hiddenIssuer && hiddenIssuer(options.hiddenIssuer, key.publicKey)) ??
      issuer?.fingerprint ??
      rootIssuer(subject),
    subject,
    publicKey: key.publicKey,
  };
  const coreBytes = encodeCore(core);
  const coreSignature = renewed?.coreSignature ?? key.sign(coreBytes);
  const issuerHidden = renewed?.issuerHidden ?? options.hiddenIssuer !== undefined;
  const attributes = encodeAttributes(attributesAt(options.attributes ?? [], 'identity'));
  const issuerProof = issuer && signIssuerProof(issuer.key, { core: coreBytes, attributes }, expires);
  const payload = claimMap([
    [claim.iss, core.issuer],
    [claim.sub, subject],
    [claim.exp, expires],
    [claim.nbf, notBefore],
    [claim.iat, now],
    [claim.cnf, new Map([[confirmation.coseKey, encodeCoseKey(key.publicKey)]])],
    [
      privateClaim.identity,
      claimMap([
        [identityMember.realm, realm],
        [identityMember.coreSignature, coreSignature],
        [identityMember.attributes, attributes],
        [identityMember.issuerProof, issuerProof && encodeIssuerProof(issuerProof)],
        [identityMember.issuerHidden, issuerHidden ? true : undefined],
      ]),
    ],
  ]);
  return decodeIdentityToken(
    signCoseSign1({
      key,
      kid: fingerprintBytes(fingerprintOf(coreSignature)),
      typ: identityTyp[kind],
      payload: encodeCbor(payload),
    }),
  );
}

function encodeCoseKey(publicKey: Uint8Array): CborMap {
  return new Map<number, CborValue>([
    [coseKey.kty, coseKey.okp],
    [coseKey.crv, coseKey.ed25519],
    [coseKey.x, publicKey],
  ]);
}
