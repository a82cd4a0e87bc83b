import { decodeCbor } from './cbor-decoder.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { decodeCoseSign1, signCoseSign1 } from './cose.ts';
import { ClaimReader, claim, claimMap, privateClaim } from './cwt-claims.ts';
import { TokenError } from './errors.ts';
import { type Fingerprint, fingerprintBytes, fingerprintFromBytes } from './fingerprint.ts';
import {
  type HiddenParent,
  hiddenIssuerSalt,
  hiddenIssuerSaltBytes,
  opensHiddenIssuer,
} from './hidden-issuer.ts';
import { type IdentityToken, maxIdentityTokenBytes, verifyIssuer } from './identity-token.ts';
import { decodeIdentityToken } from './identity-token-decoder.ts';
import { type SigningKey, verifySignature } from './keys.ts';

/** What one end says to one auditor: this pseudonym is this identity's. */
export interface LinkProof {
  /** Who vouches for the link: the pseudonym's parent, or the realm that knows its members. */
  readonly by: 'parent' | 'realm';
  readonly pseudonym: IdentityToken;
  /** The parent, or the realm. */
  readonly witness: IdentityToken;
  /** Whose pseudonym it is: the parent itself, or the member that the realm names. */
  readonly person: Fingerprint;
  /** For whom the proof was made, in words. */
  readonly auditor: string;
  readonly issuedAt: number;
  readonly bytes: Uint8Array;
}

export const linkProofTyp = 'tibet-link+cwt';

const member = { by: 1, person: 2, salt: 3, pseudonym: 4, witness: 5 } as const;
const byParent = 1;
const byRealm = 2;
const maxAuditor = 256;
const maxLinkProofBytes = 12_288;

interface LinkOptions {
  readonly pseudonym: IdentityToken;
  readonly auditor: string;
  readonly now: number;
}

/** The parent's own proof; throws TokenError `link` when it is not the parent. */
export function proveLink(
  options: LinkOptions & { readonly parent: HiddenParent & { readonly token: IdentityToken } },
): LinkProof {
  const { parent, pseudonym } = options;
  const salt = pseudonym.issuerHidden ? hiddenIssuerSalt(parent, pseudonym.publicKey) : undefined;
  return sign(options, byParent, parent.key, parent.token, parent.fingerprint, salt);
}

/** The proof of a realm that knows who its member is; throws TokenError `link` for a pseudonym of another realm. */
export function proveMemberLink(
  options: LinkOptions & {
    readonly realm: { readonly key: SigningKey; readonly token: IdentityToken };
    readonly person: Fingerprint;
  },
): LinkProof {
  return sign(options, byRealm, options.realm.key, options.realm.token, options.person, undefined);
}

/**
 * Checks everything but whether the auditor trusts the witness: form, both tokens, the signature, and that the
 * pseudonym itself names the parent (openly or by its commitment) or the realm. Throws TokenError.
 */
export function verifyLinkProof(bytes: Uint8Array): LinkProof {
  if (bytes.length > maxLinkProofBytes) throw new TokenError('too-large', 'the proof is too large');
  const sign1 = decodeCoseSign1(bytes);
  if (sign1.typ !== linkProofTyp) throw new TokenError('typ', 'not a proof of a link');
  if (sign1.payload === null || sign1.kid === undefined || sign1.unprotectedMap.size > 0)
    throw new TokenError('cose-malformed', 'a proof has a payload, a kid and no unprotected header');
  const claims = new ClaimReader(decodeCbor(sign1.payload), 'link proof');
  const details = claims.map(privateClaim.link);
  const kind = details.unsigned(member.by, byRealm);
  const pseudonym = decodeIdentityToken(tokenBytes(details, member.pseudonym));
  const witness = decodeIdentityToken(tokenBytes(details, member.witness));
  const person = fingerprintFromBytes(details.bytes(member.person, 32));
  const salt = details.optionalBytes(member.salt, hiddenIssuerSaltBytes);
  const proof: LinkProof = {
    by: kind === byParent ? 'parent' : 'realm',
    pseudonym,
    witness,
    person,
    auditor: claims.text(claim.aud, maxAuditor),
    issuedAt: claims.unsigned(claim.iat),
    bytes,
  };
  claims.finish();
  details.finish();
  // A token's fingerprint names its key, so a token that came along is as good as one that was known before.
  if (fingerprintFromBytes(sign1.kid) !== witness.fingerprint)
    throw new TokenError('kid', 'the proof is not signed by its witness');
  if (!verifySignature(witness.publicKey, sign1.toBeSigned(), sign1.signature))
    throw new TokenError('signature', 'the signature of the proof does not verify');
  if (!isLinked(proof, kind, salt))
    throw new TokenError('link', 'the pseudonym does not belong to whom the proof names');
  return proof;
}

function sign(
  { pseudonym, auditor, now }: LinkOptions,
  kind: number,
  key: SigningKey,
  witness: IdentityToken,
  person: Fingerprint,
  salt: Uint8Array | undefined,
): LinkProof {
  const payload = claimMap([
    [claim.aud, auditor],
    [claim.iat, now],
    [
      privateClaim.link,
      claimMap([
        [member.by, kind],
        [member.person, fingerprintBytes(person)],
        [member.salt, salt],
        [member.pseudonym, pseudonym.bytes],
        [member.witness, witness.bytes],
      ]),
    ],
  ]);
  const kid = fingerprintBytes(witness.fingerprint);
  return verifyLinkProof(signCoseSign1({ key, kid, typ: linkProofTyp, payload: encodeCbor(payload) }));
}

function isLinked({ pseudonym, witness, person }: LinkProof, kind: number, salt?: Uint8Array): boolean {
  if (kind === byRealm) return salt === undefined && pseudonym.realm === witness.fingerprint;
  if (kind !== byParent || person !== witness.fingerprint) return false;
  if (pseudonym.issuerHidden)
    return salt !== undefined && opensHiddenIssuer(pseudonym.issuer, witness.fingerprint, salt);
  return salt === undefined && verifyIssuer(pseudonym, witness) === 'approved';
}

function tokenBytes(details: ClaimReader, key: number): Uint8Array {
  const bytes = details.optionalBytesUpTo(key, maxIdentityTokenBytes);
  if (bytes === undefined) throw new TokenError('claims', 'the proof lacks a token');
  return bytes;
}
