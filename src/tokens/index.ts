export * from './admission.ts';
export * from './attributes.ts';
export * from './bare-intent.ts';
export * from './cbor-decoder.ts';
export { type CborMap, type CborValue, encodeCbor } from './cbor-encoder.ts';
export * from './cose.ts';
export * from './errors.ts';
export * from './fingerprint.ts';
export { type HiddenParent, hiddenIssuer } from './hidden-issuer.ts';
export {
  encodeCore,
  type IdentityCore,
  type IdentityKind,
  maxSubjectLength,
  rootIssuer,
} from './identity-core.ts';
export * from './identity-file.ts';
export {
  checkValidity,
  type IdentityToken,
  type IdentityTokenOptions,
  type IssuerVerdict,
  identityTyp,
  maxIdentityTokenBytes,
  type Validity,
  verifyIssuer,
} from './identity-token.ts';
export { decodeIdentityToken } from './identity-token-decoder.ts';
export { createIdentityToken, renewIdentityToken } from './identity-token-encoder.ts';
export * from './intent-check.ts';
export {
  type CalleeClaim,
  calleeHash,
  type IntentRequest,
  intentSubject,
  legDigest,
  mediaDigest,
} from './intent-digests.ts';
export {
  type Assurance,
  carriedIdentity,
  type DeclaredIntent,
  defaultIntentTokenLimits,
  type IntentToken,
  type IntentTokenLimits,
  type IntentTokenOptions,
  identityTokenLabel,
  intentTokenHeader,
  intentTyp,
  type NodeProof,
  verifyIntentToken,
} from './intent-token.ts';
export * from './intent-token-decoder.ts';
export * from './intent-token-encoder.ts';
export type { IssuerProof } from './issuer-proof.ts';
export * from './keys.ts';
export * from './link-proof.ts';
export * from './names.ts';
export * from './node-token.ts';
export { type KnownIdentity, packIdentityToken, unpackIdentityToken } from './packed-identity-token.ts';
export * from './public-token.ts';
export * from './realm.ts';
export { type ShownCore, shownCore } from './shown-core.ts';
export * from './signed-answer.ts';
export * from './succession.ts';
export * from './tombstone.ts';
export * from './verifiable-claim.ts';
