import { asBuffer } from '../base/index.ts';
import type { ByteWriter } from './byte-writer.ts';
import { DigestSlab, HeadedDigest, sha256 } from './digest.ts';

export const hashBytes = 32;

/** RFC 6962 §2.1: MTH({}) = SHA-256(). */
export const emptyRoot: Uint8Array = sha256(new Uint8Array(0));

/** RFC 6962 §2.1: what stands before an entry where it is hashed. */
export const leafPrefix = 0x00;
const nodePrefix = 0x01;

const leaf = new HeadedDigest(Uint8Array.of(leafPrefix));
const node = new HeadedDigest(Uint8Array.of(nodePrefix));
/** Leaf hashes stay at the edge of the tree until their tile is full. */
const leafHashes = new DigestSlab();

/** RFC 6962 §2.1: SHA-256(0x00 || entry). */
export function leafHash(entry: Uint8Array): Uint8Array {
  return leafHashes.keep(leaf.of(asBuffer(entry), 0, entry.length));
}

/** The same of what was written since `start`. */
export function leafHashIn(writer: ByteWriter, start: number): Uint8Array {
  return leafHashes.keep(writer.digestOf(leaf, start, writer.length));
}

/** RFC 6962 §2.1: SHA-256(0x01 || left || right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const children = Buffer.allocUnsafe(2 * hashBytes);
  children.set(left);
  children.set(right, hashBytes);
  return Buffer.from(node.of(children, 0, children.length), 'latin1');
}

/** The largest power of two smaller than `size` (RFC 6962 §2.1); `size` is at least 2. */
export function splitPoint(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

/** Room for the hashes of a full tile; larger trees get their own. */
const folded: Buffer = Buffer.allocUnsafeSlow(256 * hashBytes);

/** MTH over leaf (or equal-height subtree) hashes, level by level; an odd one at the end moves up unchanged. */
export function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return emptyRoot;
  const bytes = hashes.length * hashBytes;
  const level = bytes <= folded.length ? folded : Buffer.allocUnsafeSlow(bytes);
  let end = 0;
  for (const hash of hashes) {
    level.set(hash, end);
    end += hashBytes;
  }
  while (end > hashBytes) end = foldLevel(level, 0, end, 0);
  return Buffer.from(level.subarray(0, hashBytes));
}

/** Hashes each pair of what lies from `start` to `end` and puts the results from `into` on; returns where they end. */
export function foldLevel(hashes: Buffer, start: number, end: number, into: number): number {
  let at = start;
  let to = into;
  for (; at + hashBytes < end; at += 2 * hashBytes) {
    to += hashes.write(node.of(hashes, at, at + 2 * hashBytes), to, 'latin1');
  }
  return at < end ? to + hashes.copy(hashes, to, at, end) : to;
}

/** All hashes of a small tree, from its leaves (at least one) up to its root. */
export function treeLevels(leaves: readonly Uint8Array[]): readonly (readonly Uint8Array[])[] {
  const levels = [leaves];
  let level = leaves;
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i] ?? emptyRoot;
      const right = level[i + 1];
      above.push(right ? nodeHash(left, right) : left);
    }
    levels.push(above);
    level = above;
  }
  return levels;
}

/** The inclusion path of a leaf (RFC 6962 §2.1.1). */
export function pathWithin(levels: readonly (readonly Uint8Array[])[], leaf: number): Uint8Array[] {
  const path: Uint8Array[] = [];
  let at = leaf;
  for (const level of levels) {
    const sibling = level[at ^ 1];
    if (sibling) path.push(sibling);
    at >>>= 1;
  }
  return path;
}

/** Reads the hash of D[start:end], any aligned perfect subtree or ragged right edge of the tree. */
export type RangeHash = (start: number, end: number) => Promise<Uint8Array>;

/** PATH(m, D[n]) of RFC 6962 §2.1.1, from the leaf's sibling up to the root's child. */
export async function inclusionPath(leaf: number, size: number, hashOf: RangeHash): Promise<Uint8Array[]> {
  const path: Promise<Uint8Array>[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (leaf < middle) {
      path.push(hashOf(middle, end));
      end = middle;
    } else {
      path.push(hashOf(start, middle));
      start = middle;
    }
  }
  return (await Promise.all(path)).reverse();
}

/** PROOF(m, D[n]) of RFC 6962 §2.1.2: that the tree of `older` leaves is a prefix of the tree of `newer`. */
export async function consistencyPath(
  older: number,
  newer: number,
  hashOf: RangeHash,
): Promise<Uint8Array[]> {
  if (older === 0 || older === newer) return [];
  const path: Uint8Array[] = [];
  let start = 0;
  let end = newer;
  let olderIsWhole = true;
  while (older !== end) {
    const middle = start + splitPoint(end - start);
    if (older <= middle) {
      path.push(await hashOf(middle, end));
      end = middle;
    } else {
      path.push(await hashOf(start, middle));
      start = middle;
      olderIsWhole = false;
    }
  }
  if (!olderIsWhole) path.push(await hashOf(start, end));
  return path.reverse();
}

/** The root that an inclusion path leads to (RFC 9162 §2.1.3.2), or undefined if it does not fit the tree. */
export function rootFromInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Uint8Array | undefined {
  if (index >= size) return undefined;
  let node = index;
  let last = size - 1;
  let root = leaf;
  for (const sibling of path) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      root = nodeHash(sibling, root);
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      root = nodeHash(root, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? root : undefined;
}

export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** RFC 9162 §2.1.4.2: true when `path` proves that `newer` only appended to `older`. */
export function verifyConsistency(older: TreeHead, newer: TreeHead, path: readonly Uint8Array[]): boolean {
  if (older.size > newer.size) return false;
  if (older.size === newer.size) return path.length === 0 && same(older.root, newer.root);
  if (older.size === 0) return path.length === 0;
  const exact = isPowerOfTwo(older.size) ? [older.root, ...path] : [...path];
  let node = older.size - 1;
  let last = newer.size - 1;
  while (node % 2 === 1) {
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  const first = exact[0];
  if (!first) return false;
  let olderRoot = first;
  let newerRoot = first;
  for (const sibling of exact.slice(1)) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      olderRoot = nodeHash(sibling, olderRoot);
      newerRoot = nodeHash(sibling, newerRoot);
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      newerRoot = nodeHash(newerRoot, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && same(olderRoot, older.root) && same(newerRoot, newer.root);
}

function isPowerOfTwo(size: number): boolean {
  let power = 1;
  while (power < size) power *= 2;
  return power === size;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
