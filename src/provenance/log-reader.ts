import { entryLengthBytes, openingLengthBytes } from './bundle.ts';
import { ProvenanceError } from './error.ts';
import { firstItems } from './log-edge.ts';
import { nodeHash, type RangeHash, rootOf, splitPoint } from './merkle-tree.ts';
import type { PartyKeySource } from './opening-seal.ts';
import { type OpenedRecord, openRecord, type RawRecord } from './record.ts';
import type { Readable } from './storage.ts';
import { bundlePath, openingsPath, tilePath, tileWidth, widthOf } from './tile-layout.ts';
import { splitTile } from './tile-tree.ts';

/** Bundles kept decoded; a page of records usually comes from one or two. */
const cachedBundles = 8;
const cachedTiles = 32;

interface Bundle {
  readonly entries: readonly Uint8Array[];
  readonly openings: readonly Uint8Array[];
}

/** Reads records and tree hashes from a log's files, whoever writes to them. */
export class LogReader {
  readonly #storage: Readable;
  readonly #bundles = new Map<string, Promise<Bundle>>();
  readonly #tiles = new Map<string, Promise<readonly Uint8Array[]>>();

  constructor(storage: Readable) {
    this.#storage = storage;
  }

  /** As `raw`, with the opening unsealed. */
  async opened(position: number, size: number, keys: PartyKeySource): Promise<OpenedRecord> {
    return openRecord(await this.raw(position, size), keys);
  }

  /** `size` is that of a checkpoint that covers the position. */
  async raw(position: number, size: number): Promise<RawRecord> {
    const index = Math.floor(position / tileWidth);
    const { entries, openings } = await this.#bundle(index, widthOf(size, 0, index));
    const entry = entries[position % tileWidth];
    const opening = openings[position % tileWidth];
    if (!entry || !opening) throw new ProvenanceError('record-unknown', `the log has no record ${position}`);
    return { position, entry, opening };
  }

  /** Hashes of the tree of `size` entries, for proofs. */
  rangeHash(size: number): RangeHash {
    const hashOf = async (start: number, end: number): Promise<Uint8Array> => {
      const span = end - start;
      let level = 0;
      while (tileWidth ** (level + 1) <= span) level++;
      const unit = tileWidth ** level;
      if (isPowerOfTwo(span)) return rootOf(await this.#hashes(level, start / unit, span / unit, size));
      const middle = start + splitPoint(span);
      return nodeHash(await hashOf(start, middle), await hashOf(middle, end));
    };
    return hashOf;
  }

  /** Consecutive hashes of one tile. */
  async #hashes(level: number, first: number, count: number, size: number): Promise<readonly Uint8Array[]> {
    const index = Math.floor(first / tileWidth);
    const width = widthOf(size, level, index);
    const tile = await remembered(this.#tiles, cachedTiles, `${level}/${index}/${width}`, () =>
      readTile(this.#storage, level, index, width),
    );
    return tile.slice(first % tileWidth, (first % tileWidth) + count);
  }

  #bundle(index: number, width: number): Promise<Bundle> {
    return remembered(this.#bundles, cachedBundles, `${index}/${width}`, () => this.#read(index, width));
  }

  async #read(index: number, width: number): Promise<Bundle> {
    const [entries, openings] = await Promise.all([
      this.#entries(index, width),
      firstItems(this.#storage, openingsPath(index), width, openingLengthBytes),
    ]);
    return { entries, openings };
  }

  /** A partial bundle may have given way to its full version since the checkpoint was read. */
  async #entries(index: number, width: number): Promise<readonly Uint8Array[]> {
    const path = bundlePath(index, width);
    const there = width === tileWidth || (await this.#storage.read(path)) !== undefined;
    return firstItems(this.#storage, there ? path : bundlePath(index, tileWidth), width, entryLengthBytes);
  }
}

/** The first `width` hashes of a tile, from its partial version or from the full one that replaced it. */
export async function readTile(
  storage: Readable,
  level: number,
  index: number,
  width: number,
): Promise<readonly Uint8Array[]> {
  const path = tilePath(level, index, width);
  const bytes = await storage.read(path);
  return bytes
    ? splitTile(bytes, width, path)
    : splitTile(await storage.read(tilePath(level, index, tileWidth)), tileWidth, path).slice(0, width);
}

/** What is being read is not read a second time; what could not be read is forgotten. */
function remembered<V>(
  cache: Map<string, Promise<V>>,
  limit: number,
  key: string,
  read: () => Promise<V>,
): Promise<V> {
  const known = cache.get(key);
  if (known) return known;
  const value = read();
  if (cache.size >= limit) {
    const oldest = cache.keys().next();
    if (!oldest.done) cache.delete(oldest.value);
  }
  cache.set(key, value);
  value.catch(() => cache.delete(key));
  return value;
}

function isPowerOfTwo(value: number): boolean {
  let power = 1;
  while (power < value) power *= 2;
  return power === value;
}
