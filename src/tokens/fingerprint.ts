import { decodeBase32, encodeBase32 } from '../base/index.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { TokenError } from './errors.ts';
import { blake2b256 } from './keys.ts';

/** BLAKE2b-256 as 52 characters of lower-case base32: fits a SIP user part and a DNS label. */
export type Fingerprint = string;

export const fingerprintLength = 52;
const fingerprintByteLength = 32;

/** Names an identity: it depends on realm, issuer, subject and key, not on times or attributes. */
export function fingerprintOf(coreSignature: Uint8Array): Fingerprint {
  return encodeBase32(blake2b256(coreSignature));
}

/** Names one token of an identity: it changes with every attribute and every renewal. */
export function extendedFingerprint(parts: {
  readonly coreSignature: Uint8Array;
  /** The deterministic encoding of the attributes as the token carries them. */
  readonly attributes: Uint8Array;
  readonly tokenSignature: Uint8Array;
}): Fingerprint {
  const { coreSignature, attributes, tokenSignature } = parts;
  return encodeBase32(
    blake2b256(encodeCbor(['tibet-extended-v1', coreSignature, attributes, tokenSignature])),
  );
}

export function isFingerprint(text: string): boolean {
  return text.length === fingerprintLength && decodeBase32(text)?.length === fingerprintByteLength;
}

/** Throws TokenError `subject` when the text is no fingerprint. */
export function fingerprintBytes(fingerprint: Fingerprint): Uint8Array {
  const bytes = fingerprint.length === fingerprintLength ? decodeBase32(fingerprint) : undefined;
  if (bytes?.length !== fingerprintByteLength) throw new TokenError('subject', 'not a fingerprint');
  return bytes;
}

/** Throws TokenError `subject` unless there are 32 bytes. */
export function fingerprintFromBytes(bytes: Uint8Array): Fingerprint {
  if (bytes.length !== fingerprintByteLength) throw new TokenError('subject', 'a fingerprint has 32 bytes');
  return encodeBase32(bytes);
}
