import type { Attribute, AttributeLevel } from './attributes.ts';
import { decodeCbor } from './cbor-decoder.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { type CoseSign1, decodeCoseSign1, signCoseSign1 } from './cose.ts';
import { ClaimReader, claim, claimMap, privateClaim } from './cwt-claims.ts';
import { TokenError } from './errors.ts';
import { type Fingerprint, fingerprintBytes, fingerprintFromBytes } from './fingerprint.ts';
import type { IdentityToken } from './identity-token.ts';
import { type SigningKey, sha256, verifySignature } from './keys.ts';
import {
  type AnswerVerdict,
  type AskOptions,
  askSigned,
  type Question,
  type SignedAnswer,
  signAnswer,
} from './signed-answer.ts';

/** A third party's signed statement about one identity. */
export interface VerifiableClaim {
  readonly issuer: Fingerprint;
  readonly subject: Fingerprint;
  readonly name: string;
  readonly value: string | number | boolean | Uint8Array;
  readonly issuedAt: number;
  readonly expires: number;
  readonly bytes: Uint8Array;
  readonly sign1: CoseSign1;
}

export type ClaimVerdict = 'valid' | 'other-subject' | 'other-issuer' | 'expired' | 'forged';

export const verifiableClaimTyp = 'tibet-claim+cwt';

/** An attribute of this name prefix carries a claim, so that claims travel wherever attributes do. */
export const claimAttributePrefix = 'claim:';

const member = { name: 1, value: 2 } as const;
const maxClaimBytes = 1_024;
const maxClaimName = 56;
export const claimStatusContext = 'tibet-claim-status-v1';
export const claimDelegateContext = 'tibet-claim-delegate-v1';

export function issueClaim(options: {
  readonly key: SigningKey;
  readonly issuer: Fingerprint;
  readonly subject: Fingerprint;
  readonly name: string;
  readonly value: VerifiableClaim['value'];
  readonly expires: number;
  readonly now: number;
}): VerifiableClaim {
  const { key, issuer, subject, name, value, expires, now } = options;
  const payload = claimMap([
    [claim.sub, subject],
    [claim.exp, expires],
    [claim.iat, now],
    [
      privateClaim.verifiable,
      claimMap([
        [member.name, name],
        [member.value, value],
      ]),
    ],
  ]);
  return decodeClaim(
    signCoseSign1({
      key,
      kid: fingerprintBytes(issuer),
      typ: verifiableClaimTyp,
      payload: encodeCbor(payload),
    }),
  );
}

/** Strict in form; throws TokenError. The signature is not checked yet. */
export function decodeClaim(bytes: Uint8Array): VerifiableClaim {
  if (bytes.length > maxClaimBytes) throw new TokenError('too-large', 'the claim is too large');
  const sign1 = decodeCoseSign1(bytes);
  if (sign1.typ !== verifiableClaimTyp) throw new TokenError('typ', 'not a verifiable claim');
  if (sign1.kid === undefined) throw new TokenError('kid', 'a verifiable claim names its issuer');
  if (sign1.payload === null || sign1.unprotectedMap.size > 0)
    throw new TokenError('cose-malformed', 'a verifiable claim has a payload and no unprotected header');
  const claims = new ClaimReader(decodeCbor(sign1.payload), 'verifiable claim');
  const details = claims.map(privateClaim.verifiable);
  const value = details.value(member.value);
  if (
    typeof value !== 'string' &&
    typeof value !== 'number' &&
    typeof value !== 'boolean' &&
    !(value instanceof Uint8Array)
  )
    throw new TokenError('claims', 'the claimed value is missing or malformed');
  const subject = claims.text(claim.sub, 64);
  fingerprintBytes(subject);
  const decoded: VerifiableClaim = {
    issuer: fingerprintFromBytes(sign1.kid),
    subject,
    name: details.text(member.name, maxClaimName),
    value,
    issuedAt: claims.unsigned(claim.iat),
    expires: claims.unsigned(claim.exp),
    bytes,
    sign1,
  };
  claims.finish();
  details.finish();
  return decoded;
}

/** `issuer` is the third party's token as the verifier knows it; `subject` is whoever presents the claim. */
export function checkClaim(
  verifiable: VerifiableClaim,
  expected: { readonly issuer: IdentityToken; readonly subject: Fingerprint; readonly now: number },
): ClaimVerdict {
  if (verifiable.issuer !== expected.issuer.fingerprint) return 'other-issuer';
  const { sign1 } = verifiable;
  if (!verifySignature(expected.issuer.publicKey, sign1.toBeSigned(), sign1.signature)) return 'forged';
  if (verifiable.subject !== expected.subject) return 'other-subject';
  return expected.now >= verifiable.expires ? 'expired' : 'valid';
}

export function claimAttribute(verifiable: VerifiableClaim, level: AttributeLevel): Attribute {
  return { name: claimAttributePrefix + verifiable.name, value: verifiable.bytes, level };
}

/** The claims that travel among `attributes`; throws TokenError for one that is malformed. */
export function claimsAmong(attributes: readonly Attribute[]): readonly VerifiableClaim[] {
  const found: VerifiableClaim[] = [];
  for (const { name, value } of attributes) {
    if (!name.startsWith(claimAttributePrefix)) continue;
    if (!(value instanceof Uint8Array)) throw new TokenError('attribute', 'a claim attribute holds no claim');
    found.push(decodeClaim(value));
  }
  return found;
}

export function claimStatusQuestion(verifiable: VerifiableClaim, nonce: Uint8Array): Question {
  return { context: claimStatusContext, about: [sha256(verifiable.bytes)], nonce };
}

/** Asks the issuer itself whether the claim still stands. Silence is no confirmation. */
export function askClaimIssuer(
  verifiable: VerifiableClaim,
  issuer: IdentityToken,
  options: AskOptions,
): Promise<AnswerVerdict> {
  return askSigned(claimStatusQuestion(verifiable, options.nonce), issuer.publicKey, options);
}

export function claimCheckQuestion(
  claimBytes: Uint8Array,
  subject: Fingerprint,
  nonce: Uint8Array,
): Question {
  return { context: claimDelegateContext, about: [sha256(claimBytes), fingerprintBytes(subject)], nonce };
}

/** A small device lets a party that it trusts check a claim; it verifies only that party's signed answer. */
export function delegateClaimCheck(
  claimBytes: Uint8Array,
  subject: Fingerprint,
  delegate: IdentityToken,
  options: AskOptions,
): Promise<AnswerVerdict> {
  return askSigned(claimCheckQuestion(claimBytes, subject, options.nonce), delegate.publicKey, options);
}

/** The trusted party's side of `delegateClaimCheck`; `until` caps how long its answer may be remembered. */
export function answerClaimCheck(
  key: SigningKey,
  verifiable: VerifiableClaim,
  nonce: Uint8Array,
  expected: { readonly issuer: IdentityToken; readonly subject: Fingerprint; readonly now: number },
  until: number,
): SignedAnswer {
  const question = claimCheckQuestion(verifiable.bytes, expected.subject, nonce);
  const isValid = checkClaim(verifiable, expected) === 'valid';
  return signAnswer(
    key,
    question,
    isValid ? 'yes' : 'no',
    isValid ? Math.min(until, verifiable.expires) : until,
  );
}
