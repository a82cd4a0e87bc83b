import type { LogInventory } from './log-inventory.ts';
import { hashBytes, leafHash } from './merkle-tree.ts';
import type { Storage } from './storage.ts';
import { tilePath, tileWidth } from './tile-layout.ts';
import { emptyTree, encodeTile, extendTree, type Tile, type TileTree, treeRoot } from './tile-tree.ts';
import type { Findings } from './verdict.ts';

/**
 * Holds the tiles on disk against the entries. The tree is computed twice, from the entries and from the level 0
 * tiles: the one that leads to the signed root is right, and the other one's files are to blame.
 */
export class TreeVerifier {
  readonly #fromEntries = new TreeCheck();
  readonly #fromTiles = new TreeCheck();
  /** Entries whose hash is not the one in their tile. */
  readonly #suspects: { readonly record: number; readonly file: string; readonly message: string }[] = [];
  readonly #suspectTiles = new Set<string>();

  /** One bundle: the entries as read and the level 0 hashes as read, each in order. */
  async add(bundle: BundleUnderTest, files: TileFiles): Promise<void> {
    const { index, width, entries, hashes, file } = bundle;
    const leaves = entries.map(leafHash);
    const at = leaves.findIndex((leaf, item) => !sameHash(leaf, hashes[item]));
    if (at >= 0 || leaves.length !== hashes.length) {
      this.#suspectTiles.add(tilePath(0, index, width));
      this.#blame(index, leaves, hashes, file, at < 0 ? Math.min(leaves.length, hashes.length) : at);
    }
    await this.#fromEntries.add(leaves, files);
    await this.#fromTiles.add(hashes, files);
  }

  /** All entries of the signed tree were added: says who is to blame, and returns the right tree. */
  async conclude(root: Uint8Array, files: TileFiles, findings: Findings): Promise<TileTree> {
    await this.#fromEntries.finish(files);
    await this.#fromTiles.finish(files);
    if (sameHash(this.#fromEntries.root, root)) {
      for (const file of this.#suspectTiles)
        findings.problem('tile', 'it is missing, or its hashes are not those of the entries', { file });
      for (const file of this.#fromEntries.mismatches)
        if (!this.#suspectTiles.has(file))
          findings.problem('tile', 'it is missing or does not follow from the entries', { file });
      return this.#fromEntries.tree;
    }
    for (const { record, file, message } of this.#suspects)
      findings.problem('entry', message, { record, file });
    for (const file of this.#fromTiles.mismatches)
      findings.problem('tile', 'it is missing or does not follow from the tiles below it', { file });
    if (!sameHash(this.#fromTiles.root, root))
      findings.problem('root', 'neither entries nor tiles lead to the root that the checkpoint signs');
    return this.#fromTiles.tree;
  }

  #blame(
    bundle: number,
    leaves: readonly Uint8Array[],
    hashes: readonly Uint8Array[],
    file: string,
    first: number,
  ): void {
    for (let item = first; item < Math.max(leaves.length, hashes.length); item++) {
      const leaf = leaves[item];
      if (leaf && sameHash(leaf, hashes[item])) continue;
      const elsewhere = leaf ? hashes.findIndex((hash) => sameHash(hash, leaf)) : -1;
      const message =
        elsewhere >= 0
          ? `here lies record ${bundle * tileWidth + elsewhere}: records were dropped or swapped`
          : leaf
            ? 'the entry is not the one that the tree commits to'
            : 'the entry is missing';
      this.#suspects.push({ record: bundle * tileWidth + item, file, message });
    }
  }
}

export interface BundleUnderTest {
  readonly index: number;
  /** Entries that the bundle has under the checkpoint. */
  readonly width: number;
  readonly entries: readonly Uint8Array[];
  /** The level 0 tile. */
  readonly hashes: readonly Uint8Array[];
  /** The file that the entries come from. */
  readonly file: string;
}

/** The tiles on disk, all versions of each. */
export interface TileFiles {
  readonly storage: Storage;
  readonly inventory: LogInventory;
  /** Somebody is writing: partial versions may have given way to full ones since the inventory was taken. */
  readonly live: boolean;
}

/** One reading of the tree, compared with each tile file as its tile becomes known. */
class TreeCheck {
  readonly mismatches = new Set<string>();
  #tree: TileTree = emptyTree;

  get tree(): TileTree {
    return this.#tree;
  }

  get root(): Uint8Array {
    return treeRoot(this.#tree);
  }

  async add(leaves: readonly Uint8Array[], files: TileFiles): Promise<void> {
    const { tree, tiles } = extendTree(this.#tree, leaves);
    this.#tree = tree;
    for (const tile of tiles) if (tile.hashes.length === tileWidth) await this.#compare(tile, files);
  }

  async finish(files: TileFiles): Promise<void> {
    const { size, edges } = this.#tree;
    for (const [level, hashes] of edges.entries()) {
      const index = Math.floor(Math.floor(size / tileWidth ** level) / tileWidth);
      if (hashes.length > 0) await this.#compare({ level, index, hashes }, files);
    }
  }

  async #compare(tile: Tile, files: TileFiles): Promise<void> {
    for (const path of await tileFaults(tile, files, true)) this.mismatches.add(path);
  }
}

/**
 * Every version of a tile on disk that is not a beginning of it. With `required`, its own width has to be there
 * too (or, for a partial one, a full tile that has replaced it). Wider versions are left to the caller.
 */
export async function tileFaults(
  { level, index, hashes }: Tile,
  { storage, inventory, live }: TileFiles,
  required: boolean,
): Promise<readonly string[]> {
  const widths = inventory.tiles.get(tilePath(level, index, tileWidth)) ?? [];
  const bytes = encodeTile(hashes);
  const faults: string[] = [];
  for (const width of widths) {
    if (width > hashes.length) continue;
    const path = tilePath(level, index, width);
    const file = await storage.read(path);
    if (file ? Buffer.compare(file, bytes.subarray(0, width * hashBytes)) !== 0 : !live) faults.push(path);
  }
  const own = tilePath(level, index, hashes.length);
  if (
    required &&
    !widths.includes(hashes.length) &&
    !(await storage.read(own)) &&
    !(await storage.read(tilePath(level, index, tileWidth)))
  )
    faults.push(own);
  return faults;
}

function sameHash(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;
}
