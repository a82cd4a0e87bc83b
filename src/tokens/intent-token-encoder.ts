import { encodeBase64Url } from '../base/index.ts';
import { type AttributePlace, attributesAt, encodeAttributes } from './attributes.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { signCoseSign1 } from './cose.ts';
import { claim, claimMap, confirmation, privateClaim } from './cwt-claims.ts';
import { TokenError } from './errors.ts';
import { fingerprintBytes } from './fingerprint.ts';
import { encodeCallee, type IntentRequest, intentSubject, legDigest, mediaDigest } from './intent-digests.ts';
import {
  ctiBytes,
  defaultIntentTokenLimits,
  digestBytes,
  type IntentTokenOptions,
  identityTokenLabel,
  intentMember,
  intentTyp,
  maxAudience,
  maxIntentCode,
  maxMethod,
  maxNonce,
  maxSessionId,
  nodeProofLabel,
  successionLabel,
} from './intent-token.ts';
import { decodeIntentToken } from './intent-token-decoder.ts';

/**
 * The value of the `Intent-Token` header field for one request: base64url of the signed token. Throws TokenError
 * for whatever a receiver would refuse, so guard values that come from the network.
 */
export function createIntentToken(options: IntentTokenOptions): string {
  const { signer, onBehalfOf, request } = options;
  const exp = Math.min(options.exp, signer.expires ?? options.exp);
  const place = attributePlace(request);
  const attributes = encodeAttributes(attributesAt(options.attributes ?? [], place));
  const details = claimMap([
    [intentMember.method, request.method],
    [intentMember.callee, encodeCallee(options.callee)],
    [intentMember.leg, legDigest(request)],
    [intentMember.media, mediaDigest(request.dtlsFingerprints)],
    [intentMember.intent, [options.intent.code, options.intent.text]],
    [intentMember.parents, options.parents.length > 0 ? options.parents : undefined],
    [intentMember.assurance, options.assurance],
    [intentMember.sessionId, request.sessionId],
    [intentMember.node, options.node === undefined ? undefined : fingerprintBytes(options.node)],
    [place === 'intent' ? intentMember.intentAttributes : intentMember.messageAttributes, attributes],
  ]);
  const payload = claimMap([
    [claim.sub, options.topic === undefined ? undefined : intentSubject(options.topic)],
    [claim.aud, options.audience],
    [claim.exp, exp],
    [claim.iat, options.iat],
    [claim.cti, options.cti],
    [claim.cnf, onBehalfOf && new Map([[confirmation.kid, fingerprintBytes(onBehalfOf)]])],
    [claim.nonce, options.nonce],
    [privateClaim.intent, details],
  ]);
  const bytes = signCoseSign1({
    key: signer.key,
    kid: fingerprintBytes(signer.fingerprint),
    typ: intentTyp,
    payload: encodeCbor(payload),
    unprotected: claimMap([
      [identityTokenLabel, options.identityToken],
      [successionLabel, options.succession],
      [nodeProofLabel, options.nodeProof && [options.nodeProof.token, options.nodeProof.crossSigning]],
    ]),
  });
  const value = encodeBase64Url(bytes);
  // No caller gets a token that its receiver would refuse. What a gateway signs has few claims, all checked by hand.
  if (signer.expires === undefined && !carriesMore(options)) requireReadable(options, value);
  else decodeIntentToken(value);
  return value;
}

/** A node needs no look: `fingerprintBytes` has refused what is no fingerprint. */
function carriesMore({
  attributes,
  identityToken,
  succession,
  nodeProof,
  topic,
}: IntentTokenOptions): boolean {
  return (attributes ?? identityToken ?? succession ?? nodeProof ?? topic) !== undefined;
}

/**
 * Throws what `decodeIntentToken` would throw, for tokens with neither attributes nor anything that came along; a test
 * holds the two together. Decoding made a twentieth of all that a gateway allocates for a call (`bench/calls.ts`).
 */
function requireReadable(options: IntentTokenOptions, value: string): void {
  const { audience, request, intent, parents, nonce, cti, iat, exp, onBehalfOf, assurance } = options;
  const { maxLength, maxIntentText, maxParents } = defaultIntentTokenLimits;
  if (value.length > maxLength) throw new TokenError('too-large', 'the intent token is too long');
  if (
    !fits(audience, maxAudience) ||
    !fits(request.method, maxMethod) ||
    !fits(intent.code, maxIntentCode) ||
    !fits(intent.text, maxIntentText) ||
    !fits(request.sessionId ?? ' ', maxSessionId) ||
    (nonce !== undefined && (nonce.length === 0 || nonce.length > maxNonce)) ||
    cti.length !== ctiBytes ||
    iat < 0 ||
    parents.length > maxParents ||
    parents.some(({ length }) => length !== digestBytes)
  )
    throw new TokenError('claims', 'a claim of the intent token is missing or malformed');
  if (onBehalfOf !== undefined && assurance === 3)
    throw new TokenError('assurance', 'only the device itself can claim device-key assurance');
  if (iat > exp) throw new TokenError('lifetime', 'an intent ends before it begins');
}

function fits(text: string, maxLength: number): boolean {
  return text.length > 0 && text.length <= maxLength;
}

/** A declared intent that fits a token, whatever was declared: trimmed, well-formed, cut at a character boundary. */
export function fitIntentText(
  text: string,
  maxLength: number = defaultIntentTokenLimits.maxIntentText,
): string {
  const cut = text.toWellFormed().trim().slice(0, maxLength);
  // Cutting may halve a surrogate pair: the half goes, too.
  return cut.isWellFormed() ? cut : cut.slice(0, -1);
}

/** A request that opens a dialog or a registration opens a session; all others are messages within or without one. */
function attributePlace({ method, toTag }: IntentRequest): AttributePlace {
  return toTag !== undefined || method === 'MESSAGE' ? 'message' : 'intent';
}
