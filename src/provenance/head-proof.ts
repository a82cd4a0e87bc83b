import { decodeBase32 } from '../base/index.ts';
import type { CborValue, Fingerprint } from '../tokens/index.ts';
import { ProvenanceError } from './error.ts';
import { byFingerprint, type KnownHead, overlaid } from './heads-order.ts';
import { HeadsTree, headsEvent, type IdentityHead } from './identity-heads.ts';
import type { Head } from './ledger.ts';
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
  // What the index does not have yet is read record by record; without an index, everything.
  const recent = await readHeads(source, Math.min(index?.size ?? 0, size), size);
  for (const { fingerprint, head } of overlaid(index?.heads() ?? [], recent)) {
    const key = keyOf(keys, fingerprint);
    const then = head.position < size ? head : await headBefore(source, fingerprint, size);
    if (key && then) yield { fingerprint, key, head: then };
  }
}

async function readHeads(source: HeadSource, from: number, to: number): Promise<readonly KnownHead[]> {
  const heads = new Map<Fingerprint, KnownHead>();
  for (let at = from; at < to; at++) {
    const record = await source.read(at);
    for (const { fingerprint } of record.parties)
      heads.set(fingerprint, { fingerprint, head: headIn(record, fingerprint) });
  }
  return [...heads.values()].sort(byFingerprint);
}

async function headBefore(
  source: HeadSource,
  fingerprint: Fingerprint,
  size: number,
): Promise<Head | undefined> {
  const before = queryRecords(source, { identity: fingerprint, newestFirst: true, after: size, limit: 1 });
  for await (const record of before) return headIn(record, fingerprint);
  return undefined;
}

function headIn({ id, position, parties }: StoredRecord, fingerprint: Fingerprint): Head {
  const seq = parties.find((party) => party.fingerprint === fingerprint)?.seq ?? 0;
  return { seq, id: decodeBase32(id) ?? new Uint8Array(0), position };
}

function keyOf(keys: CurrentKeys, fingerprint: Fingerprint): Uint8Array | undefined {
  const slot = keys.currentSlot(fingerprint);
  return slot === undefined ? undefined : keys.keyIn(slot);
}
