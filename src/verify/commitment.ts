import { concat, utf8 } from './bytes.ts';

const context = 'tibet-sip/commitment/v1';

/** docs/audit-format.md, "Commitments": the CBOR array of context, layer name, salt and encoding. */
export function encodeCommitmentInput(layerName: string, salt: Uint8Array, encoding: Uint8Array): Uint8Array {
  return concat(
    Uint8Array.of(0x84),
    item(0x60, utf8(context)),
    item(0x60, utf8(layerName)),
    item(0x40, salt),
    item(0x40, encoding),
  );
}

/** RFC 8949 §4.2.1: a text or byte string with the shortest head. */
export function item(major: number, bytes: Uint8Array): Uint8Array {
  return concat(head(major, bytes.length), bytes);
}

export function head(major: number, argument: number): Uint8Array {
  if (argument < 24) return Uint8Array.of(major | argument);
  const width = argument < 0x100 ? 1 : argument < 0x1_0000 ? 2 : argument < 0x1_0000_0000 ? 4 : 8;
  const bytes = new Uint8Array(1 + width);
  bytes[0] = major | (24 + Math.log2(width));
  for (let at = width, rest = argument; at > 0; at--, rest = Math.floor(rest / 256)) bytes[at] = rest % 256;
  return bytes;
}
