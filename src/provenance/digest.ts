import { hash } from 'node:crypto';

/** SHA-256. As text from native code and back into pooled memory: three times as fast as a Buffer per digest. */
export function sha256(bytes: Uint8Array): Buffer {
  return Buffer.from(sha256Latin1(bytes), 'latin1');
}

/** SHA-256 as one character per byte, for `ByteWriter.latin1`. */
export function sha256Latin1(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'latin1');
}
