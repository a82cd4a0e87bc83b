import { entryLengthBytes, type LengthBytes, openingLengthBytes, splitBundle } from './bundle.ts';
import { ProvenanceError } from './error.ts';
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
    entries: await firstItems(storage, bundlePath(index, width), width, entryLengthBytes),
    openings: await firstItems(storage, openingsPath(index), width, openingLengthBytes),
  };
}

/** The first `count` items of a bundle, as views; a crash may have left more of them than the checkpoint covers. */
export async function firstItems(
  storage: Readable,
  path: string,
  count: number,
  lengthBytes: LengthBytes,
): Promise<readonly Uint8Array[]> {
  const bytes = await storage.read(path);
  const items = bytes ? splitBundle(bytes, lengthBytes) : [];
  if (items.length < count)
    throw new ProvenanceError('bundle-damaged', `${path} is missing or has fewer than ${count} items`);
  return items.slice(0, count);
}
