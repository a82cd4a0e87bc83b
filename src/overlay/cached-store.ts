import type { Clock } from '../base/index.ts';
import type { DocumentKind, OverlayDocuments } from './documents.ts';
import { OverlayError } from './errors.ts';
import { chain, type Eventual } from './eventual.ts';
import { RecentCache, RepeatCache } from './recent-cache.ts';
import type { Change, ListOptions, OverlayStore, StoreEntry, StorePage } from './store.ts';

export interface CacheLimits {
  /** Documents of one kind of a shared store: what calls go on with while it is away. 1 to 2 kB each. */
  readonly maxEntries: number;
  /**
   * The same of an embedded store, of what was asked for a second time: reading again costs a few microseconds, less
   * than the collector's work on very many that nobody asks for again.
   */
  readonly maxLocalEntries: number;
  /** For how long what another process has written may go unnoticed. */
  readonly freshMs: number;
  /** For how long a document still counts while the store cannot be reached. */
  readonly staleMs: number;
}

export const defaultCacheLimits: CacheLimits = {
  maxEntries: 100_000,
  maxLocalEntries: 4_000,
  freshMs: 1_000,
  staleMs: 600_000,
};

interface Cached<Document> {
  /** Undefined: the store had none; remembered too, so that strangers do not reach the store. */
  readonly document: Document | undefined;
  readonly readAtMs: number;
  /** The store's `foreignWrites` when it was last asked before this was read. */
  readonly foreign: number | undefined;
}

type Cache<Value> = Pick<RecentCache<Value>, 'get' | 'set'>;
type Caches = { readonly [Kind in DocumentKind]: Cache<Cached<OverlayDocuments[Kind]>> };

/**
 * Answers from memory, at once and without a promise, what this process has read or written less than `freshMs` ago;
 * of a store on this machine, for as long as nobody else writes there, which is looked at every `freshMs`. Own writes
 * are seen as soon as they are stored. While the store is unavailable old answers go on, so that phones of this node
 * can call each other, and nobody but the first waits to learn of it; writes fail. Secrets in custody are never held.
 */
export class CachedStore implements OverlayStore {
  readonly isLocal: boolean;
  readonly #store: OverlayStore;
  readonly #clock: Clock;
  readonly #limits: CacheLimits;
  readonly #caches: Caches;
  /** The store did not answer when it was last asked. */
  #away = false;
  #probing = false;
  #foreign: number | undefined;
  #foreignAtMs = Number.NEGATIVE_INFINITY;

  constructor(store: OverlayStore, clock: Clock, limits: CacheLimits = defaultCacheLimits) {
    this.isLocal = store.isLocal;
    this.#store = store;
    this.#clock = clock;
    this.#limits = limits;
    const cache = <Value>(): Cache<Value> =>
      store.isLocal ? new RepeatCache(limits.maxLocalEntries) : new RecentCache(limits.maxEntries);
    this.#caches = {
      identity: cache(),
      name: cache(),
      alias: cache(),
      standing: cache(),
      credential: cache(),
      custody: new RecentCache(0),
      bindings: cache(),
      endpoint: cache(),
      node: cache(),
      home: cache(),
      foreign: cache(),
    };
  }

  get<Kind extends DocumentKind>(kind: Kind, key: string): Eventual<OverlayDocuments[Kind] | undefined> {
    const cached = this.#caches[kind].get(key);
    if (cached && this.#isFresh(cached)) return cached.document;
    if (this.#away && this.#isUsable(cached)) {
      this.#probe(kind, key);
      return cached.document;
    }
    const read = this.#store.get(kind, key);
    if (!(read instanceof Promise)) return this.#hold(kind, key, read);
    return read.then(
      (document) => {
        this.#away = false;
        return this.#hold(kind, key, document);
      },
      (error: unknown) => this.#fallBack(cached, error),
    );
  }

  async update<Kind extends DocumentKind>(
    kind: Kind,
    key: string,
    change: Change<OverlayDocuments[Kind]>,
  ): Promise<OverlayDocuments[Kind] | undefined> {
    return this.#hold(kind, key, await this.#store.update(kind, key, change));
  }

  find<Kind extends DocumentKind>(
    kind: Kind,
    term: string,
  ): Eventual<readonly StoreEntry<OverlayDocuments[Kind]>[]> {
    const begunMs = this.#clock.monotonicMs();
    return chain(this.#store.find(kind, term), (entries) => this.#renew(kind, entries, begunMs));
  }

  pages<Kind extends DocumentKind>(
    kind: Kind,
    term: string,
  ): AsyncIterable<readonly StoreEntry<OverlayDocuments[Kind]>[]> {
    return this.#store.pages(kind, term);
  }

  due(kind: DocumentKind, untilMs: number, limit: number): Eventual<readonly string[]> {
    return this.#store.due(kind, untilMs, limit);
  }

  list<Kind extends DocumentKind>(
    kind: Kind,
    options: ListOptions,
  ): Eventual<StorePage<OverlayDocuments[Kind]>> {
    return this.#store.list(kind, options);
  }

  claimOnce(id: string, lifetimeMs: number): Eventual<boolean> {
    return this.#store.claimOnce?.(id, lifetimeMs) ?? true;
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #hold<Kind extends DocumentKind>(
    kind: Kind,
    key: string,
    document: OverlayDocuments[Kind] | undefined,
  ): OverlayDocuments[Kind] | undefined {
    this.#caches[kind].set(key, {
      document,
      readAtMs: this.#clock.monotonicMs(),
      foreign: this.#foreign,
    });
    return document;
  }

  /** What a search has read is news to whoever asks for one of its documents next: of a key that was revoked. */
  #renew<Kind extends DocumentKind>(
    kind: Kind,
    entries: readonly StoreEntry<OverlayDocuments[Kind]>[],
    begunMs: number,
  ): readonly StoreEntry<OverlayDocuments[Kind]>[] {
    for (const [key, document] of entries) {
      const cached = this.#caches[kind].get(key);
      if (cached !== undefined && cached.readAtMs <= begunMs) this.#hold(kind, key, document);
    }
    return entries;
  }

  #isFresh({ readAtMs, foreign }: Cached<unknown>): boolean {
    const { freshMs, staleMs } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - readAtMs < freshMs) return true;
    if (nowMs - this.#foreignAtMs >= freshMs) {
      this.#foreign = this.#store.foreignWrites?.();
      this.#foreignAtMs = nowMs;
    }
    // An earlier version that writes beside this one does not say so.
    return foreign !== undefined && foreign === this.#foreign && nowMs - readAtMs < staleMs;
  }

  #fallBack<Document>(cached: Cached<Document> | undefined, error: unknown): Document | undefined {
    if (!(error instanceof OverlayError) || error.code !== 'store-unavailable') throw error;
    this.#away = true;
    if (!this.#isUsable(cached)) throw error;
    return cached.document;
  }

  #isUsable<Document>(cached: Cached<Document> | undefined): cached is Cached<Document> {
    return cached !== undefined && this.#clock.monotonicMs() - cached.readAtMs < this.#limits.staleMs;
  }

  /** Asks whether the store is back, one question at a time, and lets nobody wait for it. */
  #probe<Kind extends DocumentKind>(kind: Kind, key: string): void {
    if (this.#probing) return;
    this.#probing = true;
    void Promise.resolve(this.#store.get(kind, key))
      .then(
        (document) => {
          this.#away = false;
          this.#hold(kind, key, document);
        },
        () => {},
      )
      .finally(() => {
        this.#probing = false;
      });
  }
}
