import { describe, expect, test } from 'vitest';
import { encodeBase32 } from '../../src/base/index.ts';
import { sha256 } from '../../src/provenance/digest.ts';
import type { PendingParty } from '../../src/provenance/ledger.ts';
import { NewestHeads } from '../../src/provenance/newest-heads.ts';

const hashOf = (text: string): Uint8Array => Uint8Array.from(sha256(Buffer.from(text)));
const fingerprintAt = (at: number): string => encodeBase32(hashOf(`party ${at}`));
const pending = (at: number, seq: number): PendingParty => ({
  ...{ fingerprint: fingerprintAt(at), role: 'subject', seq, slot: at, prev: undefined },
  ...{ bytes: hashOf(`party ${at}`), key: hashOf(`key ${at}`), id: hashOf(`record ${at} ${seq}`) },
  position: 2 ** 40 + at,
});
const known = (at: number, seq: number) => {
  const { position, slot, bytes, key, id } = pending(at, seq);
  return { seq, position, slot, bytes, key, id };
};

describe('what is remembered of the newest records', () => {
  test('one under way is its party itself; a durable one is said again from bytes', () => {
    const heads = new NewestHeads();
    for (let at = 0; at < 1_000; at++) {
      const party = pending(at, 1);
      heads.expect(party);
      expect(heads.get(party.fingerprint)).toBe(party);
      heads.settle(party);
    }
    for (let at = 0; at < 1_000; at += 7) expect(heads.get(fingerprintAt(at))).toMatchObject(known(at, 1));
  });

  test('an older record that becomes durable changes nothing while a newer one is under way', () => {
    const heads = new NewestHeads();
    const [first, second] = [pending(1, 1), pending(1, 2)];
    heads.expect(first);
    heads.expect(second);
    heads.settle(first);
    expect(heads.get(first.fingerprint)).toBe(second);
    heads.settle(second);
    expect(heads.get(first.fingerprint)).toMatchObject(known(1, 2));
  });

  test('of very many the durable ones are forgotten, never one that is under way', () => {
    const heads = new NewestHeads();
    const stays = [pending(0, 1), pending(20_000, 1)];
    heads.expect(pending(0, 1));
    for (const party of stays) heads.expect(party);
    for (let at = 1; at < 20_000; at++) {
      const party = pending(at, 1);
      heads.expect(party);
      heads.settle(party);
    }
    expect(heads.get(fingerprintAt(1))).toBeUndefined();
    expect(heads.get(fingerprintAt(19_999))).toMatchObject(known(19_999, 1));
    for (const party of stays) {
      expect(heads.get(party.fingerprint)).toBe(party);
      heads.settle(party);
      expect(heads.get(party.fingerprint)).toMatchObject(known(party.slot, 1));
    }
  });

  test('one whose durable record was forgotten between being asked for and its next one is remembered again', () => {
    const heads = new NewestHeads();
    const first = pending(0, 1);
    heads.expect(first);
    heads.settle(first);
    const { seat } = heads.get(first.fingerprint) ?? {};
    for (let at = 1; at <= 20_000; at++) {
      const party = pending(at, 1);
      heads.expect(party);
      heads.settle(party);
    }
    expect(heads.get(first.fingerprint)).toBeUndefined();
    const next = { ...pending(0, 2), seat };
    heads.expect(next);
    expect(heads.get(first.fingerprint)).toBe(next);
    heads.settle(next);
    expect(heads.get(first.fingerprint)).toMatchObject(known(0, 2));
  });

  test('somebody who is erased is forgotten, also with a record under way', () => {
    const heads = new NewestHeads();
    const party = pending(1, 1);
    heads.expect(party);
    heads.forget(party.fingerprint);
    heads.settle(party);
    expect(heads.get(party.fingerprint)).toBeUndefined();
    heads.expect(pending(1, 1));
    heads.clear();
    expect(heads.get(party.fingerprint)).toBeUndefined();
  });
});
