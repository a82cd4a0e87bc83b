import { describe, expect, test } from 'vitest';
import { encodeBundle, type LengthBytes } from '../../src/provenance/bundle.ts';
import { BundleTail } from '../../src/provenance/bundle-tail.ts';
import { FrameMemory } from '../../src/provenance/frame-memory.ts';
import { leafHash } from '../../src/provenance/merkle-tree.ts';

const blockBytes = 1_048_576;

describe('memory of frames', () => {
  test('is used again once the tree has their records', () => {
    const memory = new FrameMemory();
    const seen = new Set<ArrayBufferLike>();
    for (let position = 0; position < 1_000; position += 10) {
      seen.add(memory.take(blockBytes / 3, position + 10).buffer);
      memory.release(position);
    }
    expect(seen.size).toBeLessThanOrEqual(2);
  });

  test('is not used again while records in it wait, or after somebody has looked at them', () => {
    const memory = new FrameMemory();
    const waiting = memory.take(blockBytes / 2, 10);
    const after = memory.take(blockBytes / 2, 20);
    memory.release(10);
    expect(memory.take(blockBytes, 30).buffer).not.toBe(waiting.buffer);
    expect(after.buffer).toBe(waiting.buffer);
    memory.lend();
    memory.release(30);
    expect(memory.take(blockBytes, 40).buffer).not.toBe(waiting.buffer);
  });

  test('fits frames that are larger than a block', () => {
    expect(new FrameMemory().take(blockBytes + 1, 1).length).toBe(blockBytes + 1);
  });
});

describe('the last bundles of a log', () => {
  const items = (from: number, to: number): Buffer[] =>
    Array.from({ length: to - from }, (_, at) => Buffer.from(`item ${from + at} `.repeat((from + at) % 5)));
  const encoded = (from: number, to: number, lengthBytes: LengthBytes): Buffer =>
    Buffer.from(encodeBundle(items(from, to), lengthBytes));

  test.each([2, 4] as const)('are encoded as whole bundles are, with %d bytes of length', (lengthBytes) => {
    const tail = new BundleTail(lengthBytes, items(0, 200));
    const add = (from: number, to: number): void => {
      for (const item of items(from, to)) tail.add(item);
    };
    const bundles = (): Buffer[] => tail.bundles().map(({ bytes }) => Buffer.from(bytes));
    add(200, 300);
    tail.undo();
    add(200, 700);
    expect(bundles()).toEqual([
      encoded(0, 256, lengthBytes),
      encoded(256, 512, lengthBytes),
      encoded(512, 700, lengthBytes),
    ]);
    tail.settle();
    add(700, 768);
    expect(bundles()).toEqual([encoded(512, 768, lengthBytes)]);
    tail.settle();
    add(768, 769);
    expect(bundles()).toEqual([encoded(768, 769, lengthBytes)]);
    expect(tail.bundles()[0]?.width).toBe(1);
  });
});

test('a leaf hash that stays at the edge of the tree keeps no more than its neighbours alive', () => {
  expect(leafHash(new Uint8Array(1)).buffer.byteLength).toBeLessThanOrEqual(8_192);
});
