import { type CborMap, type CborValue, decodeCbor } from '../tokens/index.ts';
import { type ByteWriter, cborMajor } from './byte-writer.ts';
import { layerNames } from './commitment.ts';
import { ProvenanceError } from './error.ts';
import { hashBytes } from './merkle-tree.ts';

const version = 1;
const label = { version: 1, node: 2, layers: 3, parties: 4, nodeKey: 5, nodeToken: 6 } as const;

/** The public face of a record: who logged it, and salted commitments. Nothing here names anybody. */
export interface Statement {
  /** The fingerprint of the node that logged it, 32 bytes. */
  readonly node: Uint8Array;
  /** One commitment per layer, in the order of `layerNames`. */
  readonly layers: readonly Uint8Array[];
  readonly parties: readonly Uint8Array[];
  /** In the record that opens a node's run: the key under which the node's receipts verify from here on. */
  readonly nodeKey: Uint8Array | undefined;
  readonly nodeToken: Uint8Array | undefined;
}

/** What a statement says beside its commitments. */
export type StatementHead = Pick<Statement, 'node'> & {
  readonly [field in 'nodeKey' | 'nodeToken']?: Uint8Array | undefined;
};

/**
 * A statement is written in the order of its deterministic CBOR: head, four commitments, the number of parties,
 * their commitments, tail. `leafHash` of the whole is the record's id.
 */
export function writeStatementHead(writer: ByteWriter, { node, nodeKey, nodeToken }: StatementHead): void {
  writer.head(cborMajor.map, 4 + (nodeKey ? 1 : 0) + (nodeToken ? 1 : 0));
  writer.head(cborMajor.unsigned, label.version);
  writer.head(cborMajor.unsigned, version);
  writer.head(cborMajor.unsigned, label.node);
  writer.byteString(node);
  writer.head(cborMajor.unsigned, label.layers);
  writer.head(cborMajor.array, layerNames.length);
}

/** From one commitment to the next. */
export const commitmentStep: number = 2 + hashBytes;

/** Returns where the first of them is going to stand. */
export function leaveRoomForCommitments(writer: ByteWriter, count: number): number {
  const first = writer.length + commitmentStep - hashBytes;
  for (let left = count; left > 0; left--) {
    writer.head(cborMajor.bytes, hashBytes);
    writer.skip(hashBytes);
  }
  return first;
}

export function writePartyCount(writer: ByteWriter, count: number): void {
  writer.head(cborMajor.unsigned, label.parties);
  writer.head(cborMajor.array, count);
}

export function writeStatementTail(writer: ByteWriter, { nodeKey, nodeToken }: StatementHead): void {
  if (nodeKey) {
    writer.head(cborMajor.unsigned, label.nodeKey);
    writer.byteString(nodeKey);
  }
  if (nodeToken) {
    writer.head(cborMajor.unsigned, label.nodeToken);
    writer.byteString(nodeToken);
  }
}

/** Strict; throws TokenError or ProvenanceError `record-malformed`. */
export function decodeStatement(bytes: Uint8Array): Statement {
  const map = decodeCbor(bytes);
  if (!(map instanceof Map)) throw malformed('a statement is a map');
  for (const key of map.keys())
    if (!Object.values<number | string>(label).includes(key))
      throw malformed('a statement has an unknown field');
  if (map.get(label.version) !== version) throw malformed('the statement has another version');
  const layers = hashesAt(map, label.layers);
  if (layers.length !== layerNames.length) throw malformed('a statement commits to four layers');
  return {
    node: fixedBytes(map.get(label.node), hashBytes),
    layers,
    parties: hashesAt(map, label.parties),
    nodeKey: map.has(label.nodeKey) ? fixedBytes(map.get(label.nodeKey), hashBytes) : undefined,
    nodeToken: map.has(label.nodeToken) ? fixedBytes(map.get(label.nodeToken)) : undefined,
  };
}

function hashesAt(map: CborMap, key: number): readonly Uint8Array[] {
  const items = map.get(key);
  if (!Array.isArray(items)) throw malformed('a list of commitments is missing');
  return items.map((item: CborValue) => fixedBytes(item, hashBytes));
}

function fixedBytes(value: CborValue | undefined, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length))
    throw malformed('a field of the statement has another type or length');
  return value;
}

function malformed(why: string): ProvenanceError {
  return new ProvenanceError('record-malformed', why);
}
