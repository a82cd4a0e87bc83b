import { decodeBase32 } from '../base/index.ts';
import { type CborValue, type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { ProvenanceError } from './error.ts';
import { HeadsTree, headsEvent, type IdentityHead } from './identity-heads.ts';
import { pathWithin, treeLevels } from './merkle-tree.ts';
import type { PartyKeySource } from './opening-seal.ts';
import { type QuerySource, queryRecords } from './query.ts';
import type { StoredRecord } from './record.ts';

/** The key that a party's records are under now. */
export interface CurrentKeys extends PartyKeySource {
  currentSlot(fingerprint: Fingerprint): number | undefined;
}

export interface HeadSource extends QuerySource {
  readonly keys: CurrentKeys;
}

/** What shows that a record committed to an identity's newest record. */
export interface CommittedHead {
  /** The record that commits to all heads. */
  readonly commitment: StoredRecord;
  readonly seq: number;
  readonly record: Uint8Array;
  readonly salt: Uint8Array;
  /** The leaf's place among all heads. */
  readonly index: number;
  readonly path: readonly Uint8Array[];
}

/** Throws ProvenanceError `head-unproved` when no record under the checkpoint of `size` commits to it any more. */
export async function proveHead(
  source: HeadSource,
  fingerprint: Fingerprint,
  size: number,
): Promise<CommittedHead> {
  for await (const commitment of queryRecords(source, {
    event: headsEvent,
    newestFirst: true,
    after: size,
  })) {
    const { size: upTo, nonce, root } = commitment.erin;
    if (typeof upTo !== 'number' || !(nonce instanceof Uint8Array) || !(root instanceof Uint8Array)) break;
    const tree = new HeadsTree(nonce);
    const leaves: Uint8Array[] = [];
    let own: Omit<CommittedHead, 'commitment' | 'path'> | undefined;
    for await (const one of headsAt(source, upTo)) {
      const { leaf, salt } = tree.add(one);
      const { seq, id: record } = one.head;
      if (one.fingerprint === fingerprint) own = { seq, record, salt, index: leaves.length };
      leaves.push(leaf);
    }
    // Another root: somebody was erased since, and took a leaf along.
    if (!own || Buffer.compare(tree.root, root) !== 0) break;
    return { commitment, ...own, path: pathWithin(treeLevels(leaves), own.index) };
  }
  throw new ProvenanceError(
    'head-unproved',
    'no record commits to the newest record of this identity, or a party was erased since',
  );
}

/** For the proof's extra data: docs/audit-format.md, "Proof file". */
export function headField({ commitment, seq, record, salt, index, path }: CommittedHead): CborValue {
  return [commitment.position, seq, record, salt, index, path];
}

/** The newest record of each identity when the log had `size` records, in the order of the fingerprints' bytes. */
async function* headsAt(source: HeadSource, size: number): AsyncGenerator<IdentityHead> {
  const { index, keys } = source;
  if (!index || index.size < size) {
    yield* (await readHeads(source, size)).toSorted((a, b) =>
      Buffer.compare(fingerprintBytes(a.fingerprint), fingerprintBytes(b.fingerprint)),
    );
    return;
  }
  for (const { fingerprint, head } of index.heads()) {
    const key = keyOf(keys, fingerprint);
    if (!key) continue;
    if (head.position < size) yield { fingerprint, key, head };
    else {
      const before = queryRecords(source, {
        identity: fingerprint,
        newestFirst: true,
        after: size,
        limit: 1,
      });
      for await (const record of before) yield* headsOf(record, keys, fingerprint);
    }
  }
}

/** Without an index, every record is read. */
async function readHeads(source: HeadSource, size: number): Promise<readonly IdentityHead[]> {
  const heads = new Map<Fingerprint, IdentityHead>();
  for (let at = 0; at < size; at++)
    for (const head of headsOf(await source.read(at), source.keys)) heads.set(head.fingerprint, head);
  return [...heads.values()];
}

function* headsOf(
  { id, parties }: StoredRecord,
  keys: CurrentKeys,
  only?: Fingerprint,
): Generator<IdentityHead> {
  const bytes = decodeBase32(id);
  for (const { fingerprint, seq } of parties) {
    const key = keyOf(keys, fingerprint);
    if (bytes && key && (only === undefined || only === fingerprint))
      yield { fingerprint, key, head: { seq, id: bytes } };
  }
}

function keyOf(keys: CurrentKeys, fingerprint: Fingerprint): Uint8Array | undefined {
  const slot = keys.currentSlot(fingerprint);
  return slot === undefined ? undefined : keys.keyIn(slot);
}
