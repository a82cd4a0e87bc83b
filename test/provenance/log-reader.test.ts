import { beforeEach, describe, expect, test } from 'vitest';
import { splitBundle } from '../../src/provenance/bundle.ts';
import { LogReader } from '../../src/provenance/log-reader.ts';
import { splitOpenings } from '../../src/provenance/openings-file.ts';
import type { PartlyReadable } from '../../src/provenance/storage.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { draft, openLog, scratch, settled } from './support/test-log.ts';

const size = 600;
const entriesFiles = ['000', '001', '002.p/88'].map((name) => `public/tile/entries/${name}`);
const openingsFiles = ['000', '001', '002'].map((name) => `openings/${name}`);
const noBytes = Buffer.alloc(0);

let disk: SimulatedDisk;
let entries: Uint8Array[];
let openings: Uint8Array[];

beforeEach(async () => {
  const directory = scratch();
  disk = new SimulatedDisk();
  const log = await openLog(directory.path, { storage: disk });
  const appended = Array.from({ length: size - 1 }, (_, at) =>
    log.append(draft(`event ${at} `.repeat(1 + (at % 7)))),
  );
  await Promise.all(appended.map(settled));
  await log.close();
  directory.dispose();
  entries = [];
  openings = [];
  for (const path of entriesFiles) entries.push(...splitBundle((await disk.read(path)) ?? noBytes, 2));
  for (const path of openingsFiles) openings.push(...splitOpenings((await disk.read(path)) ?? noBytes));
});

/** Counts what is read of the log's files. */
function counting(): { readonly storage: PartlyReadable; bytes: number; whole: number } {
  const counted = { storage: disk, bytes: 0, whole: 0 };
  const storage: PartlyReadable = {
    read: async (path) => {
      counted.whole++;
      return disk.read(path);
    },
    readPart: async (path, start, end) => {
      const bytes = await disk.readPart(path, start, end);
      counted.bytes += bytes?.length ?? 0;
      return bytes;
    },
  };
  return Object.assign(counted, { storage });
}

async function expectRecord(reader: LogReader, position: number, logSize: number = size): Promise<void> {
  const { entry, opening } = await reader.raw(position, logSize);
  expect(Buffer.compare(entry, entries[position] ?? noBytes)).toBe(0);
  expect(Buffer.compare(opening, openings[position] ?? noBytes)).toBe(0);
}

describe('a record by itself', () => {
  test('is read without the rest of its bundle, wherever it lies', async () => {
    const counted = counting();
    const reader = new LogReader(counted.storage);
    for (const position of [0, 255, 2, 256, 511, 400, 512, 599, 77, 77]) await expectRecord(reader, position);
    expect(counted.whole).toBe(0);
    const heads = 3 * 2_056;
    expect(counted.bytes - heads).toBeLessThan(10 * 3_000);
  });

  test('is read from a partial bundle that a wider one has replaced', async () => {
    await expectRecord(new LogReader(disk), 300, 301);
  });

  test('is read from the whole file where a head is missing, as earlier builds wrote it, or leads nowhere', async () => {
    const changes: readonly ((file: Buffer) => Buffer)[] = [
      (file) => file.subarray(8 + 8 * file.readUInt32BE(4)),
      (file) => file.fill(0xff, 8, 8 + 8 * 200),
      (file) => file.fill(0, 8, 8 + 8 * 200),
    ];
    const file = Buffer.from((await disk.read('openings/000')) ?? noBytes);
    for (const change of changes) {
      disk.tamper('openings/000', () => change(Buffer.from(file)));
      for (const position of [0, 9, 150]) await expectRecord(new LogReader(disk), position);
    }
  });

  test('that the log does not have is said not to be there', async () => {
    await expect(new LogReader(disk).raw(size, size)).rejects.toMatchObject({ code: 'record-unknown' });
  });
});

test('records one after the other are read bundle by bundle, in both directions', async () => {
  const counted = counting();
  const reader = new LogReader(counted.storage);
  for (let position = 0; position < size; position++) await expectRecord(reader, position);
  for (let position = size - 1; position >= 0; position--) await expectRecord(reader, position);
  // Entries and openings; the last bundle's entries are partial.
  expect(counted.whole).toBe(6);
});
