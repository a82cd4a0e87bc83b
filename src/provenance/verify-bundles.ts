import { encodeBundle, entryLengthBytes, splitBundle } from './bundle.ts';
import { ProvenanceError } from './error.ts';
import type { LogInventory } from './log-inventory.ts';
import { hashBytes, leafHash } from './merkle-tree.ts';
import { encodeOpenings, splitOpenings } from './openings-file.ts';
import type { RawRecord } from './record.ts';
import type { Storage } from './storage.ts';
import { bundlePath, openingsPath, tilePath, tileWidth, widthOf } from './tile-layout.ts';
import { extendTree, type TileTree } from './tile-tree.ts';
import { type Findings, notAccountedFor } from './verdict.ts';
import type { RecordVerifier } from './verify-records.ts';
import { type TileFiles, TreeVerifier, tileFaults } from './verify-tree.ts';

export interface BundleVerifierOptions {
  readonly storage: Storage;
  /** Somebody is writing: files may come, grow and go. */
  readonly live: boolean;
  readonly findings: Findings;
  readonly records: RecordVerifier;
  readonly inventory: LogInventory;
  /** Of the tree under the checkpoint. */
  readonly size: number;
  /** Records of the journal that follow on it. */
  readonly beyond: readonly RawRecord[];
}

/** Checks entries, openings and tiles, bundle by bundle, so that a log of any size fits into memory. */
export class BundleVerifier {
  readonly #options: BundleVerifierOptions;
  readonly #tree = new TreeVerifier();
  readonly #tileFiles: TileFiles;

  constructor(options: BundleVerifierOptions) {
    this.#options = options;
    this.#tileFiles = options;
  }

  /** One bundle of the signed tree, in order from the first. */
  async check(index: number): Promise<void> {
    const { size, records } = this.#options;
    const width = widthOf(size, 0, index);
    const bundle = await this.#either(bundlePath(index, width), bundlePath(index, tileWidth));
    const file = bundle.path;
    const entries = this.#items(bundle, width, (bytes) => splitBundle(bytes, entryLengthBytes), 'bundle');
    const opened = { path: openingsPath(index), bytes: await this.#read(openingsPath(index)) };
    const openings = this.#items(opened, width, splitOpenings, 'opening');
    const tile = await this.#either(tilePath(0, index, width), tilePath(0, index, tileWidth));
    const hashes = hashesIn(tile.bytes, width);
    await this.#tree.add({ index, width, entries, hashes, file }, this.#tileFiles);
    for (const [at, entry] of entries.entries()) {
      const opening = openings[at];
      if (opening) records.check({ position: index * tileWidth + at, entry, opening }, file);
    }
    await this.#checkVersions(index, { entries, openings });
  }

  /** After the last bundle: whether all of it leads to the signed root, and whether files are left over. */
  async conclude(root: Uint8Array): Promise<void> {
    const { findings, inventory, size } = this.#options;
    const tree = await this.#tree.conclude(root, this.#tileFiles, findings);
    for (const index of inventory.indexes)
      if (index * tileWidth >= size) await this.#checkVersions(index, { entries: [], openings: [] });
    await this.#checkWiderTiles(tree);
  }

  /** A partial version, or the full one that has replaced it. */
  async #either(path: string, full: string): Promise<FileRead> {
    const bytes = await this.#read(path);
    const replaced = bytes || path === full ? undefined : await this.#read(full);
    return replaced ? { path: full, bytes: replaced } : { path, bytes };
  }

  #read(path: string): Promise<Uint8Array | undefined> {
    return this.#options.storage.read(path);
  }

  #items(
    { path, bytes }: FileRead,
    width: number,
    split: (bytes: Uint8Array) => Uint8Array[],
    kind: 'bundle' | 'opening',
  ): Uint8Array[] {
    const { findings } = this.#options;
    try {
      const items = bytes ? split(bytes) : [];
      if (items.length < width)
        findings.problem(kind, `${width - items.length} of its ${width} records are missing`, { file: path });
      return items.slice(0, width);
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      findings.problem(kind, error.message, { file: path });
      return [];
    }
  }

  /** All versions of one bundle must begin alike, and none may hold more than checkpoint and journal account for. */
  async #checkVersions(index: number, known: Items): Promise<void> {
    const { inventory, size, beyond } = this.#options;
    const start = index * tileWidth;
    const more = beyond.filter(({ position }) => position >= start && position < start + tileWidth);
    const entries = [...known.entries, ...more.map(({ entry }) => entry)];
    const openings = [...known.openings, ...more.map(({ opening }) => opening)];
    for (const width of inventory.bundles.get(bundlePath(index, tileWidth)) ?? []) {
      const path = bundlePath(index, width);
      const expected = encodeBundle(entries.slice(0, width), entryLengthBytes);
      if (width > entries.length) this.#unexpected(path);
      else if (!(await this.#same(path, expected)))
        this.#differs(path, 'bundle', width === tileWidth && start + width > size);
    }
    const path = openingsPath(index);
    if (!inventory.openings.has(path)) return;
    const bytes = (await this.#read(path)) ?? new Uint8Array(0);
    const count = countOf(bytes);
    const unfinished = start >= size && more.length > 0;
    if (!unfinished && (count > openings.length || count < widthOf(size, 0, index))) this.#unexpected(path);
    else if (
      !(await this.#same(path, encodeOpenings(openings.slice(0, count), entries.slice(0, count), bytes)))
    )
      this.#differs(path, 'opening', unfinished);
  }

  async #same(path: string, expected: Uint8Array): Promise<boolean> {
    const bytes = await this.#read(path);
    // What has just been replaced by a longer version was checked as part of that one.
    if (this.#options.live && (!bytes || bytes.length > expected.length)) return true;
    return bytes !== undefined && Buffer.compare(bytes, expected) === 0;
  }

  /** `unfinished`: no checkpoint covers it yet, and it is written where it lies. */
  #differs(path: string, kind: 'bundle' | 'opening' | 'tile', unfinished: boolean): void {
    const { live, findings } = this.#options;
    if (!unfinished) findings.problem(kind, contradicts[kind], { file: path });
    else if (!live) findings.note(`${path} is a write that did not finish; the next start repeats it`);
  }

  /** Tiles wider than the signed tree: what a crash left between tiles and checkpoint, or nothing we know. */
  async #checkWiderTiles(tree: TileTree): Promise<void> {
    const { inventory, size, beyond } = this.#options;
    const leaves = beyond.map(({ entry }) => leafHash(entry));
    const extended = new Map(
      extendTree(tree, leaves).tiles.map((tile) => [tilePath(tile.level, tile.index, tileWidth), tile]),
    );
    for (const [full, widths] of inventory.tiles) {
      const [level, index] = coordinatesOf(full);
      const signed = widthOf(size, level, index);
      if (widths.every((width) => width <= signed)) continue;
      const tile = extended.get(full);
      for (const width of widths)
        if (width > signed && width > (tile?.hashes.length ?? 0))
          this.#unexpected(tilePath(level, index, width));
      for (const path of tile ? await tileFaults(tile, this.#tileFiles, false) : [])
        this.#differs(path, 'tile', path === full);
    }
  }

  #unexpected(path: string): void {
    const { live, findings } = this.#options;
    if (!live) findings.problem('unexpected-file', notAccountedFor, { file: path });
  }
}

const contradicts = {
  bundle: 'it differs from other copies of the same records',
  opening: 'it differs from other copies of the same records',
  tile: 'it does not follow from the entries',
} as const;

interface FileRead {
  readonly path: string;
  readonly bytes: Uint8Array | undefined;
}

interface Items {
  readonly entries: readonly Uint8Array[];
  readonly openings: readonly Uint8Array[];
}

function hashesIn(tile: Uint8Array | undefined, width: number): readonly Uint8Array[] {
  const count = Math.min(width, Math.floor((tile?.length ?? 0) / hashBytes));
  return Array.from({ length: count }, (_, at) => {
    return (tile ?? new Uint8Array(0)).subarray(at * hashBytes, (at + 1) * hashBytes);
  });
}

/** Openings in a file; more than any file has when it cannot be read. */
function countOf(bytes: Uint8Array): number {
  try {
    return splitOpenings(bytes).length;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Level and index of a full tile's path. */
function coordinatesOf(path: string): readonly [number, number] {
  const [, , level = '0', ...index] = path.split('/');
  return [Number(level), Number(index.map((part) => part.replace('x', '')).join(''))];
}
