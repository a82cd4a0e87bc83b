import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { ByteWriter, cborMajor } from './byte-writer.ts';
import type { KnownHead } from './heads-order.ts';
import type { Head } from './ledger.ts';
import { leafPrefix } from './merkle-tree.ts';
import type { PartyKeys } from './party-keys.ts';
import type { RecordDraft } from './record.ts';
import { emptyTree, extendTree, type TileTree, treeRoot } from './tile-tree.ts';

/** The event of the record that commits to the newest record of every identity at once. */
export const headsEvent = 'audit.heads';

const leafContext = 'tibet-sip/head/v1';
const saltContext = 'tibet-sip/head-salt/v1';
const saltBytes = 32;
/** Leaves that go into the tree together. */
const leavesAtOnce = 256;

/** Of the commitment; not secret. */
export const nonceBytes = 16;
/** Heads that are committed to before others have their turn: about a millisecond of work. */
const headsAtOnce = 128;

/** An identity's newest record, and the key of the party, which blinds its leaf. */
export interface IdentityHead {
  readonly fingerprint: Fingerprint;
  readonly key: Uint8Array;
  readonly head: Pick<Head, 'seq' | 'id'>;
}

/**
 * The tree of all heads, in the order of their fingerprints' bytes. Each leaf is salted under its party's own key, so
 * that a path shows nothing about the neighbours, and a party that is erased takes its leaf's meaning along. Keeps no
 * more than the right edge of the tree: there may be millions.
 */
export class HeadsTree {
  readonly nonce: Uint8Array;
  readonly #writer = new ByteWriter();
  #tree: TileTree = emptyTree;
  #waiting: Uint8Array[] = [];

  constructor(nonce: Uint8Array) {
    this.nonce = nonce;
  }

  get size(): number {
    return this.#tree.size + this.#waiting.length;
  }

  get root(): Uint8Array {
    this.#extend();
    return treeRoot(this.#tree);
  }

  /** Returns the leaf and the salt in it. */
  add({ fingerprint, key, head: { seq, id } }: IdentityHead): {
    readonly leaf: Uint8Array;
    readonly salt: Uint8Array;
  } {
    const writer = this.#writer;
    writer.reset();
    writer.latin1(saltContext);
    writer.raw(key);
    writer.raw(this.nonce);
    const salt = Buffer.from(writer.keystream(saltBytes), 'latin1');
    writer.reset();
    writer.uint8(leafPrefix);
    writer.head(cborMajor.array, 5);
    writer.text(leafContext);
    writer.byteString(fingerprintBytes(fingerprint));
    writer.head(cborMajor.unsigned, seq);
    writer.byteString(id);
    writer.byteString(salt);
    const leaf = Buffer.from(writer.digest(), 'latin1');
    this.#waiting.push(leaf);
    if (this.#waiting.length === leavesAtOnce) this.#extend();
    return { leaf, salt };
  }

  #extend(): void {
    this.#tree = extendTree(this.#tree, this.#waiting).tree;
    this.#waiting = [];
  }
}

/** The heads of all whose keys are there; others have their turn meanwhile, and the index stays as it is at this moment. */
export async function headsOf(
  index: { heads(): Iterable<KnownHead> },
  keys: PartyKeys,
  nonce: Uint8Array,
): Promise<HeadsTree> {
  const tree = new HeadsTree(nonce);
  for (const { fingerprint, head } of index.heads()) {
    const slot = keys.currentSlot(fingerprint);
    const key = slot === undefined ? undefined : keys.keyIn(slot);
    if (!key) continue;
    tree.add({ fingerprint, key, head });
    if (tree.size % headsAtOnce === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return tree;
}

/** The record that commits to heads as they were when the log had `size` records. */
export function headsDraft(heads: HeadsTree, size: number): RecordDraft {
  return {
    erin: { event: headsEvent, size, identities: heads.size, nonce: heads.nonce, root: heads.root },
    eraan: { parents: [] },
    eromheen: {},
    erachter: 'commit to the newest record of every identity',
    parties: [],
  };
}
