import { foldLevel, hashBytes, nodeHash, type RangeHash, splitPoint } from './merkle-tree.ts';
import { Recent } from './recent.ts';
import type { Readable } from './storage.ts';
import { tilePath, tileWidth, widthOf } from './tile-layout.ts';
import { splitTile } from './tile-tree.ts';

/** Tiles of leaves that are kept with all hashes above them, 16 kB each. */
const cachedLeafTiles = 64;
/** Tiles above them: each stands for 65,536 records and more, so these are all that a log of 16 million has. */
const cachedUpperTiles = 256;

/** A tile with the hashes of all pairs above it: most of what a proof takes lies within two or three tiles. */
interface FoldedTile {
  readonly hashes: Buffer;
  /** Where each level begins; the hashes of the tile itself at 0. */
  readonly levels: readonly number[];
}

/** Reads the hashes of a log's tree from its tiles, whoever writes to them. */
export class TreeReader {
  readonly #storage: Readable;
  readonly #leafTiles = new Recent<FoldedTile>(cachedLeafTiles);
  readonly #upperTiles = new Recent<FoldedTile>(cachedUpperTiles);

  constructor(storage: Readable) {
    this.#storage = storage;
  }

  /** Hashes of the tree of `size` entries, for proofs. */
  rangeHash(size: number): RangeHash {
    const hashOf = async (start: number, end: number): Promise<Uint8Array> => {
      const span = end - start;
      let level = 0;
      while (tileWidth ** (level + 1) <= span) level++;
      const unit = tileWidth ** level;
      const height = Math.log2(span / unit);
      if (Number.isInteger(height)) return this.#hash(level, start / unit, height, size);
      const middle = start + splitPoint(span);
      const [left, right] = await Promise.all([hashOf(start, middle), hashOf(middle, end)]);
      return nodeHash(left, right);
    };
    return hashOf;
  }

  /** The hash over 2^height consecutive ones of a tile, from `first` on. */
  async #hash(level: number, first: number, height: number, size: number): Promise<Uint8Array> {
    const index = Math.floor(first / tileWidth);
    const width = widthOf(size, level, index);
    const tiles = level === 0 ? this.#leafTiles : this.#upperTiles;
    const { hashes, levels } = await tiles.get(`${level}/${index}/${width}`, async () =>
      folded(await readTile(this.#storage, level, index, width)),
    );
    const at = (levels[height] ?? 0) + ((first % tileWidth) >> height) * hashBytes;
    return hashes.subarray(at, at + hashBytes);
  }
}

function folded(tile: readonly Uint8Array[]): FoldedTile {
  const hashes = Buffer.allocUnsafeSlow(2 * tileWidth * hashBytes);
  let end = 0;
  for (const hash of tile) {
    hashes.set(hash, end);
    end += hashBytes;
  }
  const levels = [0];
  for (let start = 0; end - start > hashBytes; ) {
    const above = end;
    levels.push(above);
    end = foldLevel(hashes, start, end, above);
    start = above;
  }
  return { hashes, levels };
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
