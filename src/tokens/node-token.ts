import type { Attribute } from './attributes.ts';
import { decodeCbor } from './cbor-decoder.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { isCborArray } from './cwt-claims.ts';
import { TokenError } from './errors.ts';
import { type Fingerprint, fingerprintBytes, fingerprintFromBytes } from './fingerprint.ts';
import type { IdentityToken } from './identity-token.ts';
import { createToken } from './identity-token-encoder.ts';
import { type SigningKey, signatureBytes, verifySignature } from './keys.ts';

export interface NodeTokenOptions {
  /** A key made for this start of the program and never saved. */
  readonly key: SigningKey;
  /** Free text such as `node:gateway-1`; by default `node:`. */
  readonly subject?: string;
  readonly notBefore: number;
  readonly expires: number;
  readonly now: number;
  readonly attributes?: readonly Attribute[];
}

/** Names one running gateway or phone: a new key and fingerprint at every start. */
export function createNodeToken(options: NodeTokenOptions): IdentityToken {
  return createToken('node', { ...options, subject: options.subject ?? 'node:' });
}

/** Two signatures that tie a node to the identity which runs on it: each has named the other. */
export interface CrossSigning {
  readonly node: Fingerprint;
  readonly identity: Fingerprint;
  readonly until: number;
  readonly identitySignature: Uint8Array;
  readonly nodeSignature: Uint8Array;
}

export interface Party {
  readonly key: SigningKey;
  readonly token: IdentityToken;
}

export type CrossSigningVerdict = 'valid' | 'other-node' | 'other-identity' | 'expired' | 'forged';

const crossContext = 'tibet-cross-signing-v1';

/** Holds as long as both tokens do. Throws TokenError `kind` when the two are not a node and an identity. */
export function crossSign(node: Party, identity: Party): CrossSigning {
  if (node.token.kind !== 'node' || identity.token.kind !== 'identity')
    throw new TokenError('kind', 'a node and an identity sign each other');
  const claim = {
    node: node.token.fingerprint,
    identity: identity.token.fingerprint,
    until: Math.min(node.token.expires, identity.token.expires),
  };
  return {
    ...claim,
    identitySignature: identity.key.sign(toBeSigned('identity', claim)),
    nodeSignature: node.key.sign(toBeSigned('node', claim)),
  };
}

/** Both directions, with the keys of the two tokens as the verifier knows them; `now` in seconds. */
export function verifyCrossSigning(
  cross: CrossSigning,
  node: IdentityToken,
  identity: IdentityToken,
  now: number,
): CrossSigningVerdict {
  if (node.kind !== 'node' || node.fingerprint !== cross.node) return 'other-node';
  if (identity.kind !== 'identity' || identity.fingerprint !== cross.identity) return 'other-identity';
  if (
    !verifySignature(identity.publicKey, toBeSigned('identity', cross), cross.identitySignature) ||
    !verifySignature(node.publicKey, toBeSigned('node', cross), cross.nodeSignature)
  )
    return 'forged';
  return now >= cross.until ? 'expired' : 'valid';
}

export function encodeCrossSigning(cross: CrossSigning): Uint8Array {
  const { node, identity, until, identitySignature, nodeSignature } = cross;
  return encodeCbor([
    crossContext,
    fingerprintBytes(node),
    fingerprintBytes(identity),
    until,
    identitySignature,
    nodeSignature,
  ]);
}

/** Throws TokenError; the signatures are not checked yet. */
export function decodeCrossSigning(bytes: Uint8Array): CrossSigning {
  const parts = decodeCbor(bytes);
  if (!isCborArray(parts) || parts.length !== 6) throw malformed();
  const [context, node, identity, until, identitySignature, nodeSignature] = parts;
  if (
    context !== crossContext ||
    !(node instanceof Uint8Array) ||
    !(identity instanceof Uint8Array) ||
    typeof until !== 'number' ||
    until < 0 ||
    !(identitySignature instanceof Uint8Array && identitySignature.length === signatureBytes) ||
    !(nodeSignature instanceof Uint8Array && nodeSignature.length === signatureBytes)
  )
    throw malformed();
  return {
    node: fingerprintFromBytes(node),
    identity: fingerprintFromBytes(identity),
    until,
    identitySignature,
    nodeSignature,
  };
}

/** The signer's role is part of what is signed: one direction cannot stand in for the other. */
function toBeSigned(
  signer: 'identity' | 'node',
  { node, identity, until }: Pick<CrossSigning, 'node' | 'identity' | 'until'>,
): Uint8Array {
  return encodeCbor([crossContext, signer, fingerprintBytes(node), fingerprintBytes(identity), until]);
}

function malformed(): TokenError {
  return new TokenError('cross-signing', 'the cross-signing is malformed');
}
