import type { Logger } from '../base/index.ts';
import type { SigningKey } from '../tokens/index.ts';
import { entryLengthBytes, openingLengthBytes } from './bundle.ts';
import { BundleTail } from './bundle-tail.ts';
import { signCheckpoint } from './checkpoint.ts';
import type { FrameMemory } from './frame-memory.ts';
import type { FrameRecords } from './frame-records.ts';
import type { Journal } from './journal.ts';
import type { LogEdge } from './log-edge.ts';
import { leafHashIn } from './merkle-tree.ts';
import { openingsHead } from './openings-file.ts';
import type { RecordIndex } from './record-index.ts';
import { FilePublisher, type PublishedFile, type Storage } from './storage.ts';
import {
  bundlePath,
  checkpointPath,
  hashesAtLevel,
  openingsPath,
  partialsOf,
  tilePath,
  tileWidth,
} from './tile-layout.ts';
import { encodeTile, extendTree, type Tile, type TileTree, treeRoot } from './tile-tree.ts';

export interface IntegratorOptions {
  readonly storage: Storage;
  readonly journal: Journal;
  readonly index: RecordIndex;
  readonly origin: string;
  readonly checkpointKey: SigningKey;
  readonly logger: Logger;
  /** Records that the index may have noted and not written (`AuditLimits`). */
  readonly indexAtRecords: number;
  /** The end of the log as the last checkpoint has it. */
  readonly edge: LogEdge;
  readonly checkpoint: string;
  /** Where records lie that come to be taken in. */
  readonly frames: FrameMemory;
}

const noBytes = new Uint8Array(0);

/** Records that are taken in before calls have their turn: 0.1 to 0.2 ms of work; a thousand at once kept them for 4 to 8. */
const recordsAtOnce = 64;

/**
 * Takes durable records into the Merkle tree. Order is what keeps the promise that no signed checkpoint is ever
 * contradicted: entries, openings and tiles are synced, then the checkpoint is signed and synced, and only then does the
 * journal let go. The index on disk follows now and then. A crash or an error between any two steps is repeated from the
 * journal (or from memory) by this same code.
 */
export class Integrator {
  readonly #options: IntegratorOptions;
  readonly #publisher: FilePublisher;
  readonly #entries: BundleTail;
  readonly #openings: BundleTail;
  #tree: TileTree;
  #checkpoint: string;
  /** Durable, not in the tree yet. */
  #waiting: FrameRecords[] = [];
  #running: Promise<void> | undefined;
  /** A crash or an error may have come between files that were written and their checkpoint. */
  #interrupted = true;

  constructor(options: IntegratorOptions) {
    this.#options = options;
    this.#publisher = new FilePublisher(options.storage);
    const { tree, entries, openings } = options.edge;
    this.#tree = tree;
    this.#entries = new BundleTail(entryLengthBytes, entries);
    this.#openings = new BundleTail(openingLengthBytes, openings);
    this.#checkpoint = options.checkpoint;
  }

  /** The signed checkpoint that is on disk. */
  get checkpoint(): string {
    return this.#checkpoint;
  }

  /** Entries under that checkpoint. */
  get size(): number {
    return this.#tree.size;
  }

  /** How many records only the journal and the memory hold. */
  get waitingCount(): number {
    return (this.#waiting.at(-1)?.end ?? this.size) - this.size;
  }

  /** Records that only the journal and the memory hold, in log order; they stay as they are. */
  waiting(): readonly FrameRecords[] {
    if (this.#waiting.length > 0) this.#options.frames.lend();
    return this.#waiting.slice();
  }

  add(records: FrameRecords): void {
    this.#waiting.push(records);
  }

  /**
   * Takes in all that waits now, and with `withIndex` brings the index on disk up to that; throws, changing nothing that
   * counts, when the storage fails.
   */
  async run(withIndex = false): Promise<void> {
    while (this.#running) await this.#running.catch(() => undefined);
    this.#running = this.#integrate(withIndex);
    try {
      await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  async #integrate(withIndex: boolean): Promise<void> {
    const { index, journal, indexAtRecords } = this.#options;
    if (this.#waiting.length > 0) await this.#extend(this.#waiting.slice());
    await journal.release(this.size);
    if (index.behind >= (withIndex ? 1 : indexAtRecords))
      await index.write({ size: this.size, root: treeRoot(this.#tree) });
  }

  async #extend(batches: readonly FrameRecords[]): Promise<void> {
    const { origin, checkpointKey, frames } = this.#options;
    const leaves: Uint8Array[] = [];
    const before = this.#interrupted ? 0 : this.#tree.size;
    this.#interrupted = true;
    this.#entries.undo();
    this.#openings.undo();
    for (const batch of batches)
      for (let position = batch.first; position < batch.end; position++) {
        const start = this.#entries.begin();
        batch.writeEntry(this.#entries.writer, position);
        this.#entries.end(start);
        leaves.push(leafHashIn(this.#entries.writer, start));
        this.#openings.add(batch.opening(position));
        if (leaves.length % recordsAtOnce === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    const { tree, tiles } = extendTree(this.#tree, leaves);
    const firstBundle = Math.floor(this.#tree.size / tileWidth);
    const files: PublishedFile[] = [];
    const openings = this.#openings.bundles();
    for (const [at, { width, bytes }] of this.#entries.bundles().entries()) {
      const index = firstBundle + at;
      files.push({ path: bundlePath(index, width), bytes, fresh: width === tileWidth });
      const opened = openings[at]?.bytes ?? noBytes;
      const head = openingsHead(opened, bytes);
      const fresh = index * tileWidth >= this.#tree.size;
      files.push({ path: openingsPath(index), bytes: opened, head, fresh });
    }
    for (const { level, index, hashes } of tiles) {
      const path = tilePath(level, index, hashes.length);
      files.push({ path, bytes: encodeTile(hashes), fresh: hashes.length === tileWidth });
    }
    await this.#publisher.publishAll(files);
    await this.#publisher.settle();
    const checkpoint = signCheckpoint({ origin, size: tree.size, root: treeRoot(tree) }, checkpointKey);
    await this.#publisher.publish({ path: checkpointPath, bytes: Buffer.from(checkpoint) });
    await this.#publisher.settle();
    this.#entries.settle();
    this.#openings.settle();
    this.#tree = tree;
    this.#checkpoint = checkpoint;
    this.#waiting.splice(0, batches.length);
    frames.release(tree.size);
    await this.#removePartials(tiles, before);
    this.#interrupted = false;
  }

  /**
   * C2SP tlog-tiles: partial versions may go once the full one is there. Those that were not begun when the tree had the
   * size `before` have none; 0: nobody knows.
   */
  async #removePartials(tiles: readonly Tile[], before: number): Promise<void> {
    for (const { level, index, hashes } of tiles) {
      if (hashes.length < tileWidth) continue;
      if (before > 0 && hashesAtLevel(before, level) <= index * tileWidth) continue;
      await this.#publisher.remove(partialsOf(tilePath(level, index, tileWidth)));
      if (level === 0) await this.#publisher.remove(partialsOf(bundlePath(index, tileWidth)));
    }
    await this.#publisher.settle();
  }
}
