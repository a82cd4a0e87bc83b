import { ed25519 } from '@noble/curves/ed25519.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { sha256 as hashSha256, sha512 } from '@noble/hashes/sha2.js';
import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js';
import { concat, equal } from './bytes.ts';

// The only file that knows a cryptography library.

export const hashBytes = 32;

export function sha256(bytes: Uint8Array): Uint8Array {
  return hashSha256(bytes);
}

/** What fingerprints are made with. */
export function blake2b256(bytes: Uint8Array): Uint8Array {
  return blake2b(bytes, { dkLen: hashBytes });
}

/**
 * RFC 8032 §5.1.7 without cofactor, strict in every encoding: a key of small order, an S that is not reduced and an R
 * in another encoding than the computed one are refused, as by the gateway. Never throws.
 */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const { Point } = ed25519;
  const order = Point.Fn.ORDER;
  const s = littleEndian(signature.subarray(32));
  if (s >= order) return false;
  try {
    const key = Point.fromBytes(publicKey, false);
    if (key.isSmallOrder()) return false;
    const k = littleEndian(sha512(concat(signature.subarray(0, 32), publicKey, message))) % order;
    const r = Point.BASE.multiplyUnsafe(s).subtract(key.multiplyUnsafe(k));
    return equal(r.toBytes(), signature.subarray(0, 32));
  } catch {
    // The key is no point of the curve.
    return false;
  }
}

/** FIPS 204, pure ML-DSA with an empty context. Never throws. */
export function verifyMlDsa44(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 1312 || signature.length !== 2420) return false;
  try {
    return ml_dsa44.verify(signature, message, publicKey);
  } catch {
    return false;
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let at = bytes.length - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[at] ?? 0);
  return value;
}
