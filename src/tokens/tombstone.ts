import { decodeCbor } from './cbor-decoder.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { decodeCoseSign1, signCoseSign1 } from './cose.ts';
import { ClaimReader, claim, claimMap, privateClaim } from './cwt-claims.ts';
import { TokenError } from './errors.ts';
import { fingerprintBytes, fingerprintFromBytes } from './fingerprint.ts';
import { type IdentityToken, maxIdentityTokenBytes } from './identity-token.ts';
import { decodeIdentityToken } from './identity-token-decoder.ts';
import { type SigningKey, verifySignature } from './keys.ts';

/** An identity's last word: its key is not to be trusted from now on. Holds for ever, so it carries no end. */
export interface Tombstone {
  readonly token: IdentityToken;
  readonly reason: string;
  readonly issuedAt: number;
  readonly bytes: Uint8Array;
}

export const tombstoneTyp = 'tibet-tombstone+cwt';
export const maxTombstoneBytes: number = maxIdentityTokenBytes + 1_024;

const member = { reason: 1, token: 2 } as const;
const maxReason = 256;

export function createTombstone(options: {
  readonly key: SigningKey;
  readonly token: IdentityToken;
  readonly reason: string;
  readonly now: number;
}): Tombstone {
  const { key, token, reason, now } = options;
  const payload = claimMap([
    [claim.iat, now],
    [
      privateClaim.tombstone,
      claimMap([
        [member.reason, reason],
        [member.token, token.bytes],
      ]),
    ],
  ]);
  const kid = fingerprintBytes(token.fingerprint);
  return decodeTombstone(signCoseSign1({ key, kid, typ: tombstoneTyp, payload: encodeCbor(payload) }));
}

/** Checks form, token and signature, but no times: a tombstone outlives its identity. Throws TokenError. */
export function decodeTombstone(bytes: Uint8Array): Tombstone {
  if (bytes.length > maxTombstoneBytes) throw new TokenError('too-large', 'the tombstone is too large');
  const sign1 = decodeCoseSign1(bytes);
  if (sign1.typ !== tombstoneTyp) throw new TokenError('typ', 'not a tombstone');
  if (sign1.payload === null || sign1.kid === undefined || sign1.unprotectedMap.size > 0)
    throw new TokenError('cose-malformed', 'a tombstone has a payload, a kid and no unprotected header');
  const claims = new ClaimReader(decodeCbor(sign1.payload), 'tombstone');
  const details = claims.map(privateClaim.tombstone);
  const carried = details.optionalBytesUpTo(member.token, maxIdentityTokenBytes);
  if (carried === undefined) throw new TokenError('claims', 'a tombstone carries its identity token');
  const token = decodeIdentityToken(carried);
  const tombstone: Tombstone = {
    token,
    reason: details.text(member.reason, maxReason),
    issuedAt: claims.unsigned(claim.iat),
    bytes: Uint8Array.from(bytes),
  };
  claims.finish();
  details.finish();
  if (fingerprintFromBytes(sign1.kid) !== token.fingerprint)
    throw new TokenError('kid', 'the tombstone is for another identity');
  if (!verifySignature(token.publicKey, sign1.toBeSigned(), sign1.signature))
    throw new TokenError('signature', 'the tombstone is not signed by the key that it ends');
  return tombstone;
}
