import { concatBytes } from '../base/index.ts';
import { ProvenanceError } from './error.ts';

/** Length prefix in bytes: 2 in C2SP entry bundles, 4 in openings, which are private and may be longer. */
export type LengthBytes = 2 | 4;
export const entryLengthBytes = 2;
export const openingLengthBytes = 4;

/** One item with its big-endian length before it. */
export function framed(item: Uint8Array, lengthBytes: LengthBytes): Uint8Array {
  const bytes = Buffer.allocUnsafe(lengthBytes + item.length);
  bytes.writeUIntBE(item.length, 0, lengthBytes);
  bytes.set(item, lengthBytes);
  return bytes;
}

export function encodeBundle(items: readonly Uint8Array[], lengthBytes: LengthBytes): Uint8Array {
  return concatBytes(...items.map((item) => framed(item, lengthBytes)));
}

/** Every item of a bundle, as views; throws ProvenanceError `bundle-damaged` unless it ends with an item. */
export function splitBundle(bytes: Uint8Array, lengthBytes: LengthBytes): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const items: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const start = at + lengthBytes;
    if (start > bytes.length) throw damaged(items.length);
    const length = lengthBytes === 2 ? view.getUint16(at) : view.getUint32(at);
    at = start + length;
    if (at > bytes.length) throw damaged(items.length);
    items.push(bytes.subarray(start, at));
  }
  return items;
}

function damaged(item: number): ProvenanceError {
  return new ProvenanceError('bundle-damaged', `the file ends within its item ${item}`);
}
