import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeBundle, splitBundle } from '../../src/provenance/bundle.ts';
import { type LogVerdict, verifyLog } from '../../src/provenance/index.ts';
import { signingKeyFromSeed } from '../../src/tokens/index.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { draft, openLog, scratch, settled } from './support/test-log.ts';

// Each test carries the number of the statement that it shows.

let directory: ReturnType<typeof scratch>;
beforeEach(() => {
  directory = scratch();
});
afterEach(() => directory.dispose());

const entries = 'public/tile/entries/000.p/5';

async function chainOf(
  count: number,
  seed = 7,
  parentOf: (before: readonly string[]) => readonly string[] = (before) => before.slice(-1),
): Promise<{ disk: SimulatedDisk; vkey: string }> {
  const disk = new SimulatedDisk();
  const checkpointKey = signingKeyFromSeed(new Uint8Array(32).fill(seed));
  const limits = { checkpointDelayMs: 60_000 };
  const log = await openLog(directory.path, { storage: disk, checkpointKey, limits });
  const ids: string[] = [];
  for (let at = 0; at < count; at++) {
    const written = log.append(draft(`event ${at}`, { eraan: { parents: parentOf(ids) } }));
    await settled(written);
    ids.push(written.id);
  }
  await log.close();
  return { disk, vkey: log.vkey };
}

const verify = (storage: SimulatedDisk, vkey: string): Promise<LogVerdict> =>
  verifyLog({ directory: '', storage, vkey });

/** The verdict on a log of four records and its beginning, whose entries somebody has changed. */
async function tampered(change: (items: Uint8Array[]) => Uint8Array[]): Promise<LogVerdict> {
  const { disk, vkey } = await chainOf(4);
  expect(await verify(disk, vkey)).toMatchObject({ valid: true, size: 5 });
  disk.tamper(entries, (bytes) => Buffer.from(encodeBundle(change(splitBundle(bytes, 2)), 2)));
  return verify(disk, vkey);
}

const nothing = new Uint8Array(0);

test.each<[string, (items: Uint8Array[]) => Uint8Array[]]>([
  [
    'a changed byte',
    (items) =>
      items.map((item, at) =>
        at === 2 ? item.map((byte, place) => (place === 60 ? byte ^ 1 : byte)) : item,
      ),
  ],
  ['a removed record', (items) => items.toSpliced(2, 1)],
  ['records in another order', (items) => items.toSpliced(2, 2, items[3] ?? nothing, items[2] ?? nothing)],
])('seed 13: %s makes the whole log fail', async (_, change) => {
  expect(await tampered(change)).toMatchObject({ valid: false });
});

test('seed 13: a record whose parent is not in the log fails', async () => {
  const { disk, vkey } = await chainOf(4, 7, (before) =>
    before.length === 2 ? ['a'.repeat(52)] : before.slice(-1),
  );
  const { valid, problems } = await verify(disk, vkey);
  expect(valid).toBe(false);
  expect(problems).toContainEqual(expect.objectContaining({ kind: 'parent' }));
});

test('seed 14: a log that carries another key, with good signatures by it, fails with the registered one', async () => {
  const { vkey } = await chainOf(4);
  directory.dispose();
  directory = scratch();
  const forged = await chainOf(4, 8);
  expect(await verify(forged.disk, forged.vkey)).toMatchObject({ valid: true });
  expect(await verify(forged.disk, vkey)).toMatchObject({ valid: false });
});

test('seed 15: the canonical form has a name, and published vectors that are accepted and refused', () => {
  const page = readFileSync(new URL('../../docs/formats.md', import.meta.url), 'utf8');
  expect(page).toContain('deterministic form of RFC 8949 §4.2.1');
  for (const name of ['cbor', 'cose', 'identity-token', 'intent-token', 'identity-links']) {
    expect(page).toContain(`\`${name}.json\``);
    const text = readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8');
    const vectors = JSON.parse(text) as { readonly invalid: object };
    expect(Object.keys(vectors.invalid).length, name).toBeGreaterThan(0);
  }
});
