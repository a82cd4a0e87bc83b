import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';
import { blake2b } from '@noble/hashes/blake2.js';
import { asBuffer, concatBytes, decodeHex, equalBytes, type Random, systemRandom } from '../base/index.ts';
import { TokenError } from './errors.ts';

// The only file that signs, verifies and hashes: a browser build replaces it by one on @noble/curves.

export const publicKeyBytes = 32;
export const seedBytes = 32;
export const signatureBytes = 64;

/** An Ed25519 secret that can only be used, not read. */
export interface SigningKey {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

/** The 32 secret bytes of RFC 8032 §5.1.5 beside the key: what an identity file keeps. */
export interface SeededSigningKey extends SigningKey {
  readonly seed: Uint8Array;
}

/** RFC 8410 §7 and §4: what comes before the 32 bytes of a PKCS #8 secret and of an SPKI public key. */
const pkcs8Prefix = fixedBytes('302e020100300506032b657004220420');
const spkiPrefix = fixedBytes('302a300506032b6570032100');

export function generateSigningKey(random: Random = systemRandom): SeededSigningKey {
  return signingKeyFromSeed(random.bytes(seedBytes));
}

/** Throws TokenError `key-invalid` unless the seed has 32 bytes. */
export function signingKeyFromSeed(seed: Uint8Array): SeededSigningKey {
  if (seed.length !== seedBytes) throw new TokenError('key-invalid', 'an Ed25519 seed has 32 bytes');
  const key = createPrivateKey({
    key: asBuffer(concatBytes(pkcs8Prefix, seed)),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    seed: Uint8Array.from(seed),
    publicKey: Uint8Array.from(spki.subarray(spkiPrefix.length)),
    sign: (message) => plainBytes(sign(null, message, key)),
  };
}

/** The y coordinates of the eight points of small order (RFC 7748 §6.1 names the like for X25519). */
const smallOrderY: readonly Uint8Array[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
].map(fixedBytes);

/** Least y that is not reduced, 2^255 - 19, and the group order L (RFC 8032 §5.1), little-endian. */
const fieldPrime = fixedBytes('edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f');
const groupOrder = fixedBytes('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010');

/**
 * True for a canonical encoding (y < p) of a point outside the small-order subgroup. A small-order key would
 * verify one signature for many messages. That y lies on the curve shows when a signature is verified.
 */
export function isStrictPublicKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== publicKeyBytes) return false;
  const y = Uint8Array.from(publicKey);
  y[31] = (y[31] ?? 0) & 0x7f;
  return lessThan(y, fieldPrime) && !smallOrderY.some((small) => equalBytes(small, y));
}

/**
 * Ed25519 after RFC 8032 §5.1.7, cofactorless, strict in every encoding: false for a key that
 * `isStrictPublicKey` refuses, for S >= L, for R in any but the computed encoding. Never throws.
 */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== signatureBytes || !lessThan(signature.subarray(32), groupOrder)) return false;
  const key = publicKeys.find(publicKey);
  return key !== undefined && verify(null, message, key, signature);
}

/** Parsing a key costs a third of a verification; a gateway sees the same identities again and again. */
export const maxCachedPublicKeys = 10_000;

/** Least recently used keys leave first. Holds public keys only, and nothing that changes an answer. */
class PublicKeyCache {
  readonly #keys = new Map<string, KeyObject>();

  find(publicKey: Uint8Array): KeyObject | undefined {
    const id = asBuffer(publicKey).toString('latin1');
    let key = this.#keys.get(id);
    if (key) {
      this.#keys.delete(id);
    } else {
      key = parsePublicKey(publicKey);
      if (!key) return undefined;
      if (this.#keys.size >= maxCachedPublicKeys) {
        for (const oldest of this.#keys.keys()) {
          this.#keys.delete(oldest);
          break;
        }
      }
    }
    this.#keys.set(id, key);
    return key;
  }
}

const publicKeys = new PublicKeyCache();

function parsePublicKey(publicKey: Uint8Array): KeyObject | undefined {
  if (!isStrictPublicKey(publicKey)) return undefined;
  try {
    return createPublicKey({
      key: asBuffer(concatBytes(spkiPrefix, publicKey)),
      format: 'der',
      type: 'spki',
    });
  } catch {
    return undefined;
  }
}

/** BLAKE2b with a 32-byte parameter block (RFC 7693): not a truncated BLAKE2b-512, which OpenSSL would give. */
export function blake2b256(bytes: Uint8Array): Uint8Array {
  return blake2b(bytes, { dkLen: 32 });
}

/** As text from native code: a Buffer for each digest costs twice as much as the digest (`bench/calls.ts`). */
export function sha256(bytes: Uint8Array): Uint8Array {
  const text = hash('sha256', bytes, 'latin1');
  const digest = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) digest[i] = text.charCodeAt(i);
  return digest;
}

/** Little-endian comparison of two public values of one length. */
function lessThan(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = a.length - 1; i >= 0; i--) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function plainBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function fixedBytes(hex: string): Uint8Array {
  const bytes = decodeHex(hex);
  if (!bytes) throw new TokenError('key-invalid', 'a built-in constant is not hexadecimal');
  return bytes;
}
