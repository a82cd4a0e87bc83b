import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  consistencyPath,
  emptyRoot,
  inclusionPath,
  leafHash,
  nodeHash,
  pathWithin,
  type RangeHash,
  rootFromInclusion,
  rootOf,
  treeLevels,
  verifyConsistency,
} from '../../src/provenance/merkle-tree.ts';
import { emptyTree, extendTree, treeRoot } from '../../src/provenance/tile-tree.ts';

/** RFC 6962 §2.1 word for word, without any of the shortcuts. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return emptyRoot;
  if (leaves.length === 1) return leaves[0] ?? emptyRoot;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)));
}

function leavesOf(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, at) => leafHash(Buffer.from(`entry ${at}`)));
}

function naiveRange(leaves: readonly Uint8Array[]): RangeHash {
  return async (start, end) => naiveRoot(leaves.slice(start, end));
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('RFC 6962 §2.1 Merkle tree', () => {
  test('has the known hashes of the empty tree, the empty leaf and the CT reference tree', () => {
    expect(hex(emptyRoot)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(hex(leafHash(new Uint8Array(0)))).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    const inputs = [
      '',
      '00',
      '10',
      '2021',
      '3031',
      '40414243',
      '5051525354555657',
      '606162636465666768696a6b6c6d6e6f',
    ];
    const leaves = inputs.map((input) => leafHash(Buffer.from(input, 'hex')));
    expect(hex(rootOf(leaves))).toBe('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328');
    expect(hex(rootOf(leaves.slice(0, 3)))).toBe(
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    );
  });

  test('folds to the same root as the recursive definition', () => {
    for (let count = 0; count <= 70; count++) {
      const leaves = leavesOf(count);
      expect(hex(rootOf(leaves))).toBe(hex(naiveRoot(leaves)));
    }
  });

  test('grows by tiles to the same root, however the leaves arrive', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 6 }), (steps) => {
        const total = steps.reduce((sum, step) => sum + step, 0);
        const leaves = leavesOf(total);
        let tree = emptyTree;
        let at = 0;
        for (const step of steps) {
          tree = extendTree(tree, leaves.slice(at, at + step)).tree;
          at += step;
        }
        expect(hex(treeRoot(tree))).toBe(hex(naiveRoot(leaves)));
      }),
      { numRuns: 30 },
    );
  });

  test('inclusion paths (§2.1.1) verify, for every leaf and size', async () => {
    for (let size = 1; size <= 40; size++) {
      const leaves = leavesOf(size);
      const root = hex(naiveRoot(leaves));
      const levels = treeLevels(leaves);
      for (const [at, leaf] of leaves.entries()) {
        const path = await inclusionPath(at, size, naiveRange(leaves));
        expect(path.map(hex)).toEqual(pathWithin(levels, at).map(hex));
        expect(hex(rootFromInclusion(leaf, at, size, path) ?? emptyRoot)).toBe(root);
      }
    }
  });

  test('an inclusion path of another leaf, size or length does not verify', async () => {
    const leaves = leavesOf(13);
    const root = hex(naiveRoot(leaves));
    const path = await inclusionPath(5, 13, naiveRange(leaves));
    const leaf = leaves[5] ?? emptyRoot;
    const rootHex = (index: number, size: number, hashes: readonly Uint8Array[]): string =>
      hex(rootFromInclusion(leaf, index, size, hashes) ?? emptyRoot);
    expect(rootHex(4, 13, path)).not.toBe(root);
    expect(rootHex(13, 13, path)).not.toBe(root);
    expect(rootHex(5, 13, path.slice(1))).not.toBe(root);
    expect(rootHex(5, 13, [...path, emptyRoot])).not.toBe(root);
  });

  test('consistency paths (§2.1.2) verify, for every pair of sizes', async () => {
    const leaves = leavesOf(33);
    const head = (size: number): { size: number; root: Uint8Array } => ({
      size,
      root: naiveRoot(leaves.slice(0, size)),
    });
    for (let newer = 1; newer <= 33; newer++)
      for (let older = 0; older <= newer; older++) {
        const path = await consistencyPath(older, newer, naiveRange(leaves));
        expect(verifyConsistency(head(older), head(newer), path)).toBe(true);
        if (older === 0 || older === newer) continue;
        expect(verifyConsistency({ size: older, root: emptyRoot }, head(newer), path)).toBe(false);
        expect(verifyConsistency(head(older), { size: newer, root: emptyRoot }, path)).toBe(false);
        expect(verifyConsistency(head(older), head(newer), [...path, emptyRoot])).toBe(false);
      }
  });
});
