import { describe, expect, test } from 'vitest';
import { encodeBase32 } from '../../src/base/index.ts';
import { sha256 } from '../../src/provenance/digest.ts';
import { PartySlots, partyKeysMagic, slotBytes } from '../../src/provenance/party-slots.ts';

const fingerprintAt = (at: number): string => encodeBase32(sha256(Buffer.from(`party ${at}`)));
const keyAt = (at: number): Buffer => sha256(Buffer.from(`key ${at}`));

function filled(count: number): PartySlots {
  const slots = new PartySlots(undefined);
  for (let at = 0; at < count; at++) slots.add(fingerprintAt(at), keyAt(at));
  return slots;
}

function fileOf(slots: PartySlots): Buffer {
  return Buffer.concat([partyKeysMagic, slots.encoded(0, slots.length)]);
}

describe('slots of party keys', () => {
  test('each of many is found while they come, and again from the file', () => {
    const slots = new PartySlots(undefined);
    for (let at = 0; at < 5_000; at++) {
      expect(slots.find(fingerprintAt(at))).toBeUndefined();
      expect(slots.add(fingerprintAt(at), keyAt(at))).toBe(at);
      expect(slots.find(fingerprintAt(at))).toBe(at);
    }
    const read = new PartySlots(fileOf(slots));
    for (let at = 0; at < 5_000; at += 7) {
      expect(read.find(fingerprintAt(at))).toBe(at);
      expect(Buffer.from(read.keyIn(at))).toEqual(keyAt(at));
      expect(read.fingerprintIn(at)).toBe(fingerprintAt(at));
    }
    expect(read.find(fingerprintAt(5_000))).toBeUndefined();
  });

  test('what is erased is found no more, and its party comes back to another slot', () => {
    const slots = filled(3);
    slots.markErasing(1);
    expect(slots.find(fingerprintAt(1))).toBeUndefined();
    expect(slots.inState('erasing')).toEqual([1]);
    slots.erase(1);
    expect(slots.add(fingerprintAt(1), keyAt(9))).toBe(3);
    expect(new PartySlots(fileOf(slots)).find(fingerprintAt(1))).toBe(3);
    expect(slots.inState('erased')).toEqual([1]);
    expect(fileOf(slots).includes(keyAt(1))).toBe(false);
  });

  test('a damaged slot counts for nothing, the ones beside it go on', () => {
    const file = fileOf(filled(3));
    file[partyKeysMagic.length + slotBytes + 50] = (file[partyKeysMagic.length + slotBytes + 50] ?? 0) ^ 1;
    const slots = new PartySlots(file);
    expect([0, 1, 2].map((slot) => slots.stateOf(slot))).toEqual(['live', undefined, 'live']);
    expect(slots.find(fingerprintAt(1))).toBeUndefined();
    expect(slots.add(fingerprintAt(1), keyAt(1))).toBe(3);
    expect(slots.find(fingerprintAt(1))).toBe(3);
  });

  test('property 14 (crash-safe): a file of which a power cut has left zeros counts as none, a changed one does not', () => {
    const file = fileOf(filled(2));
    for (const kept of [0, 1, partyKeysMagic.length - 1])
      expect(new PartySlots(Buffer.from(file).fill(0, kept))).toMatchObject({ isNew: true, length: 0 });
    expect(new PartySlots(Buffer.from(file).fill(0, partyKeysMagic.length)).isNew).toBe(false);
    for (const changed of [file.fill(0, 0, 4), Buffer.from(file).fill(1, 3, 4)])
      expect(() => new PartySlots(changed)).toThrow(expect.objectContaining({ code: 'party-keys-damaged' }));
  });
});
