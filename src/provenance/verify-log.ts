import {
  encodeBundle,
  entryLengthBytes,
  type LengthBytes,
  openingLengthBytes,
  splitBundle,
} from './bundle.ts';
import { type Checkpoint, openCheckpoint, peekCheckpoint } from './checkpoint.ts';
import { DiskStorage, lockFileName } from './disk-storage.ts';
import { ProvenanceError } from './error.ts';
import { readJournal } from './journal.ts';
import { isSegmentName } from './journal-frame.ts';
import { type LogInventory, takeInventory } from './log-inventory.ts';
import { emptyRoot, leafHash } from './merkle-tree.ts';
import type { RawRecord } from './record.ts';
import { parseVkey } from './signed-note.ts';
import { type Storage, temporaryDirectory } from './storage.ts';
import {
  bundlePath,
  checkpointPath,
  journalDirectory,
  openingsPath,
  tilePath,
  tileWidth,
  vkeyPath,
  widthOf,
} from './tile-layout.ts';
import { extendTree, type TileTree } from './tile-tree.ts';
import { Findings, type LogVerdict } from './verdict.ts';
import { RecordVerifier } from './verify-records.ts';
import { type TileFiles, TreeVerifier, tileFaults } from './verify-tree.ts';

export interface VerifyLogOptions {
  readonly directory: string;
  /** The key that the auditor trusts. Without it the log's own copy is used, and the verdict says so. */
  readonly vkey?: string;
  readonly onProgress?: (done: { readonly records: number; readonly size: number }) => void;
  readonly signal?: AbortSignal;
  readonly storage?: Storage;
}

/**
 * Checks every byte under a log's directory, offline: signature, tree, entries, openings, receipts, the sequences
 * of identities and calls, the journal. Finds faults, never throws for them. A log that is being written to at
 * the same time is checked up to where it stood.
 */
export async function verifyLog(options: VerifyLogOptions): Promise<LogVerdict> {
  const storage = options.storage ?? new DiskStorage(options.directory);
  return new LogVerification(options, storage, await storage.locked()).run();
}

class LogVerification {
  readonly #options: VerifyLogOptions;
  readonly #storage: Storage;
  /** Somebody is writing: files may come, grow and go. */
  readonly #live: boolean;
  readonly #findings = new Findings();
  readonly #records = new RecordVerifier(this.#findings);
  readonly #tree = new TreeVerifier();

  constructor(options: VerifyLogOptions, storage: Storage, live: boolean) {
    this.#options = options;
    this.#storage = storage;
    this.#live = live;
  }

  async run(): Promise<LogVerdict> {
    const inventory = await takeInventory(this.#storage);
    const vkey = await this.#vkey();
    // The journal first: what it lets go of meanwhile is under the checkpoint that is read after it.
    const journal = await this.#journal();
    const head = vkey === undefined ? undefined : await this.#checkpoint(vkey);
    if (!head) return this.#verdict(undefined, 0, vkey);
    const beyond = this.#beyond(journal, head.size);
    await this.#bundles(inventory, head, beyond);
    this.#others(inventory);
    for (const raw of beyond) this.#records.check(raw, journalDirectory);
    return this.#verdict(head, beyond.length, vkey);
  }

  async #vkey(): Promise<string | undefined> {
    const file = await this.#storage.read(vkeyPath);
    const own = file && Buffer.from(file).toString();
    const given = this.#options.vkey;
    if (given === undefined)
      this.#findings.note("checked against the log's own copy of its key: give the key that you trust");
    if (own === undefined) this.#findings.problem('vkey', 'the file is missing', { file: vkeyPath });
    else if (own !== `${given ?? own.trimEnd()}\n`)
      this.#findings.problem('vkey', 'it is not the key of this log', { file: vkeyPath });
    return given ?? own?.trimEnd();
  }

  async #checkpoint(vkey: string): Promise<Checkpoint | undefined> {
    const file = await this.#storage.read(checkpointPath);
    if (!file) {
      this.#findings.problem('checkpoint', 'the file is missing', { file: checkpointPath });
      return undefined;
    }
    const note = Buffer.from(file).toString();
    try {
      if (Buffer.compare(Buffer.from(note), file) !== 0)
        throw new ProvenanceError('note-malformed', 'it is not valid UTF-8');
      return openCheckpoint(note, parseVkey(vkey));
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      this.#findings.problem('checkpoint', error.message, { file: checkpointPath });
      return peek(note);
    }
  }

  async #journal(): Promise<readonly RawRecord[]> {
    try {
      const { frames, tornBytes, segments } = await readJournal(this.#storage);
      if (tornBytes > 0 && !this.#live)
        this.#findings.problem(
          'journal',
          `its last ${tornBytes} bytes are no whole record: a crash tore the last write, or they were changed`,
          { file: segments.at(-1)?.path ?? journalDirectory },
        );
      return frames.flatMap(({ records }) => records);
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      if (!this.#live) this.#findings.problem('journal', error.message, { file: journalDirectory });
      return [];
    }
  }

  /** Records of the journal that the checkpoint does not cover yet. */
  #beyond(journal: readonly RawRecord[], size: number): readonly RawRecord[] {
    const beyond = journal.filter(({ position }) => position >= size);
    const first = beyond[0];
    if (!first || first.position === size) return beyond;
    this.#findings.problem('journal', `records ${size} to ${first.position - 1} are nowhere`, {
      file: journalDirectory,
    });
    return [];
  }

  async #bundles(inventory: LogInventory, head: Checkpoint, beyond: readonly RawRecord[]): Promise<void> {
    const files = this.#tileFiles(inventory);
    const size = head.size;
    for (let index = 0; index * tileWidth < size; index++) {
      this.#options.signal?.throwIfAborted();
      await this.#bundle(index, inventory, size, beyond);
      this.#options.onProgress?.({ records: Math.min(size, (index + 1) * tileWidth), size });
    }
    const tree = await this.#tree.conclude(size === 0 ? emptyRoot : head.root, files, this.#findings);
    for (let index = Math.ceil(size / tileWidth); index <= inventory.highestBundle; index++)
      await this.#checkVersions(index, inventory, size, { entries: [], openings: [] }, beyond);
    await this.#unexpectedTiles(inventory, tree, size, beyond);
  }

  /** One bundle of the signed tree: entries, level 0 tile, openings. */
  async #bundle(
    index: number,
    inventory: LogInventory,
    size: number,
    beyond: readonly RawRecord[],
  ): Promise<void> {
    const width = widthOf(size, 0, index);
    const file = await this.#existing(bundlePath(index, width), bundlePath(index, tileWidth));
    const entries = await this.#items(file, width, entryLengthBytes, 'bundle');
    const openings = await this.#items(openingsPath(index), width, openingLengthBytes, 'opening');
    const tile = await this.#storage.read(
      await this.#existing(tilePath(0, index, width), tilePath(0, index, tileWidth)),
    );
    const hashes: Uint8Array[] = [];
    for (let at = 0; at < width && tile && (at + 1) * 32 <= tile.length; at++)
      hashes.push(tile.subarray(at * 32, (at + 1) * 32));
    await this.#tree.add({ index, width, entries, hashes, file }, this.#tileFiles(inventory));
    for (const [at, entry] of entries.entries()) {
      const opening = openings[at];
      if (opening) this.#records.check({ position: index * tileWidth + at, entry, opening }, file);
    }
    await this.#checkVersions(index, inventory, size, { entries, openings }, beyond);
  }

  async #existing(path: string, otherwise: string): Promise<string> {
    if (path === otherwise || (await this.#storage.read(path))) return path;
    return (await this.#storage.read(otherwise)) ? otherwise : path;
  }

  async #items(
    path: string,
    width: number,
    lengthBytes: LengthBytes,
    kind: 'bundle' | 'opening',
  ): Promise<Uint8Array[]> {
    const bytes = await this.#storage.read(path);
    try {
      const items = bytes ? splitBundle(bytes, lengthBytes) : [];
      if (items.length < width)
        this.#findings.problem(kind, `${width - items.length} of its ${width} records are missing`, {
          file: path,
        });
      return items.slice(0, width);
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      this.#findings.problem(kind, error.message, { file: path });
      return [];
    }
  }

  /** All versions of one bundle must begin alike, and none may hold more than checkpoint and journal account for. */
  async #checkVersions(
    index: number,
    inventory: LogInventory,
    size: number,
    known: { readonly entries: readonly Uint8Array[]; readonly openings: readonly Uint8Array[] },
    beyond: readonly RawRecord[],
  ): Promise<void> {
    const start = index * tileWidth;
    const more = beyond.filter(({ position }) => position >= start && position < start + tileWidth);
    const entries = [...known.entries, ...more.map(({ entry }) => entry)];
    const openings = [...known.openings, ...more.map(({ opening }) => opening)];
    for (const width of inventory.bundles.get(bundlePath(index, tileWidth)) ?? []) {
      const path = bundlePath(index, width);
      if (width > entries.length) this.#unexpected(path);
      else await this.#same(path, encodeBundle(entries.slice(0, width), entryLengthBytes), 'bundle');
    }
    const path = openingsPath(index);
    const least = widthOf(size, 0, index);
    if (!inventory.openings.has(path)) return;
    const count = await this.#countOf(path);
    if (count > openings.length || count < least) this.#unexpected(path);
    else await this.#same(path, encodeBundle(openings.slice(0, count), openingLengthBytes), 'opening');
  }

  async #countOf(path: string): Promise<number> {
    try {
      return splitBundle((await this.#storage.read(path)) ?? new Uint8Array(0), openingLengthBytes).length;
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  }

  async #same(path: string, expected: Uint8Array, kind: 'bundle' | 'opening'): Promise<void> {
    const bytes = await this.#storage.read(path);
    if (!bytes && this.#live) return;
    if (!bytes || Buffer.compare(bytes, expected) !== 0)
      this.#findings.problem(kind, 'it differs from other copies of the same records', { file: path });
  }

  /** Tiles wider than the signed tree: what a crash left between tiles and checkpoint, or nothing we know. */
  async #unexpectedTiles(
    inventory: LogInventory,
    tree: TileTree,
    size: number,
    beyond: readonly RawRecord[],
  ): Promise<void> {
    const { tiles } = extendTree(
      tree,
      beyond.map(({ entry }) => leafHash(entry)),
    );
    const extended = new Map(tiles.map((tile) => [tilePath(tile.level, tile.index, tileWidth), tile]));
    for (const [full, widths] of inventory.tiles) {
      const [level, index] = coordinatesOf(full);
      const signed = widthOf(size, level, index);
      if (widths.every((width) => width <= signed)) continue;
      const tile = extended.get(full);
      for (const width of widths)
        if (width > signed && width > (tile?.hashes.length ?? 0))
          this.#unexpected(tilePath(level, index, width));
      for (const path of tile ? await tileFaults(tile, this.#tileFiles(inventory), false) : [])
        this.#findings.problem('tile', 'it does not follow from the entries', { file: path });
    }
  }

  #tileFiles(inventory: LogInventory): TileFiles {
    return { storage: this.#storage, inventory, live: this.#live };
  }

  #unexpected(path: string): void {
    if (!this.#live)
      this.#findings.problem('unexpected-file', 'neither checkpoint nor journal accounts for it', {
        file: path,
      });
  }

  #others(inventory: LogInventory): void {
    for (const path of inventory.others) {
      if (path === checkpointPath || path === vkeyPath || path === lockFileName) continue;
      const [directory, name = ''] = path.split('/');
      if (directory === journalDirectory && isSegmentName(name)) continue;
      if (directory === temporaryDirectory)
        this.#findings.note(`${path} was left by a write that did not finish; the next start removes it`);
      else this.#unexpected(path);
    }
  }

  #verdict(head: Checkpoint | undefined, journaled: number, vkey: string | undefined): LogVerdict {
    const { problems, notes, further } = this.#findings;
    if (this.#live)
      this.#findings.note('the log is being written to: checked up to the checkpoint that was found');
    return {
      valid: problems.length === 0,
      problems,
      furtherProblems: further,
      notes,
      origin: head?.origin,
      size: head?.size ?? 0,
      journaled,
      identities: this.#records.identities,
      openCalls: this.#records.openCalls,
      vkey,
    };
  }
}

function peek(note: string): Checkpoint | undefined {
  try {
    return peekCheckpoint(note);
  } catch {
    return undefined;
  }
}

/** Level and index of a full tile's path. */
function coordinatesOf(path: string): readonly [number, number] {
  const [, , level = '0', ...index] = path.split('/');
  return [Number(level), Number(index.map((part) => part.replace('x', '')).join(''))];
}
