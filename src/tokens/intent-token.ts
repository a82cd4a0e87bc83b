import type { Attribute } from './attributes.ts';
import type { CoseSign1 } from './cose.ts';
import { TokenError } from './errors.ts';
import type { Fingerprint } from './fingerprint.ts';
import type { IdentityToken } from './identity-token.ts';
import { decodeIdentityToken } from './identity-token-decoder.ts';
import type { CalleeClaim, IntentRequest } from './intent-digests.ts';
import { type SigningKey, verifySignature } from './keys.ts';

/** How sure the signer is of the caller: 0 none, 1 digest, 2 device certificate, 3 the caller's device key. */
export type Assurance = 0 | 1 | 2 | 3;

/** Why the request is made: a short code for machines and a text for people. */
export interface DeclaredIntent {
  readonly code: string;
  readonly text: string;
}

export interface IntentTokenOptions {
  /** `expires` is the end of the signer's identity token: an intent never outlives it. */
  readonly signer: {
    readonly key: SigningKey;
    readonly fingerprint: Fingerprint;
    readonly expires?: number;
  };
  /** The caller, when a gateway signs for a phone that can't. */
  readonly onBehalfOf?: Fingerprint;
  /** The SIP domain that was dialled, in lower case. */
  readonly audience: string;
  readonly iat: number;
  readonly exp: number;
  /** 16 random bytes, used once. */
  readonly cti: Uint8Array;
  /** A challenge that the receiver has handed out (RFC 9711 §4.1). */
  readonly nonce?: Uint8Array;
  readonly request: IntentRequest;
  readonly callee: CalleeClaim;
  readonly intent: DeclaredIntent;
  /** SHA-256 of each token that this one rests on. */
  readonly parents: readonly Uint8Array[];
  readonly assurance: Assurance;
  /** Text of a topic; the token carries its hash. */
  readonly topic?: string;
  /** The node on which the signer runs. */
  readonly node?: Fingerprint;
  /** Of any level; the token shows those that belong on this request. */
  readonly attributes?: readonly Attribute[];
  /** The signer's identity token, for a receiver that does not know it yet; travels unsigned, and signs itself. */
  readonly identityToken?: Uint8Array;
  /** `encodeSuccession`: for a receiver that knows the signer by its former key. */
  readonly succession?: Uint8Array;
  /** The node's token and `encodeCrossSigning`, for a receiver that is to believe `node`. */
  readonly nodeProof?: NodeProof;
}

/** What ties a node to the identity that signs; both parts sign themselves. */
export interface NodeProof {
  readonly token: Uint8Array;
  readonly crossSigning: Uint8Array;
}

/** A decoded intent token: well-formed, its signature not yet checked. */
export interface IntentToken {
  readonly signer: Fingerprint;
  readonly onBehalfOf: Fingerprint | undefined;
  readonly audience: string;
  readonly issuedAt: number;
  readonly expires: number;
  readonly cti: Uint8Array;
  readonly nonce: Uint8Array | undefined;
  readonly method: string;
  readonly callee: CalleeClaim;
  readonly legDigest: Uint8Array;
  readonly mediaDigest: Uint8Array | undefined;
  readonly intent: DeclaredIntent;
  readonly parents: readonly Uint8Array[];
  readonly assurance: Assurance;
  readonly sessionId: string | undefined;
  readonly subject: Fingerprint | undefined;
  readonly node: Fingerprint | undefined;
  readonly attributes: readonly Attribute[];
  readonly identityToken: Uint8Array | undefined;
  readonly succession: Uint8Array | undefined;
  readonly nodeProof: NodeProof | undefined;
  readonly bytes: Uint8Array;
  readonly sign1: CoseSign1;
}

export interface IntentTokenLimits {
  /** Of the header field value. */
  readonly maxLength: number;
  readonly maxParents: number;
  readonly maxIntentText: number;
}

export const defaultIntentTokenLimits: IntentTokenLimits = {
  maxLength: 8_192,
  maxParents: 16,
  maxIntentText: 512,
};

export const ctiBytes = 16;
export const digestBytes = 32;
/** Of claims that are text or bytes of no fixed length. */
export const maxAudience = 255;
export const maxMethod = 32;
export const maxIntentCode = 32;
export const maxNonce = 64;
export const maxSessionId = 128;

export const intentTokenHeader = 'Intent-Token';
export const intentTyp = 'tibet-intent+cwt';

/** RFC 9052 §11.1: header labels below -65536 are for private use. */
export const identityTokenLabel = -70010;
export const successionLabel = -70011;
export const nodeProofLabel = -70012;

/** `publicKey` is the signer's key as the verifier knows it: from its overlay, or from `carriedIdentity`. */
export function verifyIntentToken(token: IntentToken, publicKey: Uint8Array): boolean {
  return verifySignature(publicKey, token.sign1.toBeSigned(), token.sign1.signature);
}

/** The identity token that came along, checked and belonging to the signer; undefined when none came. */
export function carriedIdentity(token: IntentToken): IdentityToken | undefined {
  if (token.identityToken === undefined) return undefined;
  const identity = decodeIdentityToken(token.identityToken);
  if (identity.fingerprint !== token.signer)
    throw new TokenError('kid', "the identity token that came along is not the signer's");
  return identity;
}

/** The members of the private claim. */
export const intentMember = {
  method: 1,
  callee: 2,
  leg: 3,
  media: 4,
  intent: 5,
  parents: 6,
  assurance: 7,
  sessionId: 8,
  node: 9,
  messageAttributes: 10,
  intentAttributes: 11,
} as const;
