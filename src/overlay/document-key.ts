import { decodeBase32, decodeBase64Url, encodeBase32, encodeBase64Url } from '../base/index.ts';

/** The first byte of a stored key: how the text behind it is written. */
const keyForm = { text: 0, fingerprint: 1, publicKey: 2 } as const;
const fingerprintCharacters = 52;
const publicKeyCharacters = 43;

/** A document's key in bytes, the shortest that stands for this text and no other. */
export function encodeKey(key: string): Buffer {
  const fingerprint = key.length === fingerprintCharacters ? decodeBase32(key) : undefined;
  if (fingerprint !== undefined) return behind(keyForm.fingerprint, fingerprint);
  const publicKey = key.length === publicKeyCharacters ? decodeBase64Url(key) : undefined;
  return publicKey === undefined
    ? behind(keyForm.text, Buffer.from(key))
    : behind(keyForm.publicKey, publicKey);
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

function behind(form: number, bytes: Uint8Array): Buffer {
  const row = Buffer.allocUnsafe(1 + bytes.length);
  row[0] = form;
  row.set(bytes, 1);
  return row;
}
