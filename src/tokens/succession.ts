import { equalBytes } from '../base/index.ts';
import { decodeCbor } from './cbor-decoder.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { isCborArray } from './cwt-claims.ts';
import { TokenError } from './errors.ts';
import { type Fingerprint, fingerprintBytes, fingerprintFromBytes } from './fingerprint.ts';
import type { IdentityToken } from './identity-token.ts';
import { signatureBytes, verifySignature } from './keys.ts';
import type { Party } from './node-token.ts';

/** A key's will: the old identity names the new one, and the new one takes its name over. Both have signed. */
export interface Succession {
  readonly from: Fingerprint;
  readonly to: Fingerprint;
  /** Seconds. */
  readonly since: number;
  readonly oldSignature: Uint8Array;
  readonly newSignature: Uint8Array;
}

export type SuccessionVerdict = 'valid' | 'other-identity' | 'other-name' | 'forged';

const successionContext = 'tibet-succession-v1';

/** Throws TokenError `succession` unless the two are identities of one name and realm with different keys. */
export function signSuccession(old: Party, next: Party, since: number): Succession {
  const claim = { from: old.token.fingerprint, to: next.token.fingerprint, since };
  const succession = {
    ...claim,
    oldSignature: old.key.sign(toBeSigned('old', claim)),
    newSignature: next.key.sign(toBeSigned('new', claim)),
  };
  if (verifySuccession(succession, old.token, next.token) !== 'valid')
    throw new TokenError('succession', 'a successor has the same name and realm, and another key');
  return succession;
}

/** Both directions, with the keys of the two tokens as the verifier knows them. */
export function verifySuccession(
  succession: Succession,
  old: IdentityToken,
  next: IdentityToken,
): SuccessionVerdict {
  if (old.fingerprint !== succession.from || next.fingerprint !== succession.to) return 'other-identity';
  if (old.kind !== 'identity' || next.kind !== 'identity' || equalBytes(old.publicKey, next.publicKey))
    return 'other-identity';
  if (old.subject !== next.subject || old.realm !== next.realm) return 'other-name';
  const { oldSignature, newSignature } = succession;
  const both =
    verifySignature(old.publicKey, toBeSigned('old', succession), oldSignature) &&
    verifySignature(next.publicKey, toBeSigned('new', succession), newSignature);
  return both ? 'valid' : 'forged';
}

export function encodeSuccession({ from, to, since, oldSignature, newSignature }: Succession): Uint8Array {
  return encodeCbor([
    successionContext,
    fingerprintBytes(from),
    fingerprintBytes(to),
    since,
    oldSignature,
    newSignature,
  ]);
}

/** Throws TokenError; the signatures are not checked yet. */
export function decodeSuccession(bytes: Uint8Array): Succession {
  const parts = decodeCbor(bytes);
  if (!isCborArray(parts) || parts.length !== 6) throw malformed();
  const [context, from, to, since, oldSignature, newSignature] = parts;
  if (
    context !== successionContext ||
    !(from instanceof Uint8Array) ||
    !(to instanceof Uint8Array) ||
    typeof since !== 'number' ||
    since < 0 ||
    !(oldSignature instanceof Uint8Array && oldSignature.length === signatureBytes) ||
    !(newSignature instanceof Uint8Array && newSignature.length === signatureBytes)
  )
    throw malformed();
  return {
    from: fingerprintFromBytes(from),
    to: fingerprintFromBytes(to),
    since,
    oldSignature,
    newSignature,
  };
}

function toBeSigned(
  signer: 'old' | 'new',
  { from, to, since }: Pick<Succession, 'from' | 'to' | 'since'>,
): Uint8Array {
  return encodeCbor([successionContext, signer, fingerprintBytes(from), fingerprintBytes(to), since]);
}

function malformed(): TokenError {
  return new TokenError('succession', 'the succession is malformed');
}
