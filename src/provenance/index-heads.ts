import { encodeBase32 } from '../base/index.ts';
import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { HeadRows } from './head-rows.ts';
import { byFingerprint, type KnownHead, overlaid } from './heads-order.ts';
import { decodeHead, encodeHead } from './index-keys.ts';
import type { IndexTables } from './index-tables.ts';
import type { Head, PlacedParty } from './ledger.ts';
import { hashBytes } from './merkle-tree.ts';

/** Heads under one LMDB transaction: keeps each stretch of synchronous work short. */
const chunkHeads = 1024;
const maxRememberedHeads = 16_384;

/** The newest record of each identity: those that were noted, before those in the table. */
export class IndexHeads {
  readonly #tables: IndexTables;
  readonly #key: Buffer = Buffer.alloc(hashBytes);
  #noted = new HeadRows();
  /** What was noted before and is on its way into the table. */
  #writing: HeadRows | undefined;
  /** Some of those that the table has: the same identities call again and again. */
  #recent = new HeadRows();
  /** Who goes through one snapshot of the table for longer than a moment. */
  #walks = 0;

  constructor(tables: IndexTables) {
    this.#tables = tables;
  }

  get walked(): boolean {
    return this.#walks > 0;
  }

  /** By the fingerprint's bytes. */
  get(bytes: Uint8Array): Head | undefined {
    return this.#noted.get(bytes) ?? this.#writing?.get(bytes) ?? this.#written(bytes);
  }

  /** The party's record at `position`, of this id, is its newest. */
  note({ fingerprint, bytes, seq }: PlacedParty, id: Uint8Array, position: number): void {
    this.#noted.put(bytes ?? fingerprintBytes(fingerprint), { seq, id, position });
  }

  /** In the order of the fingerprints' bytes: the state of the first `next`, however long it takes to go through it. */
  *all(): Generator<KnownHead> {
    const noted = [...(this.#writing ?? []), ...this.#noted].map(
      ([bytes, head]) => [encodeBase32(bytes), head] as const,
    );
    const newest = Array.from(new Map(noted), ([fingerprint, head]) => ({ fingerprint, head }));
    yield* overlaid(this.#allWritten(), newest.sort(byFingerprint));
  }

  /** Puts what is noted now into the table; returns what is to be called once all else is there, too. */
  async write(inTransaction: (write: () => void) => Promise<unknown>): Promise<() => void> {
    const { heads } = this.#tables;
    const writing = this.#begin();
    const entries = [...writing];
    for (let at = 0; at < entries.length; at += chunkHeads)
      await inTransaction(() => {
        for (const [bytes, head] of entries.slice(at, at + chunkHeads))
          heads.putSync(bytes, encodeHead(head));
      });
    return () => {
      this.#recent = writing;
      this.#writing = undefined;
    };
  }

  /** A write that failed has left what it was about. */
  #begin(): HeadRows {
    if (this.#writing) for (const [bytes, head] of this.#noted) this.#writing.put(bytes, head);
    else this.#writing = this.#noted;
    this.#noted = new HeadRows();
    return this.#writing;
  }

  /** Before its records until `before` are taken out of the tables. */
  forgetNoted(fingerprint: Fingerprint, before: number): void {
    const bytes = fingerprintBytes(fingerprint);
    for (const rows of [this.#noted, this.#writing])
      if ((rows?.get(bytes)?.position ?? before) < before) rows?.delete(bytes);
  }

  /** The table may say something else of this identity now, or of all. */
  forgetRecent(fingerprint?: Fingerprint): void {
    if (fingerprint === undefined) this.#recent = new HeadRows();
    else this.#recent.delete(fingerprintBytes(fingerprint));
  }

  #written(bytes: Uint8Array): Head | undefined {
    const recent = this.#recent.get(bytes);
    if (recent) return recent;
    const head = decodeHead(this.#tables.heads.get(this.#keyOf(bytes)));
    if (head) {
      if (this.#recent.length >= maxRememberedHeads) this.#recent = new HeadRows();
      this.#recent.put(bytes, head);
    }
    return head;
  }

  /** In memory that is used again: LMDB copies it, and a view of its own would cost as much as half of the reading. */
  #keyOf(bytes: Uint8Array): Buffer {
    this.#key.set(bytes);
    return this.#key;
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
