import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { open } from 'lmdb';
import { expect, onTestFinished, test } from 'vitest';
import { type IndexedRecord, RecordIndex } from '../../src/provenance/record-index.ts';

const origin = 'example.org/calls';
const identities = ['a', 'b', 'c'].map((letter) => `${letter.repeat(51)}a`);
const root = new Uint8Array(32);

async function directoryForTest(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tibet-sip-index-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return directory;
}

function recordAt(position: number, parties: readonly string[], callId: string): IndexedRecord {
  const idBytes = new Uint8Array(32);
  new DataView(idBytes.buffer).setUint32(0, position * 2_654_435_761);
  idBytes[8] = position & 0xff;
  return {
    position,
    sipCallId: callId,
    facts: {
      idBytes,
      timeMs: position,
      event: position % 3 === 0 ? 'registration' : 'verification',
      call: undefined,
      parties: parties.map((fingerprint) => ({ fingerprint, role: 'subject', seq: 1, slot: 0 })),
      intent: `to ring phone ${position % 10}`,
      outcome: undefined,
      opensNode: undefined,
    },
  };
}

test('look-ups by identity, call and event agree with a walk over all records, in both directions', async () => {
  const directory = await directoryForTest();
  let index = await RecordIndex.open({ directory, origin, readOnly: false });
  const records = Array.from({ length: 1500 }, (_, position) =>
    recordAt(
      position,
      identities.filter((_, at) => (position >> at) % 2 === 1 || at === position % 5),
      `call-${position >> 2}`,
    ),
  );
  for (let at = 0; at < 1400; at += 70) {
    index.add(records.slice(at, at + 70));
    if (at % 210 === 0) await index.write({ size: Math.min(at, 1000), root });
  }
  await index.close();
  // What a crash had indexed already comes again.
  index = await RecordIndex.open({ directory, origin, readOnly: false });
  expect(index.size).toBe(1000);
  index.add(records.slice(1000, 1300));
  await index.write({ size: 1300, root });
  index.add(records.slice(1300));
  const position = fc.integer({ min: 0, max: 1600 });
  fc.assert(
    fc.property(
      position,
      position,
      fc.nat(2),
      fc.boolean(),
      fc.integer({ min: 1, max: 900 }),
      (from, to, who, newestFirst, limit) => {
        const identity = identities[who] ?? '';
        const expected = records
          .filter((record) => record.position >= from && record.position < to)
          .filter((record) => record.facts.parties.some(({ fingerprint }) => fingerprint === identity))
          .map((record) => record.position);
        if (newestFirst) expected.reverse();
        expect(index.positions({ identity }, { from, to }, newestFirst, limit)).toEqual(
          expected.slice(0, limit),
        );
      },
    ),
    { numRuns: 300 },
  );
  expect(index.positions({ callId: 'call-64' }, { from: 0, to: 1500 }, false, 10)).toEqual([
    256, 257, 258, 259,
  ]);
  expect(index.positions({ event: 'registration' }, { from: 250, to: 270 }, true, 10)).toEqual([
    267, 264, 261, 258, 255, 252,
  ]);
  await index.close();
});

test('what is written beyond the checkpoint still counts as what a start after a crash reads again', async () => {
  const index = await RecordIndex.open({ directory: await directoryForTest(), origin, readOnly: false });
  onTestFinished(() => index.close());
  index.add(Array.from({ length: 10 }, (_, position) => recordAt(position, identities, 'call')));
  expect(index.behind).toBe(10);
  await index.write({ size: 4, root });
  expect(index.behind).toBe(6);
  await index.write({ size: 10, root });
  expect(index.behind).toBe(0);
});

test('one record of a call from an identity to itself is found once', async () => {
  const index = await RecordIndex.open({ directory: await directoryForTest(), origin, readOnly: false });
  const identity = identities[0] ?? '';
  index.add([recordAt(0, [identity, identity], 'x')]);
  expect(index.positions({ identity }, { from: 0, to: 1 }, false, 10)).toEqual([0]);
  await index.close();
});

test('forgets an identity before a position, and single traces, and nothing else', async () => {
  const index = await RecordIndex.open({ directory: await directoryForTest(), origin, readOnly: false });
  const [one = '', other = ''] = identities;
  const records = Array.from({ length: 600 }, (_, position) => recordAt(position, [one, other], 'x'));
  index.add(records);
  await index.write({ size: 600, root });
  await index.forget(one, 300);
  await index.unlist([{ position: 7, intent: 'to ring phone 7', sipCallId: 'x' }]);
  const all = { from: 0, to: 600 };
  expect(index.positions({ identity: one }, all, false, 1000)).toEqual(positions(300, 600));
  expect(index.positions({ identity: other }, all, false, 1000)).toEqual(positions(0, 600));
  expect(index.positions({ callId: 'x' }, all, false, 9)).toEqual([0, 1, 2, 3, 4, 5, 6, 8, 9]);
  expect(index.positions({ intentWord: '7' }, all, false, 2)).toEqual([17, 27]);
  await index.close();
});

function positions(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}

test('an index of an older version is emptied, to be made anew from the log', async () => {
  const directory = await directoryForTest();
  const index = await RecordIndex.open({ directory, origin, readOnly: false });
  index.add([recordAt(0, identities, 'x')]);
  await index.write({ size: 1, root });
  await index.close();
  const tables = open<Buffer, Buffer>({
    path: directory,
    keyEncoding: 'binary',
    encoding: 'binary',
    maxDbs: 16,
  });
  const state = Buffer.from(tables.get(Buffer.from('state')) ?? []);
  state.writeUInt32BE(1);
  await tables.put(Buffer.from('state'), state);
  await tables.close();
  const again = await RecordIndex.open({ directory, origin, readOnly: false });
  expect(again.size).toBe(0);
  expect(again.positions({ identity: identities[0] ?? '' }, { from: 0, to: 1 }, false, 10)).toEqual([]);
  await again.close();
});

test('what was written does not stay mapped, and a walk over the heads goes on through it', async () => {
  const directory = await directoryForTest();
  const index = await RecordIndex.open({ directory, origin, readOnly: false });
  onTestFinished(() => index.close());
  const write = async (from: number, to: number): Promise<void> => {
    for (let at = from; at < to; at += 8192) {
      const end = Math.min(to, at + 8192);
      index.add(
        Array.from({ length: end - at }, (_, n) =>
          recordAt(at + n, identities.slice((at + n) % 3), `call-${at + n}`),
        ),
      );
      // As on the call path: whoever looks something up meanwhile is answered.
      const written = index.write({ size: end, root });
      const state = { done: false };
      void written.finally(() => {
        state.done = true;
      });
      while (!state.done) {
        expect(index.head(identities[2] ?? '')).toBeDefined();
        await new Promise((resolve) => setImmediate(resolve));
      }
      await written;
    }
  };
  await write(0, 16_384);
  const walk = index.heads();
  walk.next();
  await write(16_384, 40_960);
  expect([...walk]).toHaveLength(2);
  await write(40_960, 49_152);
  expect(index.positions({ callId: 'call-20000' }, { from: 0, to: 60_000 }, false, 5)).toEqual([20_000]);
  const mapped = await mappedKb(join(directory, 'data.mdb'));
  expect(mapped).toBeLessThan(1_024);
});

/** Of a file, by this process. */
async function mappedKb(path: string): Promise<number> {
  const regions = (await readFile('/proc/self/smaps', 'utf8')).split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/);
  const own = regions.filter((region) => region.split('\n')[0]?.endsWith(path));
  return own.reduce((sum, region) => sum + Number(/^Rss:\s+(\d+)/m.exec(region)?.[1]), 0);
}
