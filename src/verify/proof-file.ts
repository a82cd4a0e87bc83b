import { decodeBase64 } from './bytes.ts';
import { type Cbor, decodeCbor, Expect } from './cbor.ts';
import type { HeadClaim } from './committed-head.ts';
import { hashBytes } from './crypto.ts';
import { VerifyError } from './error.ts';

/** C2SP tlog-proof. */
export const proofFormat = 'c2sp.org/tlog-proof@';
const proofHeader = `${proofFormat}v1`;
/** A path in a tree of 2^53 leaves has 53 hashes. */
const maxPathHashes = 64;
const form = new Expect('format', "the proof's extra data");

/** Fields of the extra data (docs/audit-format.md, "Proof file"). */
const field = {
  entry: 1,
  opening: 2,
  nodeEntry: 3,
  nodeIndex: 4,
  nodePath: 5,
  others: 6,
  otherNodes: 7,
  claim: 8,
  head: 9,
} as const;

/** An entry and its place in the tree that the checkpoint signs. */
export interface PlacedEntry {
  readonly index: number;
  readonly path: readonly Uint8Array[];
  readonly entry: Uint8Array;
}

export interface PlacedRecord extends PlacedEntry {
  readonly opening: Uint8Array | undefined;
}

/** What the file says that it holds completely. */
export type Claim =
  | { readonly kind: 'call'; readonly call: string }
  | { readonly kind: 'identity'; readonly fingerprint: Uint8Array };

export interface ProofFile {
  /** A signed note, verbatim. */
  readonly checkpoint: string;
  /** The record that the file is about, then those that belong to it, in the order of the log. */
  readonly records: readonly PlacedRecord[];
  /** Entries that publish the keys of the nodes that logged the records. */
  readonly nodes: readonly PlacedEntry[];
  readonly claim: Claim | undefined;
  /** Which record of the claimed identity is its newest one. */
  readonly head: HeadClaim | undefined;
}

/** Throws VerifyError `format`. */
export function parseProofFile(text: string): ProofFile {
  const split = text.indexOf('\n\n');
  const lines = text.slice(0, Math.max(0, split)).split('\n');
  if (!text.startsWith(`${proofHeader}\n`))
    throw new VerifyError('format', `it does not begin with ${proofHeader}`);
  if (split < 0)
    throw new VerifyError('format', 'it ends before its checkpoint: a part of the file is missing');
  lines.shift();
  const extra = lines[0]?.startsWith('extra ') ? decodeBase64(lines.shift()?.slice(6) ?? '') : undefined;
  if (!extra) throw new VerifyError('format', 'it proves a place in a log, but does not say what is there');
  const index = indexOf(lines.shift() ?? '');
  const path = lines.map((line) => {
    const hash = decodeBase64(line);
    if (hash?.length !== hashBytes) throw new VerifyError('format', 'a line of its path is no hash');
    return hash;
  });
  return { checkpoint: text.slice(split + 2), ...readExtra(extra, index, checkedPath(path)) };
}

function indexOf(line: string): number {
  const index = Number(line.slice('index '.length));
  if (!Number.isSafeInteger(index) || index < 0 || line !== `index ${index}`)
    throw new VerifyError('format', 'it has no index');
  return index;
}

function checkedPath(path: readonly Uint8Array[]): readonly Uint8Array[] {
  if (path.length > maxPathHashes) throw new VerifyError('format', 'a path is too long');
  return path;
}

function readExtra(
  bytes: Uint8Array,
  index: number,
  path: readonly Uint8Array[],
): Omit<ProofFile, 'checkpoint'> {
  const extra = form.map(decodeCbor(bytes, 'format'));
  const own: PlacedRecord = {
    index,
    path,
    entry: form.bytes(extra.get(field.entry)),
    opening: optionalBytes(extra.get(field.opening)),
  };
  const node: PlacedEntry = {
    index: form.count(extra.get(field.nodeIndex)),
    path: pathOf(extra.get(field.nodePath)),
    entry: form.bytes(extra.get(field.nodeEntry)),
  };
  return {
    records: [own, ...optionalArray(extra.get(field.others)).map(placedRecord)],
    nodes: [node, ...optionalArray(extra.get(field.otherNodes)).map(placedEntry)],
    claim: claimOf(extra.get(field.claim)),
    head: headOf(extra.get(field.head)),
  };
}

function placedRecord(value: Cbor): PlacedRecord {
  const [index, path, entry, opening] = form.array(value, 4);
  return { ...placed(index, path, entry), opening: opening === null ? undefined : form.bytes(opening) };
}

function placedEntry(value: Cbor): PlacedEntry {
  const [index, path, entry] = form.array(value, 3);
  return placed(index, path, entry);
}

function placed(index: Cbor | undefined, path: Cbor | undefined, entry: Cbor | undefined): PlacedEntry {
  return { index: form.count(index), path: pathOf(path), entry: form.bytes(entry) };
}

function pathOf(value: Cbor | undefined): readonly Uint8Array[] {
  return checkedPath(form.array(value).map((hash) => form.bytes(hash, hashBytes)));
}

function claimOf(value: Cbor | undefined): Claim | undefined {
  if (value === undefined) return undefined;
  const [kind, about] = form.array(value, 2);
  if (kind === 'call') return { kind, call: form.text(about) };
  if (kind === 'identity') return { kind, fingerprint: form.bytes(about, hashBytes) };
  throw new VerifyError('format', 'it claims something that this verifier does not know');
}

function headOf(value: Cbor | undefined): HeadClaim | undefined {
  if (value === undefined) return undefined;
  const [position, seq, record, salt, index, path] = form.array(value, 6);
  return {
    position: form.count(position),
    seq: form.count(seq),
    record: form.bytes(record, hashBytes),
    salt: form.bytes(salt, hashBytes),
    index: form.count(index),
    path: pathOf(path),
  };
}

function optionalBytes(value: Cbor | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : form.bytes(value);
}

function optionalArray(value: Cbor | undefined): readonly Cbor[] {
  return value === undefined ? [] : form.array(value);
}
