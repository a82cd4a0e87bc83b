import { Encoder } from 'cbor-x';
import type { DocumentKind, OverlayDocuments } from './documents.ts';
import { OverlayError } from './errors.ts';

// Plain maps: a document can be read by any CBOR tool, and fields may be added without a migration.
const encoder = new Encoder({ useRecords: false, mapsAsObjects: true, variableMapSize: true });

export function encodeDocument<Kind extends DocumentKind>(
  _kind: Kind,
  document: OverlayDocuments[Kind],
): Buffer {
  return encoder.encode(document);
}

/** Trusts the store: only our own processes write there. Throws OverlayError `store-corrupt`. */
export function decodeDocument<Kind extends DocumentKind>(
  kind: Kind,
  bytes: Uint8Array,
): OverlayDocuments[Kind] {
  try {
    return encoder.decode(bytes);
  } catch (cause) {
    throw new OverlayError('store-corrupt', `a stored ${kind} cannot be decoded`, { cause });
  }
}
