import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeBundle, splitBundle } from '../../src/provenance/bundle.ts';
import { type LogVerdict, verifyLog } from '../../src/provenance/index.ts';
import { encodeOpenings, splitOpenings } from '../../src/provenance/openings-file.ts';
import { signNote } from '../../src/provenance/signed-note.ts';
import { generateSigningKey } from '../../src/tokens/index.ts';
import { SimulatedDisk, seeded } from './support/simulated-disk.ts';
import {
  attempt,
  checkpointKey,
  closing,
  draft,
  openLog,
  origin,
  scratch,
  settled,
} from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
let disk: SimulatedDisk;
let vkey: string;
beforeEach(() => {
  directory = scratch();
  disk = new SimulatedDisk();
});
afterEach(() => directory.dispose());

async function logOf(count: number): Promise<void> {
  const log = await openLog(directory.path, { storage: disk, limits: { checkpointDelayMs: 60_000 } });
  for (let at = 0; at < count; at++) await settled(log.append(draft(`event ${at}`)));
  await log.close();
  vkey = log.vkey;
}

const verify = (): Promise<LogVerdict> => verifyLog({ directory: '', storage: disk, vkey });

/** Changes the items of a bundle file. */
function rebundle(path: string, change: (items: Uint8Array[]) => Uint8Array[]): void {
  disk.tamper(path, (bytes) => Buffer.from(encodeBundle(change(splitBundle(bytes, 2)), 2)));
}

const entries = 'public/tile/entries/000.p/6';

describe('a verdict is come to', () => {
  beforeEach(() => logOf(5));

  test.each([
    ['and signs for it', checkpointKey],
    ['and nobody signed it', generateSigningKey()],
  ])('when the checkpoint speaks of more records than any log can have, %s', async (_, key) => {
    const note = signNote(`${origin}\n${Number.MAX_SAFE_INTEGER}\n${'A'.repeat(43)}=\n`, origin, key);
    disk.tamper('public/checkpoint', () => Buffer.from(note));
    const { valid, problems } = await verify();
    expect(valid).toBe(false);
    expect(problems.map(({ message }) => message)).toContain('the records from 512 on are missing');
  });

  test('when a file has the number of a bundle that no log can have', async () => {
    const file = 'public/tile/entries/x999/x999/x999/x999/999';
    disk.plant(file, Buffer.alloc(32));
    const { problems } = await verify();
    expect(problems).toEqual([expect.objectContaining({ kind: 'unexpected-file', file })]);
  });
});

describe('a verdict names the record', () => {
  beforeEach(() => logOf(5));

  test('that was changed', async () => {
    rebundle(entries, (items) =>
      items.map((item, at) =>
        at === 3 ? item.map((byte, place) => (place === 50 ? byte ^ 1 : byte)) : item,
      ),
    );
    const { valid, problems } = await verify();
    expect(valid).toBe(false);
    expect(problems).toContainEqual(expect.objectContaining({ kind: 'entry', record: 3, file: entries }));
  });

  test('that was dropped', async () => {
    rebundle(entries, (items) => items.toSpliced(2, 1));
    const { problems } = await verify();
    expect(problems[0]).toMatchObject({
      kind: 'bundle',
      file: entries,
      message: expect.stringContaining('1 of its 6'),
    });
    expect(problems).toContainEqual(
      expect.objectContaining({ kind: 'entry', record: 2, message: expect.stringContaining('record 3') }),
    );
  });

  test('that was swapped with another', async () => {
    rebundle(entries, (items) =>
      items.toSpliced(2, 2, items[3] ?? Buffer.alloc(0), items[2] ?? Buffer.alloc(0)),
    );
    const { problems } = await verify();
    for (const record of [2, 3])
      expect(problems).toContainEqual(
        expect.objectContaining({ kind: 'entry', record, message: expect.stringContaining('swapped') }),
      );
  });

  test('whose opening was changed or moved', async () => {
    const published = splitBundle((await disk.read(entries)) ?? Buffer.alloc(0), 2);
    disk.tamper('openings/000', (bytes) => {
      const items = splitOpenings(bytes);
      const swapped = items.toSpliced(2, 2, items[3] ?? Buffer.alloc(0), items[2] ?? Buffer.alloc(0));
      return Buffer.from(encodeOpenings(swapped, published, bytes));
    });
    const { problems } = await verify();
    for (const record of [2, 3])
      expect(problems).toContainEqual(
        expect.objectContaining({ kind: 'opening', record, file: 'openings/000' }),
      );
  });
});

describe('a verdict names the file', () => {
  beforeEach(() => logOf(5));

  test.each(['public/checkpoint', 'public/vkey', entries, 'public/tile/0/000.p/6', 'openings/000'])(
    'that is missing: %s',
    async (path) => {
      disk.delete(path);
      const { valid, problems } = await verify();
      expect(valid).toBe(false);
      expect(problems.map(({ file }) => file)).toContain(path);
    },
  );

  test.each([
    'public/tile/0/001',
    'public/tile/entries/007',
    'openings/001',
    'public/other',
    'note.txt',
    'journal/x',
    'public/tile/0/0',
  ])('that nothing accounts for: %s', async (path) => {
    disk.plant(path, Buffer.alloc(32));
    expect((await verify()).problems).toContainEqual(
      expect.objectContaining({ kind: 'unexpected-file', file: path }),
    );
  });

  test('but takes what a crash left in the temporary directory for what it is', async () => {
    disk.plant('tmp/7', Buffer.alloc(10));
    const { valid, notes } = await verify();
    expect(valid).toBe(true);
    expect(notes.join()).toContain('tmp/7');
  });

  test('the key that the auditor brings counts, not the one in the directory', async () => {
    const other = `${vkey.slice(0, -2)}A=`;
    expect((await verifyLog({ directory: '', storage: disk, vkey: other })).valid).toBe(false);
    const unpinned = await verifyLog({ directory: '', storage: disk });
    expect(unpinned).toMatchObject({ valid: true, vkey });
    expect(unpinned.notes.join()).toContain("the log's own copy");
  });
});

test('a log of several bundles: full tiles, upper levels, and random flips in each file', async () => {
  await logOf(0);
  const log = await openLog(directory.path, { storage: disk, limits: { checkpointDelayMs: 60_000 } });
  for (let call = 0; call < 300; call++) {
    log.append(attempt(`c${call}`));
    log.append(closing(`c${call}`));
  }
  await log.close();
  expect(await verify()).toMatchObject({ valid: true, size: 602, openCalls: 0, identities: 2 });
  const random = seeded(4711);
  for (const path of disk.files()) {
    const length = (await disk.read(path))?.length ?? 0;
    for (let round = 0; round < 2 && length > 0; round++) {
      const at = Math.floor(random() * length);
      const flip = (bytes: Buffer): Buffer => {
        bytes[at] = (bytes[at] ?? 0) ^ 0x80;
        return bytes;
      };
      disk.tamper(path, flip);
      const { valid, problems } = await verify();
      disk.tamper(path, flip);
      if (valid || !problems.some(({ file }) => file === path)) expect.fail(`${path} byte ${at}`);
    }
  }
});

test('property 5 (non-equivocation): an operator who rewrites the whole log cannot hide it from a checkpoint that somebody kept', async () => {
  await logOf(3);
  const kept = Buffer.from((await disk.read('public/checkpoint')) ?? []);
  const other = scratch();
  const forged = new SimulatedDisk();
  const log = await openLog(other.path, { storage: forged });
  for (let at = 0; at < 3; at++) await settled(log.append(draft(`another event ${at}`)));
  await log.close();
  other.dispose();
  forged.tamper('public/checkpoint', () => kept);
  const { problems } = await verifyLog({ directory: '', storage: forged, vkey });
  expect(problems.map(({ kind }) => kind)).toContain('root');
});
