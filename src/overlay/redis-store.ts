import { createHash } from 'node:crypto';
import { type Logger, silentLogger } from '../base/index.ts';
import { decodeDocument, encodeDocument } from './document-codec.ts';
import { type DocumentKind, indexRules, type OverlayDocuments } from './documents.ts';
import { OverlayError } from './errors.ts';
import {
  connectRedis,
  defaultRedisTimeouts,
  type RedisConnection,
  type RedisReply,
  type RedisTimeouts,
  type RedisTls,
} from './redis-connection.ts';
import { forgetTermScript, writeScript } from './redis-scripts.ts';
import {
  type Change,
  keep,
  type ListOptions,
  type OverlayStore,
  type StoreEntry,
  type StorePage,
} from './store.ts';

export interface RedisStoreOptions {
  /** `redis://user:password@host:port`, `rediss://` for TLS; of a cluster, any node. */
  readonly url: string;
  /** `host:port` of sentinels; the host in `url` is then the name by which they know the primary. */
  readonly sentinels?: readonly string[];
  /** Begins every key, so that several overlays can share a server. */
  readonly prefix?: string;
  readonly timeouts?: RedisTimeouts;
  readonly tls?: RedisTls;
  readonly logger?: Logger;
}

/** Documents of one kind are spread over that many hashes, and these over the nodes of a cluster. */
const shardCount = 64;

/** Members of an index that are asked for at once. */
const pageSize = 200;

/** In front of a stored document: its version in decimal. */
const versionLength = 16;

interface Versioned<Document> {
  readonly version: string;
  readonly document: Document;
}

/**
 * Redis, alone or as a cluster, shared by gateways. A shard's keys carry one hash tag, so a document, its due time
 * and its version change in one script. Index terms lie elsewhere in a cluster: a term is added before the document
 * that carries it is written, and removed after, only when no later version has claimed it again. So the index may
 * name too much, which `find` filters, and never too little.
 */
export class RedisStore implements OverlayStore {
  readonly isLocal = false;
  readonly #connection: RedisConnection;
  readonly #prefix: string;

  private constructor(connection: RedisConnection, prefix: string) {
    this.#connection = connection;
    this.#prefix = prefix;
  }

  /** Throws OverlayError `store-open`. */
  static async open(options: RedisStoreOptions): Promise<RedisStore> {
    const { url, sentinels = [], prefix = 'tibet', logger = silentLogger, tls = {} } = options;
    const timeouts = options.timeouts ?? defaultRedisTimeouts;
    return new RedisStore(await connectRedis({ url, sentinels, timeouts, logger, tls }), prefix);
  }

  async get<Kind extends DocumentKind>(kind: Kind, key: string): Promise<OverlayDocuments[Kind] | undefined> {
    return (await this.#read(kind, key))?.document;
  }

  async update<Kind extends DocumentKind>(
    kind: Kind,
    key: string,
    change: Change<OverlayDocuments[Kind]>,
  ): Promise<OverlayDocuments[Kind] | undefined> {
    const { terms } = indexRules[kind];
    for (;;) {
      const stored = await this.#read(kind, key);
      const next = change(stored?.document);
      if (next === keep) return stored?.document;
      const oldTerms = stored ? terms(stored.document) : [];
      const newTerms = next ? terms(next) : [];
      const added = newTerms.filter((term) => !oldTerms.includes(term));
      const removed = oldTerms.filter((term) => !newTerms.includes(term));
      // Taken after the read: above every version that this document has had.
      const version = added.length + removed.length > 0 ? await this.#nextVersion(kind, key) : '';
      await Promise.all(added.map((term) => this.#addTerm(kind, term, key, version)));
      const written = await this.#write(kind, key, stored?.version ?? '', version, next);
      if (!written) continue;
      await Promise.all(removed.map((term) => this.#forgetTerm(kind, term, key, version)));
      return next;
    }
  }

  async find<Kind extends DocumentKind>(
    kind: Kind,
    term: string,
  ): Promise<readonly StoreEntry<OverlayDocuments[Kind]>[]> {
    const index = this.#termKey(kind, term);
    return this.#carriers(
      kind,
      term,
      texts(await this.#connection.command(index, ['ZRANGE', index, '0', '-1'])),
    );
  }

  async *pages<Kind extends DocumentKind>(
    kind: Kind,
    term: string,
  ): AsyncGenerator<readonly StoreEntry<OverlayDocuments[Kind]>[]> {
    const index = this.#termKey(kind, term);
    let cursor = '0';
    do {
      const scan = ['ZSCAN', index, cursor, 'COUNT', String(pageSize)];
      const reply = await this.#connection.command(index, scan);
      if (!Array.isArray(reply)) throw unexpected();
      const [[next = '0'], members] = [texts([reply[0] ?? '']), texts(reply[1] ?? [])];
      // Each with its score behind it.
      yield await this.#carriers(
        kind,
        term,
        members.filter((_, at) => at % 2 === 0),
      );
      cursor = next;
    } while (cursor !== '0');
  }

  async #carriers<Kind extends DocumentKind>(
    kind: Kind,
    term: string,
    keys: readonly string[],
  ): Promise<readonly StoreEntry<OverlayDocuments[Kind]>[]> {
    const found: StoreEntry<OverlayDocuments[Kind]>[] = [];
    const read = await Promise.all(keys.map(async (key) => [key, await this.#read(kind, key)] as const));
    for (const [key, stored] of read) {
      if (!stored) continue;
      if (indexRules[kind].terms(stored.document).includes(term)) found.push([key, stored.document]);
      else await this.#forgetTerm(kind, term, key, stored.version);
    }
    return found;
  }

  async due(kind: DocumentKind, untilMs: number, limit: number): Promise<readonly string[]> {
    const pages = await Promise.all(
      shards().map(async (shard) => {
        const { due } = this.#shardKeys(kind, shard);
        const args = ['ZRANGE', due, '-inf', String(untilMs), 'BYSCORE', 'LIMIT', '0', String(limit)];
        return texts(await this.#connection.command(due, args));
      }),
    );
    return pages.flat().slice(0, limit);
  }

  /** Shard by shard, in the order of keys: no document comes twice, whatever is written meanwhile. */
  async list<Kind extends DocumentKind>(
    kind: Kind,
    { cursor, limit }: ListOptions,
  ): Promise<StorePage<OverlayDocuments[Kind]>> {
    const [fromShard = 0, afterKey = ''] = cursor === undefined ? [] : readCursor(cursor);
    const entries: StoreEntry<OverlayDocuments[Kind]>[] = [];
    for (const shard of shards().slice(fromShard)) {
      const { documents } = this.#shardKeys(kind, shard);
      const keys = texts(await this.#connection.command(documents, ['HKEYS', documents])).sort();
      const rest = shard === fromShard ? keys.filter((key) => key > afterKey) : keys;
      for (const key of rest) {
        const stored = await this.#read(kind, key);
        if (stored) entries.push([key, stored.document]);
        if (entries.length === limit) return { entries, cursor: `${shard}/${key}` };
      }
    }
    return { entries, cursor: undefined };
  }

  async claimOnce(id: string, lifetimeMs: number): Promise<boolean> {
    const key = `${this.#prefix}:claim:${id}`;
    const reply = await this.#connection.command(key, ['SET', key, '1', 'NX', 'PX', String(lifetimeMs)]);
    return reply !== null;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #read<Kind extends DocumentKind>(
    kind: Kind,
    key: string,
  ): Promise<Versioned<OverlayDocuments[Kind]> | undefined> {
    const { documents } = this.#shardKeys(kind, shardOf(key));
    const reply = await this.#connection.command(documents, ['HGET', documents, key]);
    if (reply === null) return undefined;
    if (!(reply instanceof Buffer)) throw unexpected();
    return {
      version: reply.toString('latin1', 0, versionLength),
      document: decodeDocument(kind, reply.subarray(versionLength)),
    };
  }

  /** False when the document is no longer the version that was read. */
  async #write<Kind extends DocumentKind>(
    kind: Kind,
    key: string,
    expected: string,
    version: string,
    next: OverlayDocuments[Kind] | undefined,
  ): Promise<boolean> {
    const { documents, due, counter } = this.#shardKeys(kind, shardOf(key));
    const dueAtMs = next && indexRules[kind].dueAtMs(next);
    const reply = await this.#connection.command(documents, [
      'EVAL',
      writeScript,
      '3',
      documents,
      due,
      counter,
      key,
      expected,
      version,
      next ? 'put' : 'remove',
      dueAtMs === undefined ? '' : String(dueAtMs),
      next ? encodeDocument(kind, next) : '',
    ]);
    return reply === 1;
  }

  async #nextVersion(kind: DocumentKind, key: string): Promise<string> {
    const { counter } = this.#shardKeys(kind, shardOf(key));
    const reply = await this.#connection.command(counter, ['INCR', counter]);
    if (typeof reply !== 'number') throw unexpected();
    return String(reply).padStart(versionLength, '0');
  }

  async #addTerm(kind: DocumentKind, term: string, key: string, version: string): Promise<void> {
    const index = this.#termKey(kind, term);
    await this.#connection.command(index, ['ZADD', index, 'GT', String(Number(version)), key]);
  }

  async #forgetTerm(kind: DocumentKind, term: string, key: string, version: string): Promise<void> {
    const index = this.#termKey(kind, term);
    await this.#connection.command(index, [
      'EVAL',
      forgetTermScript,
      '1',
      index,
      key,
      String(Number(version)),
    ]);
  }

  #termKey(kind: DocumentKind, term: string): string {
    return `{${this.#prefix}:${kind}:${term}}:keys`;
  }

  #shardKeys(kind: DocumentKind, shard: number): { documents: string; due: string; counter: string } {
    const tag = `{${this.#prefix}:${kind}:${shard}}`;
    return { documents: `${tag}:documents`, due: `${tag}:due`, counter: `${tag}:version` };
  }
}

function shardOf(key: string): number {
  return createHash('sha1').update(key).digest().readUInt32BE(0) % shardCount;
}

function shards(): readonly number[] {
  return Array.from({ length: shardCount }, (_, shard) => shard);
}

function readCursor(cursor: string): readonly [shard: number, key: string] {
  const slash = cursor.indexOf('/');
  return [Number(cursor.slice(0, slash)), cursor.slice(slash + 1)];
}

function texts(reply: RedisReply): string[] {
  if (!Array.isArray(reply)) throw unexpected();
  return reply.map((item: RedisReply) => {
    if (!(item instanceof Buffer)) throw unexpected();
    return item.toString('utf8');
  });
}

function unexpected(): OverlayError {
  return new OverlayError('store-corrupt', 'Redis answered in an unexpected form');
}
