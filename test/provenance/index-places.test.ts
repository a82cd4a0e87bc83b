import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  bucketOf,
  groupRecords,
  groupSteps,
  type PlaceKind,
  Places,
  type PositionRange,
  segmentRecords,
  type Tag,
} from '../../src/provenance/index-places.ts';
import { IndexTables } from '../../src/provenance/index-tables.ts';

const kinds = ['id', 'identity', 'call', 'event'] as const;
const every: PositionRange = { from: 0, to: 2 * groupRecords };
const ids: Tag = { kind: 'id', high: 0, low: 0 };

/** Spread over all buckets, as digests are. */
function tagAt(kind: PlaceKind, number: number): Tag {
  return { kind, high: (number * 2_654_435_761) >>> 0, low: number };
}

/** A group of segments and one more, a hundred places of each kind in each of them. */
async function filled(): Promise<{ readonly tables: IndexTables; readonly places: Places }> {
  const directory = await mkdtemp(join(tmpdir(), 'tibet-sip-places-'));
  const tables = new IndexTables(directory, false);
  onTestFinished(async () => {
    await tables.root.close();
    await rm(directory, { recursive: true });
  });
  const places = new Places(tables);
  for (let segment = 0; segment <= groupRecords / segmentRecords; segment++)
    await tables.root.transaction(() => {
      for (const kind of kinds)
        for (let at = 0; at < 100; at++) {
          const { high, low } = tagAt(kind, at % 70);
          const place = Buffer.alloc(10);
          place.writeUInt32BE(high);
          place.writeUInt32BE(low, 4);
          place.writeUInt16BE(at * 81, 8);
          places.append(segment, bucketOf(kind, high), place);
        }
    });
  return { tables, places };
}

async function grouped(tables: IndexTables, places: Places, steps: number = groupSteps): Promise<void> {
  for (let step = 0; step < steps; step++) await tables.root.transaction(() => places.group(0, step));
}

function found(places: Places): unknown {
  const within = { from: segmentRecords / 2, to: groupRecords + segmentRecords / 3 };
  return kinds.map((kind) =>
    [0, 5, 65, 80].map((number) => {
      const tag = tagAt(kind, number);
      return [
        places.positions(tag, every, false, 1_000),
        places.positions(tag, every, true, 7),
        places.positions(tag, within, true, 1_000),
        places.positions(tag, within, false, 5),
      ];
    }),
  );
}

/** Ids that begin with the first `bits` of one. */
function beginning(places: Places, number: number, bits: number): readonly number[] {
  const mask = { high: bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0, low: 0 };
  const tag = { ...ids, high: (tagAt('id', number).high & mask.high) >>> 0 };
  return places.startingWith(tag, mask, every, 100_000).sort((a, b) => a - b);
}

test('a group of segments holds what its segments held, at every moment of being made', async () => {
  const { tables, places } = await filled();
  const before = found(places);
  const whole = beginning(places, 3, 0);
  const some = beginning(places, 3, 6);
  expect(whole.length).toBe(12_900);
  expect(some.length).toBeGreaterThan(129);
  for (let step = 0; step < groupSteps; step++) {
    await tables.root.transaction(() => places.group(0, step));
    if (step % 20 > 0) continue;
    expect(found(places)).toEqual(before);
    expect(beginning(places, 3, 0)).toEqual(whole);
  }
  expect(found(places)).toEqual(before);
  expect(beginning(places, 3, 0)).toEqual(whole);
  expect(beginning(places, 3, 6)).toEqual(some);
  expect(places.startingWith(ids, { high: 0, low: 0 }, { from: 0, to: 0 }, 10)).toEqual([]);
});

test('making a group that a crash has left half-made loses nothing', async () => {
  const { tables, places } = await filled();
  const before = found(places);
  await grouped(tables, places, 17);
  await grouped(tables, places);
  expect(found(places)).toEqual(before);
});

test('what is taken out of a group is gone, and the end of the log is cut off without it', async () => {
  const { tables, places } = await filled();
  await grouped(tables, places);
  const tag = tagAt('call', 5);
  const positions = places.positions(tag, every, false, 1_000);
  const [, gone = 0] = positions;
  await tables.root.transaction(() => {
    places.remove(tag, Math.floor(gone / segmentRecords), { from: gone, to: gone + 1 });
    places.trim(groupRecords);
  });
  expect(places.positions(tag, every, false, 1_000)).toEqual(
    positions.filter((one) => one !== gone && one < groupRecords),
  );
});
