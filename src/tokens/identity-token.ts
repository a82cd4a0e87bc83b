import type { Attribute } from './attributes.ts';
import { encodeAttributes } from './attributes.ts';
import type { Fingerprint } from './fingerprint.ts';
import type { HiddenParent } from './hidden-issuer.ts';
import { encodeCore, type IdentityCore, type IdentityKind } from './identity-core.ts';
import { type IssuerProof, verifyIssuerProof } from './issuer-proof.ts';
import type { SigningKey } from './keys.ts';

/** A self-signed statement of who an identity or a running node is; public, and true only between its times. */
export interface IdentityToken extends IdentityCore {
  readonly fingerprint: Fingerprint;
  /** Changes with the attributes and with each renewal. */
  readonly extendedFingerprint: Fingerprint;
  /** Seconds since 1970, like all times in tokens; valid from `notBefore` up to and without `expires`. */
  readonly notBefore: number;
  readonly expires: number;
  readonly issuedAt: number;
  readonly attributes: readonly Attribute[];
  readonly coreSignature: Uint8Array;
  /** Present exactly when `issuer` is a parent that is shown; to be checked with `verifyIssuer`. */
  readonly issuerProof: IssuerProof | undefined;
  /** The parent is not shown: `issuer` is a commitment that a LinkProof opens. */
  readonly issuerHidden: boolean;
  /** The whole COSE_Sign1. */
  readonly bytes: Uint8Array;
}

export interface IdentityTokenOptions {
  readonly key: SigningKey;
  readonly subject: string;
  /** The parent that approves a pseudonym; without one the identity is a root. */
  readonly issuer?: { readonly key: SigningKey; readonly fingerprint: Fingerprint };
  /** The parent of a pseudonym that does not tell whose it is; instead of `issuer`. */
  readonly hiddenIssuer?: HiddenParent;
  readonly realm?: Fingerprint;
  readonly notBefore: number;
  readonly expires: number;
  readonly now: number;
  /** Of any level; the token shows those that belong on an identity. */
  readonly attributes?: readonly Attribute[];
}

export type Validity = 'valid' | 'expired' | 'not-yet-valid';

export const identityTyp: Readonly<Record<IdentityKind, string>> = {
  identity: 'tibet-identity+cwt',
  node: 'tibet-node+cwt',
};

/** An identity token has to fit inside an intent token's header field. */
export const maxIdentityTokenBytes = 4_096;

/** RFC 8392 §3.1.4 and §3.1.5: both bounds are enforced. */
export function checkValidity(
  token: Pick<IdentityToken, 'notBefore' | 'expires'>,
  nowSeconds: number,
): Validity {
  if (nowSeconds >= token.expires) return 'expired';
  return nowSeconds < token.notBefore ? 'not-yet-valid' : 'valid';
}

export type IssuerVerdict = 'root' | 'hidden' | 'approved' | 'other-issuer' | 'forged';

/**
 * Whether `parent` has approved this pseudonym. The parent's token must come from where the verifier trusts it
 * (its overlay, a file), not from the child: an approval checked with a key that the child brings proves nothing.
 */
export function verifyIssuer(token: IdentityToken, parent: IdentityToken): IssuerVerdict {
  const { issuerProof } = token;
  if (issuerProof === undefined) return token.issuerHidden ? 'hidden' : 'root';
  if (token.issuer !== parent.fingerprint) return 'other-issuer';
  const child = {
    core: encodeCore(token),
    attributes: encodeAttributes(token.attributes),
  };
  return verifyIssuerProof(parent.publicKey, child, issuerProof, token.publicKey) ? 'approved' : 'forged';
}

/** The members of the private claim. */
export const identityMember = {
  realm: 1,
  coreSignature: 2,
  attributes: 3,
  issuerProof: 4,
  issuerHidden: 5,
} as const;

/** RFC 9053 §7.1 and §7.2: key type OKP with curve Ed25519 and x; the members that RFC 9679 hashes. */
export const coseKey = { kty: 1, okp: 1, crv: -1, ed25519: 6, x: -2 } as const;
