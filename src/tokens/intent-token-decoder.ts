import { decodeBase64Url } from '../base/index.ts';
import { decodeAttributes } from './attributes.ts';
import { decodeCbor } from './cbor-decoder.ts';
import type { CborValue } from './cbor-encoder.ts';
import { type CoseSign1, decodeCoseSign1 } from './cose.ts';
import { ClaimReader, claim, confirmation, isCborArray, privateClaim } from './cwt-claims.ts';
import { TokenError } from './errors.ts';
import { type Fingerprint, fingerprintFromBytes } from './fingerprint.ts';
import { type CalleeClaim, calleeSaltBytes } from './intent-digests.ts';
import {
  type Assurance,
  ctiBytes,
  type DeclaredIntent,
  defaultIntentTokenLimits,
  digestBytes,
  type IntentToken,
  type IntentTokenLimits,
  identityTokenLabel,
  intentMember,
  intentTyp,
  maxAudience,
  maxIntentCode,
  maxMethod,
  maxNonce,
  maxSessionId,
  type NodeProof,
  nodeProofLabel,
  successionLabel,
} from './intent-token.ts';

/** Strict in form; throws TokenError. The value comes from the network and nobody has checked its signature. */
export function decodeIntentToken(
  headerValue: string,
  limits: IntentTokenLimits = defaultIntentTokenLimits,
): IntentToken {
  if (headerValue.length > limits.maxLength)
    throw new TokenError('too-large', 'the intent token is too long');
  const bytes = decodeBase64Url(headerValue);
  if (bytes === undefined) throw new TokenError('cose-malformed', 'the intent token is not base64url');
  const sign1 = decodeCoseSign1(bytes);
  if (sign1.typ !== intentTyp) throw new TokenError('typ', 'not an intent token');
  if (sign1.kid === undefined) throw new TokenError('kid', 'an intent token names its signer');
  if (sign1.payload === null) throw new TokenError('cose-malformed', 'an intent token carries its payload');
  const claims = new ClaimReader(decodeCbor(sign1.payload), 'intent token');
  const details = claims.map(privateClaim.intent);
  const token: IntentToken = {
    signer: fingerprintFromBytes(sign1.kid),
    onBehalfOf: optionalConfirmation(claims),
    audience: claims.text(claim.aud, maxAudience),
    issuedAt: claims.unsigned(claim.iat),
    expires: claims.unsigned(claim.exp),
    cti: claims.bytes(claim.cti, ctiBytes),
    nonce: claims.optionalBytesUpTo(claim.nonce, maxNonce),
    subject: claims.optionalText(claim.sub, maxAudience),
    method: details.text(intentMember.method, maxMethod),
    callee: decodeCallee(details.array(intentMember.callee, 2)),
    legDigest: details.bytes(intentMember.leg, digestBytes),
    mediaDigest: details.optionalBytes(intentMember.media, digestBytes),
    intent: decodeIntent(details.array(intentMember.intent, 2), limits),
    parents: details.has(intentMember.parents)
      ? decodeParents(details.array(intentMember.parents, limits.maxParents))
      : [],
    assurance: assuranceOf(details.unsigned(intentMember.assurance, 3)),
    sessionId: details.optionalText(intentMember.sessionId, maxSessionId),
    node: optionalFingerprint(details.optionalBytes(intentMember.node, digestBytes)),
    attributes: [
      ...decodeAttributes(details.value(intentMember.intentAttributes), 'intent'),
      ...decodeAttributes(details.value(intentMember.messageAttributes), 'message'),
    ],
    ...carried(sign1),
    bytes,
    sign1,
  };
  claims.finish();
  details.finish();
  if (token.onBehalfOf !== undefined && token.assurance === 3)
    throw new TokenError('assurance', 'only the device itself can claim device-key assurance');
  if (token.issuedAt > token.expires) throw new TokenError('lifetime', 'an intent ends before it begins');
  return token;
}

function optionalConfirmation(claims: ClaimReader): Fingerprint | undefined {
  if (!claims.has(claim.cnf)) return undefined;
  const cnf = claims.map(claim.cnf);
  const fingerprint = fingerprintFromBytes(cnf.bytes(confirmation.kid, digestBytes));
  cnf.finish();
  return fingerprint;
}

function decodeCallee(parts: readonly CborValue[]): CalleeClaim {
  const [first, second] = parts;
  if (first instanceof Uint8Array && parts.length === 1) return { fingerprint: fingerprintFromBytes(first) };
  if (
    first instanceof Uint8Array &&
    first.length === calleeSaltBytes &&
    second instanceof Uint8Array &&
    second.length === digestBytes
  )
    return { salt: first, hash: second };
  throw new TokenError('claims', 'the callee claim is malformed');
}

function decodeIntent(parts: readonly CborValue[], limits: IntentTokenLimits): DeclaredIntent {
  const [code, text] = parts;
  if (
    typeof code !== 'string' ||
    code.length === 0 ||
    code.length > maxIntentCode ||
    typeof text !== 'string' ||
    text.length === 0 ||
    text.length > limits.maxIntentText
  )
    throw new TokenError('claims', 'the declared intent is empty, too long or malformed');
  return { code, text };
}

function decodeParents(parts: readonly CborValue[]): readonly Uint8Array[] {
  if (parts.length === 0) throw new TokenError('claims', 'an empty list of parents is left out');
  return parts.map((part) => {
    if (part instanceof Uint8Array && part.length === digestBytes) return part;
    throw new TokenError('claims', 'a parent is not a SHA-256 hash');
  });
}

function assuranceOf(level: number): Assurance {
  if (level === 0 || level === 1 || level === 2 || level === 3) return level;
  throw new TokenError('assurance', 'unknown assurance level');
}

function optionalFingerprint(bytes: Uint8Array | undefined): Fingerprint | undefined {
  return bytes && fingerprintFromBytes(bytes);
}

/** What came along unsigned: each of it signs itself. */
function carried({
  unprotectedMap,
}: CoseSign1): Pick<IntentToken, 'identityToken' | 'succession' | 'nodeProof'> {
  for (const label of unprotectedMap.keys())
    if (label !== identityTokenLabel && label !== successionLabel && label !== nodeProofLabel)
      throw new TokenError('cose-malformed', 'an unprotected header is not understood');
  return {
    identityToken: optionalBytes(unprotectedMap.get(identityTokenLabel)),
    succession: optionalBytes(unprotectedMap.get(successionLabel)),
    nodeProof: optionalNodeProof(unprotectedMap.get(nodeProofLabel)),
  };
}

function optionalBytes(value: CborValue | undefined): Uint8Array | undefined {
  if (value === undefined || value instanceof Uint8Array) return value;
  throw new TokenError('cose-malformed', 'what came along is not a byte string');
}

function optionalNodeProof(value: CborValue | undefined): NodeProof | undefined {
  if (value === undefined) return undefined;
  const [token, crossSigning] = isCborArray(value) && value.length === 2 ? value : [];
  if (token instanceof Uint8Array && crossSigning instanceof Uint8Array) return { token, crossSigning };
  throw new TokenError('cose-malformed', 'the proof of the node is malformed');
}
