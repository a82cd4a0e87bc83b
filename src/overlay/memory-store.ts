import { type DocumentKind, indexRules, type OverlayDocuments } from './documents.ts';
import {
  type Change,
  keep,
  type ListOptions,
  type OverlayStore,
  type StoreEntry,
  type StorePage,
} from './store.ts';

type Documents<Kind extends DocumentKind> = Map<string, OverlayDocuments[Kind]>;

/** For a program that keeps nothing: gone with the process. Look-ups by term pass every document of the kind. */
export class MemoryStore implements OverlayStore {
  readonly isLocal = true;
  readonly #kinds: { readonly [Kind in DocumentKind]: Documents<Kind> } = {
    identity: new Map(),
    name: new Map(),
    alias: new Map(),
    standing: new Map(),
    credential: new Map(),
    custody: new Map(),
    bindings: new Map(),
    endpoint: new Map(),
    node: new Map(),
    home: new Map(),
    foreign: new Map(),
  };

  get<Kind extends DocumentKind>(kind: Kind, key: string): OverlayDocuments[Kind] | undefined {
    return this.#documents(kind).get(key);
  }

  async update<Kind extends DocumentKind>(
    kind: Kind,
    key: string,
    change: Change<OverlayDocuments[Kind]>,
  ): Promise<OverlayDocuments[Kind] | undefined> {
    const documents = this.#documents(kind);
    const stored = documents.get(key);
    const next = change(stored);
    if (next === keep) return stored;
    if (next === undefined) documents.delete(key);
    else documents.set(key, next);
    return next;
  }

  find<Kind extends DocumentKind>(kind: Kind, term: string): StoreEntry<OverlayDocuments[Kind]>[] {
    const { terms } = indexRules[kind];
    return [...this.#documents(kind)].filter(([, document]) => terms(document).includes(term));
  }

  async *pages<Kind extends DocumentKind>(
    kind: Kind,
    term: string,
  ): AsyncGenerator<readonly StoreEntry<OverlayDocuments[Kind]>[]> {
    yield this.find(kind, term);
  }

  due(kind: DocumentKind, untilMs: number, limit: number): string[] {
    return this.#due(kind, untilMs).slice(0, limit);
  }

  /** A document that is written while somebody lists comes last. */
  list<Kind extends DocumentKind>(
    kind: Kind,
    { cursor = '0', limit }: ListOptions,
  ): StorePage<OverlayDocuments[Kind]> {
    const all = [...this.#documents(kind)];
    const end = Number(cursor) + limit;
    return { entries: all.slice(Number(cursor), end), cursor: end < all.length ? String(end) : undefined };
  }

  async close(): Promise<void> {}

  #documents<Kind extends DocumentKind>(kind: Kind): Documents<Kind> {
    return this.#kinds[kind];
  }

  #due<Kind extends DocumentKind>(kind: Kind, untilMs: number): string[] {
    const { dueAtMs } = indexRules[kind];
    return [...this.#documents(kind)].flatMap(([key, document]) => {
      const at = dueAtMs(document);
      return at !== undefined && at <= untilMs ? [key] : [];
    });
  }
}
