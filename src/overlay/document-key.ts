import {
  asBuffer,
  concatBytes,
  decodeBase32,
  decodeBase64Url,
  encodeBase32,
  encodeBase64Url,
} from '../base/index.ts';

/** The first byte of a stored key: how the text behind it is written. */
const keyForm = { text: 0, fingerprint: 1, publicKey: 2 } as const;
const fingerprintCharacters = 52;
const publicKeyCharacters = 43;

/** A document's key in bytes, the shortest that stands for this text and no other. */
export function encodeKey(key: string): Buffer {
  const [form, bytes] = encoded(key);
  return asBuffer(concatBytes(Uint8Array.of(form), bytes));
}

export function decodeKey(bytes: Buffer): string {
  const body = bytes.subarray(1);
  switch (bytes[0]) {
    case keyForm.fingerprint:
      return encodeBase32(body);
    case keyForm.publicKey:
      return encodeBase64Url(body);
    default:
      return body.toString('utf8');
  }
}

function encoded(key: string): readonly [form: number, bytes: Uint8Array] {
  const fingerprint = key.length === fingerprintCharacters ? decodeBase32(key) : undefined;
  if (fingerprint !== undefined) return [keyForm.fingerprint, fingerprint];
  const publicKey = key.length === publicKeyCharacters ? decodeBase64Url(key) : undefined;
  return publicKey === undefined ? [keyForm.text, Buffer.from(key)] : [keyForm.publicKey, publicKey];
}
