import { hash } from 'node:crypto';
import { asBuffer, makeDirectories } from '../base/index.ts';
import { decodeDocument, encodeDocument } from './document-codec.ts';
import { decodeKey, encodeKey } from './document-key.ts';
import { type DocumentKind, documentKinds, indexRules, type OverlayDocuments } from './documents.ts';
import { hasFormat, importFirstFormat } from './embedded-import.ts';
import { EmbeddedTables, type Root } from './embedded-tables.ts';
import { OverlayError } from './errors.ts';
import { ForeignWrites } from './foreign-writes.ts';
import {
  type Change,
  keep,
  type ListOptions,
  type OverlayStore,
  type StoreEntry,
  type StorePage,
} from './store.ts';
import { WriteQueue } from './write-queue.ts';

export interface EmbeddedStoreOptions {
  /** Made when missing, readable for its owner only: it holds the keys of stock phones. */
  readonly directory: string;
  /** How much of the file may count as this process's memory; reading it again from the kernel's costs some 10 us. */
  readonly maxMappedBytes?: number;
}

/** Of a term only so much is a key: `find` looks at the documents themselves. */
const termBytes = 8;
const dueBytes = 6;
const latestDue = 2 ** (8 * dueBytes) - 1;
const nothing = Buffer.alloc(0);
/** Documents that a walk through all of them looks at in one turn: about a millisecond. */
const pageSize = 200;
export const defaultMaxMappedBytes: number = 2 ** 29;
/** Under load changes wait so long for others to share their transaction (`npm run bench -- --part register`). */
const lingerMs = 40;

/**
 * LMDB in a directory. Changes that come together are made in one transaction; reads never wait. The gateway and the
 * command line may have it open at the same time.
 */
export class EmbeddedStore implements OverlayStore {
  readonly isLocal = true;
  readonly #tables: EmbeddedTables;
  readonly #writes: WriteQueue;
  readonly #foreign: ForeignWrites;
  #refreshing = false;
  /** LMDB's memory for what was read last, most often the same, and a Buffer over it. */
  #row: Uint8Array = nothing;
  #rowBuffer: Buffer = nothing;

  private constructor(tables: EmbeddedTables) {
    this.#tables = tables;
    this.#foreign = new ForeignWrites(() => tables.marks);
    this.#writes = new WriteQueue((body) => this.#transact(body), lingerMs);
  }

  /**
   * Throws OverlayError `store-open` when the directory cannot be made, read or written, or a later version has
   * written there. The first start after an upgrade from the first format takes its time: some 20 s for a million identities.
   */
  static open({ directory, maxMappedBytes = defaultMaxMappedBytes }: EmbeddedStoreOptions): EmbeddedStore {
    try {
      makeDirectories(directory, 0o700);
      const tables = new EmbeddedTables(directory, maxMappedBytes);
      const store = new EmbeddedStore(tables);
      if (!hasFormat(tables.root))
        importFirstFormat(tables.root, (kind, key, document) => {
          store.#write(kind, encodeKey(key), undefined, document);
        });
      return store;
    } catch (cause) {
      if (cause instanceof OverlayError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new OverlayError('store-open', `cannot open the overlay store in ${directory}: ${why}`, {
        cause,
      });
    }
  }

  get<Kind extends DocumentKind>(kind: Kind, key: string): OverlayDocuments[Kind] | undefined {
    const document = this.#read(kind, encodeKey(key));
    this.#looked();
    return document;
  }

  update<Kind extends DocumentKind>(
    kind: Kind,
    key: string,
    change: Change<OverlayDocuments[Kind]>,
  ): Promise<OverlayDocuments[Kind] | undefined> {
    const row = encodeKey(key);
    // Decided within the transaction, where nobody else writes.
    return this.#writes.add(() => {
      const stored = this.#read(kind, row);
      const next = change(stored);
      if (next === keep) return stored;
      this.#write(kind, row, stored, next);
      return next;
    });
  }

  find<Kind extends DocumentKind>(kind: Kind, term: string): readonly StoreEntry<OverlayDocuments[Kind]>[] {
    const { terms, isCommon = () => false } = indexRules[kind];
    const found: StoreEntry<OverlayDocuments[Kind]>[] = [];
    const add = (row: Buffer, document: OverlayDocuments[Kind] | undefined): void => {
      if (document !== undefined && terms(document).includes(term)) found.push([decodeKey(row), document]);
    };
    if (isCommon(term))
      for (const { key, value } of this.#tables.of(kind).getRange({})) add(key, decodeDocument(kind, value));
    else for (const row of this.#tables.terms.getValues(termKey(kind, term))) add(row, this.#read(kind, row));
    return found;
  }

  async *pages<Kind extends DocumentKind>(
    kind: Kind,
    term: string,
  ): AsyncGenerator<readonly StoreEntry<OverlayDocuments[Kind]>[]> {
    const { terms, isCommon = () => false } = indexRules[kind];
    if (!isCommon(term)) return yield this.find(kind, term);
    let from: { readonly cursor?: string } | undefined = {};
    while (from) {
      const { entries, cursor }: StorePage<OverlayDocuments[Kind]> = this.list(kind, {
        ...from,
        limit: pageSize,
      });
      yield entries.filter(([, document]) => terms(document).includes(term));
      from = cursor === undefined ? undefined : { cursor };
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  due(kind: DocumentKind, untilMs: number, limit: number): readonly string[] {
    const due = new Set<string>();
    const early: Buffer[] = [];
    const range = { start: dueKey(kind, 0), end: dueKey(kind, untilMs + 1) };
    for (const { key: entry } of this.#tables.due.getRange(range)) {
      const row = entry.subarray(1 + dueBytes);
      const dueAtMs = this.#dueAtMs(kind, row);
      if (dueAtMs !== undefined && dueAtMs <= untilMs) due.add(decodeKey(row));
      else early.push(entry);
      if (due.size === limit) break;
    }
    if (early.length > 0) this.#moveDue(kind, early);
    return [...due];
  }

  list<Kind extends DocumentKind>(
    kind: Kind,
    { cursor, limit }: ListOptions,
  ): StorePage<OverlayDocuments[Kind]> {
    const from = cursor === undefined ? {} : { start: encodeKey(cursor), exclusiveStart: true };
    const entries: StoreEntry<OverlayDocuments[Kind]>[] = [];
    for (const { key, value } of this.#tables.of(kind).getRange({ ...from, limit }))
      entries.push([decodeKey(key), decodeDocument(kind, value)]);
    this.#tables.walked(entries.length);
    this.#looked();
    return { entries, cursor: entries.length < limit ? undefined : entries.at(-1)?.[0] };
  }

  foreignWrites(): number {
    // Signed for by a transaction of nothing else, so that the next answer can be the same.
    if (!this.#foreign.isLast) void this.#writes.add(() => {}).catch(() => {});
    return this.#foreign.count();
  }

  async close(): Promise<void> {
    await this.#writes.idle();
    await this.#tables.close();
  }

  #read<Kind extends DocumentKind>(kind: Kind, row: Buffer): OverlayDocuments[Kind] | undefined {
    const table = this.#tables.of(kind);
    // In memory that the next read uses again: decoding copies what it needs.
    const bytes = table.getBinaryFast(row);
    if (bytes === undefined) return undefined;
    if (bytes !== this.#row) [this.#row, this.#rowBuffer] = [bytes, asBuffer(bytes)];
    return decodeDocument(kind, this.#rowBuffer);
  }

  /** A document and what has changed in its index; part of a transaction. */
  #write<Kind extends DocumentKind>(
    kind: Kind,
    row: Buffer,
    before: OverlayDocuments[Kind] | undefined,
    after: OverlayDocuments[Kind] | undefined,
  ): void {
    if (after === undefined) void this.#tables.of(kind).remove(row);
    else void this.#tables.of(kind).put(row, encodeDocument(kind, after));
    this.#writeTerms(kind, row, before, after);
    const { dueAtMs } = indexRules[kind];
    const oldDue = before && dueAtMs(before);
    const newDue = after && dueAtMs(after);
    // Later than it was is the rule, with each refresh: that entry stays until it comes up.
    if (newDue !== undefined && (oldDue === undefined || newDue < oldDue)) this.#putDue(kind, newDue, row);
    if (newDue === undefined && oldDue !== undefined)
      void this.#tables.due.remove(Buffer.concat([dueKey(kind, oldDue), row]));
  }

  #writeTerms<Kind extends DocumentKind>(
    kind: Kind,
    row: Buffer,
    before: OverlayDocuments[Kind] | undefined,
    after: OverlayDocuments[Kind] | undefined,
  ): void {
    const { terms, haveSameTerms, isCommon = () => false } = indexRules[kind];
    if (before && after && haveSameTerms?.(before, after)) return;
    const oldTerms = before ? terms(before) : [];
    const newTerms = after ? terms(after) : [];
    for (const term of newTerms)
      if (!oldTerms.includes(term) && !isCommon(term)) void this.#tables.terms.put(termKey(kind, term), row);
    for (const term of oldTerms)
      if (!newTerms.includes(term) && !isCommon(term))
        void this.#tables.terms.remove(termKey(kind, term), row);
  }

  #dueAtMs(kind: DocumentKind, row: Buffer): number | undefined {
    const document = this.#read(kind, row);
    return document && indexRules[kind].dueAtMs(document as never);
  }

  #putDue(kind: DocumentKind, dueAtMs: number, row: Buffer): void {
    void this.#tables.due.put(Buffer.concat([dueKey(kind, dueAtMs), row]), nothing);
  }

  /** To where their documents say now. Nobody waits for it: what fails comes up again. */
  #moveDue(kind: DocumentKind, entries: readonly Buffer[]): void {
    const move = (): void => {
      for (const entry of entries) {
        const row = entry.subarray(1 + dueBytes);
        const dueAtMs = this.#dueAtMs(kind, row);
        void this.#tables.due.remove(entry);
        if (dueAtMs !== undefined) this.#putDue(kind, dueAtMs, row);
      }
    };
    this.#writes.add(move).catch(() => {});
  }

  /** A transaction of nothing, so that no other is on its way when the file is opened again. */
  #looked(): void {
    if (this.#refreshing || !this.#tables.isWorn) return;
    this.#refreshing = true;
    this.#writes
      .add(() => {})
      .catch(() => {})
      .finally(() => {
        this.#refreshing = false;
      });
  }

  async #transact(body: () => void): Promise<void> {
    await transact(this.#tables.root, () => {
      this.#foreign.sign();
      body();
    });
    if (!this.#refreshing && !this.#tables.isWorn) return;
    await this.#tables.mapAnew();
  }
}

/** Throws OverlayError `store-unavailable` when the disk does not take it; then nothing of it is stored. */
async function transact(root: Root, body: () => void): Promise<void> {
  try {
    await root.transaction(body);
  } catch (cause) {
    // LMDB's own reason comes as a promise, which nobody else would look at.
    if (cause instanceof Error && 'commitError' in cause) Promise.resolve(cause.commitError).catch(() => {});
    throw new OverlayError('store-unavailable', 'the overlay store cannot be written', { cause });
  }
}

/** Two terms of one hash are told apart by their documents. */
function termKey(kind: DocumentKind, term: string): Buffer {
  return hash('sha1', `${kind} ${term}`, 'buffer').subarray(0, termBytes);
}

function dueKey(kind: DocumentKind, dueAtMs: number): Buffer {
  const key = Buffer.allocUnsafe(1 + dueBytes);
  key[0] = documentKinds.indexOf(kind);
  key.writeUIntBE(Math.min(Math.max(0, Math.floor(dueAtMs)), latestDue), 1, dueBytes);
  return key;
}
