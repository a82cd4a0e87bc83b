import { asBuffer, type Random } from '../base/index.ts';
import { encodeCbor, type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { keystream } from './digest.ts';
import type { Head } from './ledger.ts';
import { leafHash, pathWithin, rootFromInclusion, rootOf, treeLevels } from './merkle-tree.ts';
import type { PartyKeySource } from './opening-seal.ts';
import type { RecordDraft } from './record.ts';

/** The event of the record that commits to the newest record of every identity at once. */
export const headsEvent = 'audit.heads';

const leafContext = 'tibet-sip/head/v1';
const saltContext = 'tibet-sip/head-salt/v1';
const saltBytes = 32;

/** An identity's newest record, and the slot of the key that blinds its leaf. */
export interface IdentityHead {
  readonly fingerprint: Fingerprint;
  readonly slot: number;
  readonly head: Pick<Head, 'seq' | 'id'>;
}

/** What shows that a head was committed to: the leaf's salt and its way to the root. */
export interface HeadProof {
  readonly fingerprint: Fingerprint;
  readonly seq: number;
  readonly record: Uint8Array;
  readonly salt: Uint8Array;
  readonly index: number;
  readonly identities: number;
  readonly path: readonly Uint8Array[];
}

/**
 * The tree of all heads, sorted by fingerprint. Each leaf is salted under its party's own key, so that a path shows
 * nothing about the neighbours, and a party that is erased takes its leaf's meaning along. undefined: a key is missing.
 */
export function headLeaves(
  heads: readonly IdentityHead[],
  nonce: Uint8Array,
  keys: PartyKeySource,
):
  | readonly { readonly head: IdentityHead; readonly salt: Uint8Array; readonly leaf: Uint8Array }[]
  | undefined {
  const leaves: { head: IdentityHead; salt: Uint8Array; leaf: Uint8Array }[] = [];
  for (const head of heads.toSorted((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))) {
    const key = keys.keyIn(head.slot);
    if (!key) return undefined;
    const salt = Buffer.from(keystream([saltContext, key, nonce], saltBytes), 'latin1');
    leaves.push({ head, salt, leaf: leafOf(head.fingerprint, head.head.seq, head.head.id, salt) });
  }
  return leaves;
}

export function headsRoot(leaves: readonly { readonly leaf: Uint8Array }[]): Uint8Array {
  return rootOf(leaves.map(({ leaf }) => leaf));
}

/** The record that commits to heads as they were when the log had `size` records. */
export function headsDraft(
  heads: readonly IdentityHead[],
  size: number,
  random: Random,
  keys: PartyKeySource,
): RecordDraft {
  const nonce = random.bytes(16);
  const leaves = headLeaves(heads, nonce, keys) ?? [];
  return {
    erin: { event: headsEvent, size, identities: leaves.length, nonce, root: headsRoot(leaves) },
    eraan: { parents: [] },
    eromheen: {},
    erachter: 'commit to the newest record of every identity',
    parties: [],
  };
}

export function proveHead(
  heads: readonly IdentityHead[],
  nonce: Uint8Array,
  keys: PartyKeySource,
  fingerprint: Fingerprint,
): HeadProof | undefined {
  const leaves = headLeaves(heads, nonce, keys);
  const index = leaves?.findIndex(({ head }) => head.fingerprint === fingerprint) ?? -1;
  const own = leaves?.[index];
  if (!leaves || !own) return undefined;
  const path = pathWithin(treeLevels(leaves.map(({ leaf }) => leaf)), index);
  const { seq, id } = own.head.head;
  return { fingerprint, seq, record: id, salt: own.salt, index, identities: leaves.length, path };
}

/** Whether this head is the one that the root commits to. */
export function headHolds(proof: HeadProof, root: Uint8Array): boolean {
  const leaf = leafOf(proof.fingerprint, proof.seq, proof.record, proof.salt);
  const found = rootFromInclusion(leaf, proof.index, proof.identities, proof.path);
  return found !== undefined && asBuffer(found).equals(root);
}

function leafOf(fingerprint: Fingerprint, seq: number, id: Uint8Array, salt: Uint8Array): Uint8Array {
  return leafHash(encodeCbor([leafContext, fingerprintBytes(fingerprint), seq, id, salt]));
}
