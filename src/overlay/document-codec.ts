import { Decoder } from 'cbor-x';
import { DocumentReader, DocumentWriter } from './document-bytes.ts';
import { documentLayouts } from './document-layouts.ts';
import type { DocumentKind, OverlayDocuments } from './documents.ts';
import { OverlayError } from './errors.ts';

/** The first byte of a document. Up to 0.1.0 documents were CBOR maps, whose first byte is 0xa0 or more. */
const format = 1;
const firstCborMap = 0xa0;
const lastCborMap = 0xbf;

const writer = new DocumentWriter();
const cbor = new Decoder({ useRecords: false, mapsAsObjects: true });

export function encodeDocument<Kind extends DocumentKind>(
  kind: Kind,
  document: OverlayDocuments[Kind],
): Buffer {
  writer.begin(format);
  documentLayouts[kind].write(writer, document);
  return writer.finish();
}

/** Trusts the store: only our own processes write there. Throws OverlayError `store-corrupt`. */
export function decodeDocument<Kind extends DocumentKind>(
  kind: Kind,
  bytes: Uint8Array,
): OverlayDocuments[Kind] {
  const first = bytes[0] ?? 0;
  try {
    if (first === format) return documentLayouts[kind].read(new DocumentReader(bytes));
    if (first >= firstCborMap && first <= lastCborMap) return cbor.decode(bytes);
  } catch (cause) {
    throw new OverlayError('store-corrupt', `a stored ${kind} cannot be decoded`, { cause });
  }
  throw new OverlayError('store-corrupt', `a stored ${kind} has a form that this version does not know`);
}
