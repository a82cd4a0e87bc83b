import { createCipheriv, createDecipheriv, scrypt } from 'node:crypto';
import { decodeBase64Url, encodeBase64Url, systemRandom } from '../base/index.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { TokenError } from './errors.ts';
import { seedBytes } from './keys.ts';

const cipherName = 'aes-256-gcm';
const gcmTagBytes = 16;

/** RFC 7914 §2: N=2^17, r=8 take 128 MiB and some 0.3 s, so that each guess at a passphrase does too. */
const defaultScrypt: ScryptCost = { n: 131_072, r: 8, p: 1 };
/** A file from elsewhere must not make the reader allocate without end. */
const maxScryptBytes = 1_073_741_824;

interface ScryptCost {
  readonly n: number;
  readonly r: number;
  readonly p: number;
}

/** The members of a `secret` object that holds the seed encrypted under a passphrase. */
export async function sealSeed(
  seed: Uint8Array,
  publicKey: Uint8Array,
  passphrase: string,
): Promise<Readonly<Record<string, unknown>>> {
  if (passphrase === '') throw new TokenError('passphrase', 'the passphrase is empty');
  const salt = systemRandom.bytes(16);
  const iv = systemRandom.bytes(12);
  const cipher = createCipheriv(cipherName, await deriveKey(passphrase, salt, defaultScrypt), iv);
  cipher.setAAD(associatedData(publicKey));
  const sealed = Buffer.concat([cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
  return {
    kdf: 'scrypt',
    ...defaultScrypt,
    salt: encodeBase64Url(salt),
    cipher: cipherName,
    iv: encodeBase64Url(iv),
    sealed: encodeBase64Url(sealed),
  };
}

/** Throws TokenError: `passphrase` for a missing or wrong one, `file` for members that are malformed. */
export async function unsealSeed(
  secret: Readonly<Record<string, unknown>>,
  publicKey: Uint8Array,
  passphrase: string | undefined,
): Promise<Uint8Array> {
  if (passphrase === undefined) throw new TokenError('passphrase', 'this identity needs its passphrase');
  if (secret['kdf'] !== 'scrypt' || secret['cipher'] !== cipherName)
    throw new TokenError('file', 'the secret is encrypted in an unknown way');
  const sealed = bytesField(secret, 'sealed', seedBytes + gcmTagBytes);
  const wrapKey = await deriveKey(passphrase, bytesField(secret, 'salt', 16), costOf(secret));
  const decipher = createDecipheriv(cipherName, wrapKey, bytesField(secret, 'iv', 12));
  decipher.setAAD(associatedData(publicKey));
  decipher.setAuthTag(sealed.subarray(seedBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, seedBytes)), decipher.final()]);
  } catch (cause) {
    throw new TokenError('passphrase', 'wrong passphrase, or the file is damaged', { cause });
  }
}

/** A sealed secret opens only beside the key that it belongs to. */
function associatedData(publicKey: Uint8Array): Uint8Array {
  return encodeCbor(['tibet-identity-file-v1', publicKey]);
}

function deriveKey(passphrase: string, salt: Uint8Array, { n, r, p }: ScryptCost): Promise<Buffer> {
  const options = { N: n, r, p, maxmem: 128 * n * r + 1_048_576 };
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFC'), salt, 32, options, (error, key) => {
      if (error) reject(new TokenError('file', 'the scrypt parameters are not usable', { cause: error }));
      else resolve(key);
    });
  });
}

function costOf(secret: Readonly<Record<string, unknown>>): ScryptCost {
  const [n, r, p] = [secret['n'], secret['r'], secret['p']];
  if (!isCost(n) || !isCost(r) || !isCost(p) || 128 * n * r > maxScryptBytes || p > 16 || (n & (n - 1)) !== 0)
    throw new TokenError('file', 'the scrypt parameters are out of range');
  return { n, r, p };
}

function isCost(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= 2 ** 30;
}

/** A base64url member of an identity file; throws TokenError `file`. */
export function bytesField(
  record: Readonly<Record<string, unknown>>,
  name: string,
  length?: number,
): Uint8Array {
  const text = record[name];
  const bytes = typeof text === 'string' ? decodeBase64Url(text) : undefined;
  if (bytes === undefined || (length !== undefined && bytes.length !== length))
    throw new TokenError('file', `field ${name} of the identity file is missing or malformed`);
  return bytes;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
