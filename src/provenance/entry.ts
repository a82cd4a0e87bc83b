import { type CborValue, decodeCbor } from '../tokens/index.ts';
import { type ByteWriter, cborMajor } from './byte-writer.ts';
import { layerNames, type Opening, saltBytes } from './commitment.ts';
import { ProvenanceError } from './error.ts';

/** C2SP tlog-tiles: entries have a uint16 length. */
export const maxEntryBytes = 65_535;

export const openingVersion = 1;

/** What the Merkle tree is made of: [statement, receipt], both as byte strings. */
export interface LogEntry {
  readonly statement: Uint8Array;
  readonly receipt: Uint8Array;
}

/** Strict; throws TokenError or ProvenanceError `record-malformed`. */
export function decodeEntry(bytes: Uint8Array): LogEntry {
  const parts = decodeCbor(bytes);
  if (!Array.isArray(parts) || parts.length !== 2) throw malformed('an entry is [statement, receipt]');
  const [statement, receipt]: readonly (CborValue | undefined)[] = parts;
  if (!(statement instanceof Uint8Array) || !(receipt instanceof Uint8Array))
    throw malformed('an entry is [statement, receipt]');
  return { statement, receipt };
}

/** All of an entry before its receipt; the statement is what `bytes` hold from `start` to `end`. */
export function writeEntryHead(writer: ByteWriter, bytes: Buffer, start: number, end: number): void {
  writer.head(cborMajor.array, 2);
  writer.byteStringOf(bytes, start, end);
}

/** All that opens a record's commitments, in the statement's order; undefined: erased with a party. */
export interface RecordOpening {
  readonly layers: readonly (Opening | undefined)[];
  readonly parties: readonly (Opening | undefined)[];
}

/**
 * A plain opening is [version, layers, parties], each item [salt, encoding], or null once it was erased. It is written
 * head first, then the layers, the number of parties, the parties. What lies on disk is sealed (`OpeningSealer`).
 */
export function writeOpeningHead(writer: ByteWriter): void {
  writer.head(cborMajor.array, 3);
  writer.head(cborMajor.unsigned, openingVersion);
  writer.head(cborMajor.array, layerNames.length);
}

/** Before each salt and encoding. */
export function writeOpeningItemHead(writer: ByteWriter): void {
  writer.head(cborMajor.array, 2);
}

export function writeOpeningPartyCount(writer: ByteWriter, count: number): void {
  writer.head(cborMajor.array, count);
}

/** Strict; throws TokenError or ProvenanceError `record-malformed`. */
export function decodeOpening(bytes: Uint8Array): RecordOpening {
  const parts = decodeCbor(bytes);
  if (!Array.isArray(parts) || parts.length !== 3) throw malformed('an opening has three parts');
  const [version, layers, parties]: readonly (CborValue | undefined)[] = parts;
  if (version !== openingVersion) throw malformed('the opening has another version');
  const opening = { layers: openingsOf(layers), parties: openingsOf(parties) };
  if (opening.layers.length !== layerNames.length) throw malformed('an opening has four layers');
  return opening;
}

function openingsOf(value: CborValue | undefined): readonly (Opening | undefined)[] {
  if (!Array.isArray(value)) throw malformed('a list of openings is missing');
  return value.map((item: CborValue) => {
    if (item === null) return undefined;
    const [salt, encoding]: readonly (CborValue | undefined)[] = Array.isArray(item) ? item : [];
    if (!(salt instanceof Uint8Array) || salt.length !== saltBytes || !(encoding instanceof Uint8Array))
      throw malformed('an opening is [salt, encoding]');
    return { salt, encoding };
  });
}

function malformed(why: string): ProvenanceError {
  return new ProvenanceError('record-malformed', why);
}
