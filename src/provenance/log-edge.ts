import { entryLengthBytes, splitBundle } from './bundle.ts';
import { ProvenanceError } from './error.ts';
import { splitOpenings } from './openings-file.ts';
import type { Readable, Storage } from './storage.ts';
import { bundlePath, openingsPath, tileWidth } from './tile-layout.ts';
import { loadTree, type TileTree } from './tile-tree.ts';

/** The unfinished end of a log: its tree's right edge and the items of the bundle that is not full yet. */
export interface LogEdge {
  readonly tree: TileTree;
  readonly entries: readonly Uint8Array[];
  readonly openings: readonly Uint8Array[];
}

/** Reads the edge of a log of `size` entries: a handful of files, however large the log. */
export async function loadEdge(storage: Storage, size: number): Promise<LogEdge> {
  const tree = await loadTree(size, (path) => storage.read(path));
  const width = size % tileWidth;
  if (width === 0) return { tree, entries: [], openings: [] };
  const index = Math.floor(size / tileWidth);
  return {
    tree,
    entries: await firstEntries(storage, index, width),
    openings: await firstOpenings(storage, index, width),
  };
}

/** The first entries of a bundle, as views; a partial one may have given way to the full one. */
export async function firstEntries(
  storage: Readable,
  index: number,
  width: number,
): Promise<readonly Uint8Array[]> {
  const path = bundlePath(index, width);
  const bytes = (await storage.read(path)) ?? (await storage.read(bundlePath(index, tileWidth)));
  return firstItems(path, bytes && splitBundle(bytes, entryLengthBytes), width);
}

/** The first openings of a file, as views; a crash may have left more of them than the checkpoint covers. */
export async function firstOpenings(
  storage: Readable,
  index: number,
  width: number,
): Promise<readonly Uint8Array[]> {
  const path = openingsPath(index);
  const bytes = await storage.read(path);
  return firstItems(path, bytes && splitOpenings(bytes), width);
}

function firstItems(
  path: string,
  items: readonly Uint8Array[] | undefined,
  count: number,
): readonly Uint8Array[] {
  if (!items || items.length < count)
    throw new ProvenanceError('bundle-damaged', `${path} is missing or has fewer than ${count} items`);
  return items.slice(0, count);
}
