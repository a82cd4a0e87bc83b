import { mkdirSync } from 'node:fs';
import { type Database, open, type RootDatabase } from 'lmdb';
import { type Random, systemRandom } from '../base/index.ts';
import { decodeDocument, encodeDocument } from './document-codec.ts';
import { type DocumentKind, documentKinds, indexRules, type OverlayDocuments } from './documents.ts';
import { OverlayError } from './errors.ts';
import {
  type Change,
  keep,
  type ListOptions,
  type OverlayStore,
  type StoreEntry,
  type StorePage,
} from './store.ts';
import { Turns } from './turns.ts';

export interface EmbeddedStoreOptions {
  /** Made when missing, readable for its owner only: it holds the keys of stock phones. */
  readonly directory: string;
  readonly random?: Random;
}

/** A document's version: only ever compared for equality, so random is as good as rising. */
const versionBytes = 6;

/**
 * LMDB in a directory. Writes are queued and committed in batches, each with one sync; reads never wait. The
 * gateway and the command line may have it open at the same time.
 */
export class EmbeddedStore implements OverlayStore {
  readonly #root: RootDatabase<Buffer, string>;
  readonly #documents: ReadonlyMap<DocumentKind, Database<Buffer, string>>;
  /** [kind, term] -> keys, one entry for each. */
  readonly #terms: Database<string, string[]>;
  /** [kind, due time, key]. */
  readonly #due: Database<boolean, (string | number)[]>;
  readonly #random: Random;
  readonly #turns = new Turns();

  private constructor(root: RootDatabase<Buffer, string>, random: Random) {
    this.#root = root;
    this.#random = random;
    this.#documents = new Map(
      documentKinds.map((kind) => [
        kind,
        root.openDB<Buffer, string>({ name: kind, encoding: 'binary', useVersions: true }),
      ]),
    );
    this.#terms = root.openDB({ name: 'index.terms', encoding: 'ordered-binary', dupSort: true });
    this.#due = root.openDB({ name: 'index.due', encoding: 'ordered-binary' });
  }

  /** Throws OverlayError `store-open` when the directory cannot be made, read or written. */
  static open({ directory, random = systemRandom }: EmbeddedStoreOptions): EmbeddedStore {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const root = open<Buffer, string>({
        path: directory,
        noSubdir: false,
        maxDbs: documentKinds.length + 2,
        encoding: 'binary',
      });
      return new EmbeddedStore(root, random);
    } catch (cause) {
      throw new OverlayError('store-open', `cannot open the overlay store in ${directory}`, { cause });
    }
  }

  get<Kind extends DocumentKind>(kind: Kind, key: string): OverlayDocuments[Kind] | undefined {
    const bytes = this.#of(kind).getBinary(key);
    return bytes && decodeDocument(kind, bytes);
  }

  update<Kind extends DocumentKind>(
    kind: Kind,
    key: string,
    change: Change<OverlayDocuments[Kind]>,
  ): Promise<OverlayDocuments[Kind] | undefined> {
    return this.#turns.take(`${kind} ${key}`, () => this.#update(kind, key, change));
  }

  /** Repeated when another process was faster. */
  async #update<Kind extends DocumentKind>(
    kind: Kind,
    key: string,
    change: Change<OverlayDocuments[Kind]>,
  ): Promise<OverlayDocuments[Kind] | undefined> {
    const documents = this.#of(kind);
    for (;;) {
      const entry = documents.getEntry(key);
      const stored = entry && decodeDocument(kind, entry.value);
      const next = change(stored);
      if (next === keep) return stored;
      const write = (): void => this.#write(kind, key, stored, next);
      // The condition is checked in the write transaction, where no other process is.
      const written =
        entry?.version === undefined
          ? await documents.ifNoExists(key, write)
          : await documents.ifVersion(key, entry.version, write);
      if (written) return next;
    }
  }

  find<Kind extends DocumentKind>(kind: Kind, term: string): readonly StoreEntry<OverlayDocuments[Kind]>[] {
    const found: StoreEntry<OverlayDocuments[Kind]>[] = [];
    for (const key of this.#terms.getValues([kind, term])) {
      const document = this.get(kind, key);
      if (document) found.push([key, document]);
    }
    return found;
  }

  due(kind: DocumentKind, untilMs: number, limit: number): readonly string[] {
    const keys: string[] = [];
    for (const { key } of this.#due.getRange({
      start: [kind, 0],
      end: [kind, untilMs + 1],
      limit,
    }))
      keys.push(String(key[2]));
    return keys;
  }

  list<Kind extends DocumentKind>(
    kind: Kind,
    { cursor, limit }: ListOptions,
  ): StorePage<OverlayDocuments[Kind]> {
    const from = cursor === undefined ? {} : { start: cursor, exclusiveStart: true };
    const entries: StoreEntry<OverlayDocuments[Kind]>[] = [];
    for (const { key, value } of this.#of(kind).getRange({ ...from, limit }))
      entries.push([key, decodeDocument(kind, value)]);
    return { entries, cursor: entries.length < limit ? undefined : entries.at(-1)?.[0] };
  }

  async close(): Promise<void> {
    await this.#root.flushed;
    await this.#root.close();
  }

  /** Queues the document and what has changed in its index; all of it is committed, or none. */
  #write<Kind extends DocumentKind>(
    kind: Kind,
    key: string,
    before: OverlayDocuments[Kind] | undefined,
    after: OverlayDocuments[Kind] | undefined,
  ): void {
    const rule = indexRules[kind];
    const documents = this.#of(kind);
    if (after === undefined) void documents.remove(key);
    else void documents.put(key, encodeDocument(kind, after), this.#newVersion());
    const oldTerms = before ? rule.terms(before) : [];
    const newTerms = after ? rule.terms(after) : [];
    for (const term of newTerms) if (!oldTerms.includes(term)) void this.#terms.put([kind, term], key);
    for (const term of oldTerms) if (!newTerms.includes(term)) void this.#terms.remove([kind, term], key);
    const oldDue = before && rule.dueAtMs(before);
    const newDue = after && rule.dueAtMs(after);
    if (oldDue === newDue) return;
    if (oldDue !== undefined) void this.#due.remove([kind, oldDue, key]);
    if (newDue !== undefined) void this.#due.put([kind, newDue, key], true);
  }

  #newVersion(): number {
    let version = 0;
    for (const byte of this.#random.bytes(versionBytes)) version = version * 256 + byte;
    return version;
  }

  #of(kind: DocumentKind): Database<Buffer, string> {
    const documents = this.#documents.get(kind);
    if (!documents) throw new OverlayError('store-corrupt', `there are no documents of kind ${kind}`);
    return documents;
  }
}
