import { type CborValue, decodeCbor, encodeCbor, fingerprintFromBytes, TokenError } from '../tokens/index.ts';
import { openCheckpoint, peekCheckpoint } from './checkpoint.ts';
import { decodeEntry } from './entry.ts';
import { ProvenanceError } from './error.ts';
import type { LogReader } from './log-reader.ts';
import { inclusionPath, leafHash, rootFromInclusion, type TreeHead } from './merkle-tree.ts';
import type { PartyKeySource } from './opening-seal.ts';
import { findByIdPrefix, type QuerySource } from './query.ts';
import { decodeReceipt, ReceiptChecker } from './receipt.ts';
import { readRecord, type StoredRecord } from './record.ts';
import { openingFault } from './record-checks.ts';
import type { RecordIndex } from './record-index.ts';
import { parseVkey } from './signed-note.ts';
import { decodeStatement } from './statement.ts';
import { formatTlogProof, parseTlogProof } from './tlog-proof.ts';

export interface ProofOptions {
  /** Whether the proof carries the record's layers (default), or commitments only. */
  readonly discloseLayers?: boolean;
}

export interface ProofSource extends QuerySource {
  readonly index: RecordIndex | undefined;
  readonly reader: LogReader;
  readonly keys: PartyKeySource;
  readonly checkpoint: string;
}

/** Fields of the proof's extra data: a deterministic CBOR map. */
const field = { entry: 1, opening: 2, nodeEntry: 3, nodeIndex: 4, nodePath: 5 } as const;

/**
 * One file that proves a record: C2SP tlog-proof whose extra data holds the entry, its opening unless withheld, and
 * the entry that published the node's key, with its own path. Throws `record-unknown` or `record-pending`.
 */
export async function proveRecord(
  source: ProofSource,
  idPrefix: string,
  options: ProofOptions = {},
): Promise<string> {
  const found = await findByIdPrefix(source, idPrefix);
  const record = found[0];
  if (!record) throw new ProvenanceError('record-unknown', 'the log has no such record');
  if (found.length > 1) throw new ProvenanceError('record-ambiguous', 'more than one record begins so');
  const { size } = peekCheckpoint(source.checkpoint);
  if (record.position >= size)
    throw new ProvenanceError('record-pending', 'the record is durable, but no checkpoint covers it yet');
  const hashOf = source.reader.rangeHash(size);
  const { entry, opening } = await source.reader.opened(record.position, size, source.keys);
  const extra = new Map<number, CborValue>([[field.entry, entry]]);
  if (options.discloseLayers !== false) extra.set(field.opening, opening);
  const node = await nodePositionOf(source, record, size);
  extra.set(field.nodeEntry, (await source.reader.raw(node, size)).entry);
  extra.set(field.nodeIndex, node);
  extra.set(field.nodePath, await inclusionPath(node, size, hashOf));
  return formatTlogProof({
    extra: encodeCbor(extra),
    index: record.position,
    path: await inclusionPath(record.position, size, hashOf),
    checkpoint: source.checkpoint,
  });
}

/** Without an index, the run's first record is searched backwards. */
async function nodePositionOf(source: ProofSource, record: StoredRecord, size: number): Promise<number> {
  const known = source.index?.nodePosition(record.node);
  if (known !== undefined && known < size) return known;
  for (let at = record.position; at >= 0; at--) {
    const { statement } = decodeEntry((await source.reader.raw(at, size)).entry);
    const { node, nodeKey } = decodeStatement(statement);
    if (nodeKey && fingerprintFromBytes(node) === record.node) return at;
  }
  throw new ProvenanceError('record-malformed', 'the log has no key for the node that logged this record');
}

export type ProofFault =
  | 'malformed'
  | 'vkey'
  | 'checkpoint'
  | 'inclusion'
  | 'entry'
  | 'node-inclusion'
  | 'receipt'
  | 'opening';

export type ProofVerdict =
  | { readonly valid: false; readonly fault: ProofFault; readonly reason: string }
  | {
      readonly valid: true;
      /** What the record says; undefined when the proof withholds its layers. */
      readonly record: StoredRecord | undefined;
      readonly origin: string;
      readonly size: number;
      readonly position: number;
    };

/** Checks a proof file offline, trusting nothing but the log's verifier key. Never throws. */
export function verifyProof(text: string, vkey: string): ProofVerdict {
  try {
    return check(text, vkey);
  } catch (error) {
    if (error instanceof ProvenanceError) return invalid(faultOf(error), error.message);
    if (error instanceof TokenError) return invalid('malformed', error.message);
    throw error;
  }
}

function check(text: string, vkey: string): ProofVerdict {
  const verifier = parseVkey(vkey);
  const proof = parseTlogProof(text);
  const head = openCheckpoint(proof.checkpoint, verifier);
  const extra = proof.extra && decodeCbor(proof.extra);
  const entry = extra instanceof Map ? extra.get(field.entry) : undefined;
  if (!(extra instanceof Map) || !(entry instanceof Uint8Array))
    return invalid('malformed', 'the entry is missing');
  if (!included(entry, proof.index, proof.path, head))
    return invalid('inclusion', 'the entry is not in the tree that the checkpoint signs');
  const { statement, receipt } = decodeEntry(entry);
  const nodeKey = provenNodeKey(extra, decodeStatement(statement).node, head);
  if (!nodeKey) return invalid('node-inclusion', "the node's key is not proved to be in the same log");
  const decoded = decodeReceipt(receipt);
  if (!new ReceiptChecker().holds(decoded, leafHash(statement), nodeKey))
    return invalid('receipt', 'the node did not sign a batch that holds this record');
  const opening = extra.get(field.opening);
  const verdict = { valid: true as const, origin: head.origin, size: head.size, position: proof.index };
  if (opening === undefined) return { ...verdict, record: undefined };
  if (!(opening instanceof Uint8Array)) return invalid('malformed', 'the opening is no byte string');
  const fault = openingFault(decodeStatement(statement), opening);
  if (fault) return invalid('opening', fault);
  return { ...verdict, record: readRecord({ position: proof.index, entry, opening }) };
}

function included(entry: Uint8Array, index: number, path: readonly Uint8Array[], head: TreeHead): boolean {
  const root = rootFromInclusion(leafHash(entry), index, head.size, path);
  return root !== undefined && Buffer.compare(root, head.root) === 0;
}

function provenNodeKey(
  extra: ReadonlyMap<number | string, CborValue>,
  node: Uint8Array,
  head: TreeHead,
): Uint8Array | undefined {
  const entry = extra.get(field.nodeEntry);
  const index = extra.get(field.nodeIndex);
  const path = extra.get(field.nodePath);
  if (!(entry instanceof Uint8Array) || typeof index !== 'number' || !Array.isArray(path)) return undefined;
  const hashes: Uint8Array[] = [];
  for (const hash of path) if (hash instanceof Uint8Array) hashes.push(hash);
  if (hashes.length !== path.length || !included(entry, index, hashes, head)) return undefined;
  const statement = decodeStatement(decodeEntry(entry).statement);
  return Buffer.compare(statement.node, node) === 0 ? statement.nodeKey : undefined;
}

function faultOf(error: ProvenanceError): ProofFault {
  switch (error.code) {
    case 'vkey':
      return 'vkey';
    case 'note-malformed':
    case 'note-signature':
    case 'checkpoint-malformed':
    case 'origin':
      return 'checkpoint';
    case 'receipt-malformed':
      return 'receipt';
    case 'record-malformed':
      return 'entry';
    default:
      return 'malformed';
  }
}

function invalid(fault: ProofFault, reason: string): ProofVerdict {
  return { valid: false, fault, reason };
}
