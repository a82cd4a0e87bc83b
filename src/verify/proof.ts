import { encodeBase32, equal } from './bytes.ts';
import { VerifyError } from './error.ts';
import { leafHash, rootFromInclusion, type TreeHead } from './merkle.ts';
import type { PlacedEntry, PlacedRecord, ProofFile } from './proof-file.ts';
import { decodeEntry, decodeReceipt } from './receipt.ts';
import { decodeStatement, type OpenedRecord, openRecord } from './record.ts';

/** A record that is in the tree, sealed by a node whose key is in the tree, and opened as far as the file does. */
export interface ProvedRecord {
  readonly id: string;
  /** Its place in the log, from 0. */
  readonly position: number;
  /** The node that logged it, and when it sealed the batch (POSIX seconds). */
  readonly node: string;
  readonly sealedAt: number;
  /** Undefined when the file does not open it. */
  readonly opened: OpenedRecord | undefined;
}

/** What an entry of the log says, by its opening; whose log it is in is not asked. Throws VerifyError. */
export function openPayload(entry: Uint8Array, opening: Uint8Array): OpenedRecord {
  return openRecord(decodeStatement(decodeEntry(entry).statement), opening);
}

/** The keys of the nodes that the file proves. Throws VerifyError. */
export function proveNodes(file: ProofFile, head: TreeHead): readonly ProvedNode[] {
  return file.nodes.map((placed) => {
    requireIncluded(placed, head, 'the entry with the key of a gateway');
    const { node, nodeKey } = decodeStatement(decodeEntry(placed.entry).statement);
    return { node, nodeKey };
  });
}

/** Every record of the file. Throws VerifyError at the first thing that does not hold. */
export function proveRecords(
  file: ProofFile,
  head: TreeHead,
  nodes: readonly ProvedNode[],
): readonly ProvedRecord[] {
  return file.records.map((record) => proveRecord(record, head, nodes));
}

export interface ProvedNode {
  readonly node: Uint8Array;
  readonly nodeKey: Uint8Array | undefined;
}

function proveRecord(record: PlacedRecord, head: TreeHead, nodes: readonly ProvedNode[]): ProvedRecord {
  requireIncluded(record, head, 'the record');
  const { statement: bytes, receipt: sealed } = decodeEntry(record.entry);
  const statement = decodeStatement(bytes);
  const receipt = decodeReceipt(sealed);
  const key = nodes.find(({ node }) => equal(node, statement.node))?.nodeKey;
  if (!key)
    throw new VerifyError('receipt', 'the file does not prove the key of the gateway that logged the record');
  if (!equal(receipt.node, statement.node) || !receipt.holds(statement.id, key))
    throw new VerifyError('receipt', 'the gateway that is named as its author did not sign the record');
  return {
    id: encodeBase32(statement.id),
    position: record.index,
    node: encodeBase32(statement.node),
    sealedAt: receipt.sealedAt,
    opened: record.opening && openRecord(statement, record.opening),
  };
}

function requireIncluded({ entry, index, path }: PlacedEntry, head: TreeHead, what: string): void {
  const root = rootFromInclusion(leafHash(entry), index, head.size, path);
  if (!root || !equal(root, head.root))
    throw new VerifyError('inclusion', `${what} is not in the log that the operator signed, or was changed`);
}
