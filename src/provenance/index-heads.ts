import { asBuffer, encodeBase32 } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import { byFingerprint, type KnownHead, overlaid } from './heads-order.ts';
import { decodeHead, encodeHead } from './index-keys.ts';
import { notedBatch } from './index-noted.ts';
import type { IndexTables } from './index-tables.ts';
import type { Head, PlacedParty } from './ledger.ts';

/** An identity's newest record, and its fingerprint's bytes where they are at hand. */
type NotedHead = Head & Pick<PlacedParty, 'bytes'>;

/** Heads under one LMDB transaction: keeps each stretch of synchronous work short. */
const chunkHeads = 1024;
const maxRememberedHeads = 10_000;

/** The newest record of each identity: those that were noted, before those in the table. */
export class IndexHeads {
  readonly #tables: IndexTables;
  readonly #noted = new Map<Fingerprint, NotedHead>();
  /** Some of those that the table has: the same identities call again and again. */
  readonly #recent = new Map<Fingerprint, Head>();
  /** Who goes through one snapshot of the table for longer than a moment. */
  #walks = 0;

  constructor(tables: IndexTables) {
    this.#tables = tables;
  }

  get walked(): boolean {
    return this.#walks > 0;
  }

  get(fingerprint: Fingerprint): Head | undefined {
    return this.#noted.get(fingerprint) ?? this.#written(fingerprint);
  }

  /** The party's record at `position`, of this id, is its newest. */
  note(party: PlacedParty, id: Uint8Array, position: number): void {
    // A party of a record that was under way is its identity's head itself.
    this.#noted.set(party.fingerprint, isHead(party) ? party : { seq: party.seq, id, position });
  }

  /** In the order of the fingerprints' bytes: the state of the first `next`, however long it takes to go through it. */
  *all(): Generator<KnownHead> {
    const noted = Array.from(this.#noted, ([fingerprint, head]) => ({ fingerprint, head }));
    yield* overlaid(this.#allWritten(), noted.sort(byFingerprint));
  }

  /** Puts what is noted now into the table; returns what is to be called once all else is there, too. */
  async write(inTransaction: (write: () => void) => Promise<unknown>): Promise<() => void> {
    const { heads } = this.#tables;
    const entries = [...this.#noted];
    const { settle } = notedBatch(this.#noted, () => {});
    for (let at = 0; at < entries.length; at += chunkHeads)
      await inTransaction(() => {
        for (const [fingerprint, head] of entries.slice(at, at + chunkHeads))
          heads.putSync(asBuffer(head.bytes ?? this.#tables.identityKey(fingerprint)), encodeHead(head));
      });
    return () => {
      for (const [fingerprint, head] of entries) this.#remember(fingerprint, head);
      settle();
    };
  }

  /** Before its records until `before` are taken out of the tables. */
  forgetNoted(fingerprint: Fingerprint, before: number): void {
    const noted = this.#noted.get(fingerprint);
    if (noted && noted.position < before) this.#noted.delete(fingerprint);
  }

  /** The table may say something else of this identity now, or of all. */
  forgetRecent(fingerprint?: Fingerprint): void {
    if (fingerprint === undefined) this.#recent.clear();
    else this.#recent.delete(fingerprint);
  }

  #written(fingerprint: Fingerprint): Head | undefined {
    let head = this.#recent.get(fingerprint);
    if (!head) {
      head = decodeHead(this.#tables.heads.get(this.#tables.identityKey(fingerprint)));
      if (head) this.#remember(fingerprint, head);
    }
    return head;
  }

  #remember(fingerprint: Fingerprint, head: Head): void {
    if (this.#recent.size >= maxRememberedHeads) this.#recent.clear();
    this.#recent.set(fingerprint, head);
  }

  *#allWritten(): Generator<KnownHead> {
    this.#walks++;
    try {
      // An iterator of LMDB keeps to the state that it began with.
      for (const { key, value } of this.#tables.heads.getRange()) {
        const head = decodeHead(value);
        if (head) yield { fingerprint: encodeBase32(key), head };
      }
    } finally {
      this.#walks--;
    }
  }
}

function isHead(party: PlacedParty): party is PlacedParty & Head {
  return 'position' in party;
}
