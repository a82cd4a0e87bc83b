import { ProvenanceError } from './error.ts';

/** Length prefix in bytes: 2 in C2SP entry bundles, 4 in openings, which are private and may be longer. */
export type LengthBytes = 2 | 4;
export const entryLengthBytes = 2;
export const openingLengthBytes = 4;

/** Each item with its big-endian length before it. */
export function encodeBundle(items: readonly Uint8Array[], lengthBytes: LengthBytes): Uint8Array {
  let length = 0;
  for (const item of items) length += lengthBytes + item.length;
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const item of items) {
    at = bytes.writeUIntBE(item.length, at, lengthBytes);
    bytes.set(item, at);
    at += item.length;
  }
  return bytes;
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
