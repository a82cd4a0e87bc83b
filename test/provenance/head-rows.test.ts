import { describe, expect, test } from 'vitest';
import { sha256 } from '../../src/provenance/digest.ts';
import { HeadRows } from '../../src/provenance/head-rows.ts';

const bytesOf = (text: string): Buffer => sha256(Buffer.from(text));
const head = (at: number, seq: number) => ({
  seq,
  id: bytesOf(`record ${at} ${seq}`),
  position: 2 ** 40 + at,
});

describe('newest records of identities, in bytes', () => {
  test('each of many is found, and what came last of each', () => {
    const rows = new HeadRows();
    for (const seq of [1, 2])
      for (let at = 0; at < 3_000; at++) {
        if (seq === 1) expect(rows.get(bytesOf(`party ${at}`))).toBeUndefined();
        rows.put(bytesOf(`party ${at}`), head(at, seq));
      }
    expect(rows.length).toBe(3_000);
    for (let at = 0; at < 3_000; at += 7) {
      const found = rows.get(bytesOf(`party ${at}`));
      expect(found && { ...found, id: Buffer.from(found.id) }).toEqual(head(at, 2));
    }
    expect(rows.get(bytesOf('party 3000'))).toBeUndefined();
  });

  test('what is taken out is found no more, is left out of the list, and may come back', () => {
    const rows = new HeadRows();
    for (let at = 0; at < 100; at++) rows.put(bytesOf(`party ${at}`), head(at, 1));
    rows.delete(bytesOf('party 5'));
    rows.delete(bytesOf('nobody'));
    expect(rows.get(bytesOf('party 5'))).toBeUndefined();
    expect([...rows]).toHaveLength(99);
    expect([...rows].some(([fingerprint]) => fingerprint.equals(bytesOf('party 5')))).toBe(false);
    rows.put(bytesOf('party 5'), head(5, 1));
    expect([...rows]).toHaveLength(100);
    expect(rows.get(bytesOf('party 6'))?.position).toBe(2 ** 40 + 6);
  });

  test('what was found stays as it was when the identity has another record', () => {
    const rows = new HeadRows();
    rows.put(bytesOf('party'), head(0, 1));
    const found = rows.get(bytesOf('party'));
    rows.put(bytesOf('party'), head(0, 2));
    expect(Buffer.from(found?.id ?? [])).toEqual(head(0, 1).id);
  });
});
