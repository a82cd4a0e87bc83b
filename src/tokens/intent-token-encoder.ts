import { encodeBase64Url } from '../base/index.ts';
import { type AttributePlace, attributesAt, encodeAttributes } from './attributes.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { signCoseSign1 } from './cose.ts';
import { claim, claimMap, confirmation, privateClaim } from './cwt-claims.ts';
import { fingerprintBytes } from './fingerprint.ts';
import { encodeCallee, type IntentRequest, intentSubject, legDigest, mediaDigest } from './intent-digests.ts';
import {
  defaultIntentTokenLimits,
  type IntentTokenOptions,
  identityTokenLabel,
  intentMember,
  intentTyp,
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
  // A tenth of what signing costs: no caller gets a token that its receiver would refuse.
  decodeIntentToken(value);
  return value;
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
