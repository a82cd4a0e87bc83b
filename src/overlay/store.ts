import type { DocumentKind, OverlayDocuments } from './documents.ts';
import type { Eventual } from './eventual.ts';

/** Answered by a change that leaves the document as it is. */
export const keep: unique symbol = Symbol('keep');

/**
 * The next document, undefined to remove it, or `keep`. Pure: a store without locks runs it again when somebody
 * else was faster. What it throws, `update` throws, and nothing has changed.
 */
export type Change<Document> = (stored: Document | undefined) => Document | undefined | typeof keep;

export type StoreEntry<Document> = readonly [key: string, document: Document];

export interface ListOptions {
  /** Where the page before ended; opaque. */
  readonly cursor?: string;
  readonly limit: number;
}

export interface StorePage<Document> {
  readonly entries: readonly StoreEntry<Document>[];
  /** Undefined on the last page. */
  readonly cursor: string | undefined;
}

/**
 * Where the overlay keeps its documents. The promise is small, so that a cluster of shared stores can keep it:
 * one document changes atomically, two documents do not. Whoever writes two orders them so that a crash between
 * leaves nothing wrong. Other processes may write at any time. Throws OverlayError `store-unavailable` and
 * `store-corrupt`. Keys have at most `maxKeyLength` characters.
 */
export interface OverlayStore {
  /** Whether reads are answered at once, by this machine. */
  readonly isLocal: boolean;
  get<Kind extends DocumentKind>(kind: Kind, key: string): Eventual<OverlayDocuments[Kind] | undefined>;
  /** Changes one document. Once it returns, the document is stored so that it outlives this process. */
  update<Kind extends DocumentKind>(
    kind: Kind,
    key: string,
    change: Change<OverlayDocuments[Kind]>,
  ): Promise<OverlayDocuments[Kind] | undefined>;
  /** Exactly the documents that carry the index term. */
  find<Kind extends DocumentKind>(
    kind: Kind,
    term: string,
  ): Eventual<readonly StoreEntry<OverlayDocuments[Kind]>[]>;
  /**
   * The same in pages, between which others have their turn: for terms that very many carry. A document that is there
   * all the time comes at least once.
   */
  pages<Kind extends DocumentKind>(
    kind: Kind,
    term: string,
  ): AsyncIterable<readonly StoreEntry<OverlayDocuments[Kind]>[]>;
  /** Keys of documents that fall due up to `untilMs`, at most `limit`. */
  due(kind: DocumentKind, untilMs: number, limit: number): Eventual<readonly string[]>;
  /** All documents in pages, in no order that a caller may rely on. */
  list<Kind extends DocumentKind>(
    kind: Kind,
    options: ListOptions,
  ): Eventual<StorePage<OverlayDocuments[Kind]>>;
  /**
   * Only of stores on this machine: a number that stays the same while no other process writes, so that what was read
   * since it was asked for is still true.
   */
  foreignWrites?(): number;
  /**
   * Only of stores that several gateways share: true for the first who asks within `lifetimeMs`, for nobody else. A
   * server that loses its memory forgets its claims.
   */
  claimOnce?(id: string, lifetimeMs: number): Eventual<boolean>;
  /** Waits until everything is on disk, or handed to the server. */
  close(): Promise<void>;
}

/** LMDB's limit is 1,978 bytes; no key that the overlay makes comes near. */
export const maxKeyLength = 512;
