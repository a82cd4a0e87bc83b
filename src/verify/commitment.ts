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
function item(major: number, bytes: Uint8Array): Uint8Array {
  return concat(head(major, bytes.length), bytes);
}

export function head(major: number, argument: number): Uint8Array {
  if (argument < 24) return Uint8Array.of(major | argument);
  if (argument < 0x100) return Uint8Array.of(major | 24, argument);
  if (argument < 0x1_0000) return Uint8Array.of(major | 25, argument >> 8, argument & 0xff);
  return Uint8Array.of(
    major | 26,
    argument >>> 24,
    (argument >> 16) & 0xff,
    (argument >> 8) & 0xff,
    argument & 0xff,
  );
}
