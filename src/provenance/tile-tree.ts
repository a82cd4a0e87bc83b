import { ProvenanceError } from './error.ts';
import { emptyRoot, hashBytes, nodeHash, rootOf } from './merkle-tree.ts';
import { hashesAtLevel, levelCount, tilePath, tileWidth, widthOf } from './tile-layout.ts';

/** The right edge of a tiled tree: enough to append to it and to know its root. */
export interface TileTree {
  readonly size: number;
  /** The hashes of the partial tile of each level, lowest first; empty where the last tile is full. */
  readonly edges: readonly (readonly Uint8Array[])[];
}

export interface Tile {
  readonly level: number;
  readonly index: number;
  readonly hashes: readonly Uint8Array[];
}

export const emptyTree: TileTree = { size: 0, edges: [] };

/** The tree after `leaves` (leaf hashes), and every tile that is new or wider because of them. */
export function extendTree(
  tree: TileTree,
  leaves: readonly Uint8Array[],
): { readonly tree: TileTree; readonly tiles: readonly Tile[] } {
  const size = tree.size + leaves.length;
  const edges = tree.edges.map((hashes) => [...hashes]);
  const tiles: Tile[] = [];
  let rising: readonly Uint8Array[] = leaves;
  for (let level = 0; rising.length > 0; level++) {
    const known = hashesAtLevel(tree.size, level);
    let edge = edges[level] ?? [];
    let index = Math.floor(known / tileWidth);
    const full: Uint8Array[] = [];
    for (const one of rising) {
      edge.push(one);
      if (edge.length < tileWidth) continue;
      tiles.push({ level, index: index++, hashes: edge });
      // Its own bytes: it may stay at the edge for hours.
      full.push(new Uint8Array(rootOf(edge)));
      edge = [];
    }
    edges[level] = edge;
    if (edge.length > 0) tiles.push({ level, index, hashes: [...edge] });
    rising = full;
  }
  return { tree: { size, edges }, tiles };
}

/** RFC 6962 §2.1: the perfect subtrees of the edge, folded from the smallest to the largest. */
export function treeRoot(tree: TileTree): Uint8Array {
  let root: Uint8Array | undefined;
  for (const edge of tree.edges) {
    for (const peak of peaksOf(edge)) root = root ? nodeHash(peak, root) : peak;
  }
  return root ?? emptyRoot;
}

/** The perfect subtrees of an edge, from the smallest (rightmost) to the largest. */
function peaksOf(edge: readonly Uint8Array[]): readonly Uint8Array[] {
  const peaks: Uint8Array[] = [];
  let end = edge.length;
  for (let width = 1; width <= end; width *= 2) {
    if ((end & width) === 0) continue;
    peaks.push(rootOf(edge.slice(end - width, end)));
    end -= width;
  }
  return peaks;
}

export function encodeTile(hashes: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(hashes);
}

/** Throws ProvenanceError `tile-damaged` unless there are exactly `width` hashes. */
export function splitTile(bytes: Uint8Array | undefined, width: number, path: string): Uint8Array[] {
  if (bytes?.length !== width * hashBytes)
    throw new ProvenanceError('tile-damaged', `${path} is missing or has not ${width} hashes`);
  return Array.from({ length: width }, (_, at) => bytes.subarray(at * hashBytes, (at + 1) * hashBytes));
}

/** Reads the right edge of a tree of `size` from its tiles: a handful of files, however large the log. */
export async function loadTree(
  size: number,
  read: (path: string) => Promise<Uint8Array | undefined>,
): Promise<TileTree> {
  const edges: (readonly Uint8Array[])[] = [];
  for (let level = 0; level < levelCount(size); level++) {
    const index = Math.floor(hashesAtLevel(size, level) / tileWidth);
    const width = widthOf(size, level, index);
    if (width === 0) {
      edges.push([]);
      continue;
    }
    const path = tilePath(level, index, width);
    edges.push(splitTile(await read(path), width, path).map((hash) => Uint8Array.from(hash)));
  }
  return { size, edges };
}
