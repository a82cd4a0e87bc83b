import { concat, equal } from './bytes.ts';
import { sha256 } from './crypto.ts';

/** A tree of `size` leaves and its root (RFC 6962 §2.1). */
export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** RFC 6962 §2.1: SHA-256(0x00 || entry). */
export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(concat(Uint8Array.of(0), entry));
}

/** RFC 6962 §2.1: SHA-256(0x01 || left || right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(Uint8Array.of(1), left, right));
}

/** The root that an inclusion path leads to (RFC 9162 §2.1.3.2); undefined when it does not fit the tree. */
export function rootFromInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Uint8Array | undefined {
  if (index >= size) return undefined;
  let root = leaf;
  let [node, last] = [index, size - 1];
  for (const sibling of path) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      root = nodeHash(sibling, root);
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else root = nodeHash(root, sibling);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 ? root : undefined;
}

/** The two roots that a consistency path leads to; `seed` is the hash that it begins with. */
export interface ConsistentRoots {
  readonly older: Uint8Array;
  readonly newer: Uint8Array;
}

/**
 * RFC 9162 §2.1.4.2 as a computation: what the trees of both sizes are, if the hashes are right. `hashes` begins with
 * the largest perfect subtree at the end of the older tree, also where the proof leaves it out because it is the
 * older root itself. Undefined when the hashes do not fit the sizes.
 */
export function rootsFromConsistency(
  older: number,
  newer: number,
  hashes: readonly Uint8Array[],
): ConsistentRoots | undefined {
  const [first, ...rest] = hashes;
  if (!first || older === 0 || older > newer) return undefined;
  let [node, last] = [older - 1, newer - 1];
  while (node % 2 === 1) [node, last] = [half(node), half(last)];
  let roots = { older: first, newer: first };
  for (const sibling of rest) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      roots = { older: nodeHash(sibling, roots.older), newer: nodeHash(sibling, roots.newer) };
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else roots = { older: roots.older, newer: nodeHash(roots.newer, sibling) };
    [node, last] = [half(node), half(last)];
  }
  return last === 0 ? roots : undefined;
}

/** True when `path` (RFC 6962 §2.1.2) proves that the newer tree only appended to the older one. */
export function isConsistent(older: TreeHead, newer: TreeHead, path: readonly Uint8Array[]): boolean {
  if (older.size > newer.size) return false;
  if (older.size === newer.size) return path.length === 0 && equal(older.root, newer.root);
  if (older.size === 0) return path.length === 0;
  const roots = rootsFromConsistency(older.size, newer.size, withSeed(older, path));
  return roots !== undefined && equal(roots.older, older.root) && equal(roots.newer, newer.root);
}

/** A path as `rootsFromConsistency` wants it: a proof leaves out the root of a whole older tree. */
export function withSeed(older: TreeHead, path: readonly Uint8Array[]): readonly Uint8Array[] {
  return Number.isInteger(Math.log2(older.size)) ? [older.root, ...path] : path;
}

/** The subtree of leaves `start` up to, and without, `start + width`; complete for all time when it is perfect. */
export interface Subtree {
  readonly start: number;
  readonly width: number;
  readonly hash: Uint8Array;
}

/** Every perfect subtree of which an inclusion path tells the hash: none of them may ever change. */
export function perfectSubtrees(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): readonly Subtree[] {
  const found: Subtree[] = [{ start: index, width: 1, hash: leaf }];
  let own = leaf;
  for (const [depth, { start, end, siblingStart, siblingEnd }] of pathRanges(index, size).entries()) {
    const sibling = path[depth];
    if (!sibling) break;
    if (isPerfect(siblingStart, siblingEnd))
      found.push({ start: siblingStart, width: siblingEnd - siblingStart, hash: sibling });
    own = siblingStart < index ? nodeHash(sibling, own) : nodeHash(own, sibling);
    if (isPerfect(start, end)) found.push({ start, width: end - start, hash: own });
  }
  return found;
}

interface PathRange {
  readonly start: number;
  readonly end: number;
  readonly siblingStart: number;
  readonly siblingEnd: number;
}

/** From the leaf's parent up to the root: the range of each subtree on the way, and of the sibling joined there. */
function pathRanges(index: number, size: number): readonly PathRange[] {
  const ranges: PathRange[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    let split = 1;
    while (split * 2 < end - start) split *= 2;
    const middle = start + split;
    if (index < middle) {
      ranges.push({ start, end, siblingStart: middle, siblingEnd: end });
      end = middle;
    } else {
      ranges.push({ start, end, siblingStart: start, siblingEnd: middle });
      start = middle;
    }
  }
  return ranges.reverse();
}

/** Aligned and a power of two wide: no later leaf can come into it. */
function isPerfect(start: number, end: number): boolean {
  const width = end - start;
  return Number.isInteger(Math.log2(width)) && start % width === 0;
}

function half(value: number): number {
  return Math.floor(value / 2);
}
