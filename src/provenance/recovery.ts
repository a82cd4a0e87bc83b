import type { Logger, Random } from '../base/index.ts';
import type { SigningKey } from '../tokens/index.ts';
import { type Checkpoint, openCheckpoint, signCheckpoint } from './checkpoint.ts';
import { decodeEntry } from './entry.ts';
import { ProvenanceError } from './error.ts';
import type { FrameRecords } from './frame-records.ts';
import type { DurableBatch } from './group-commit.ts';
import { Journal } from './journal.ts';
import type { AuditLimits } from './limits.ts';
import { type LogEdge, loadEdge } from './log-edge.ts';
import { LogReader } from './log-reader.ts';
import { emptyRoot, leafHash } from './merkle-tree.ts';
import { PartyKeys } from './party-keys.ts';
import { factsOf } from './record-facts.ts';
import type { IndexedRecord, RecordIndex } from './record-index.ts';
import { formatVkey } from './signed-note.ts';
import { FilePublisher, type Storage, temporaryDirectory } from './storage.ts';
import {
  bundlePath,
  checkpointPath,
  hashesAtLevel,
  journalDirectory,
  levelCount,
  openingsDirectory,
  partialsOf,
  publicDirectory,
  tilePath,
  tileWidth,
  vkeyPath,
  widthOf,
} from './tile-layout.ts';
import { extendTree, type TileTree, treeRoot } from './tile-tree.ts';
import { readTile } from './tree-reader.ts';

export interface RecoveryOptions {
  readonly storage: Storage;
  readonly index: RecordIndex;
  readonly origin: string;
  readonly checkpointKey: SigningKey;
  readonly limits: AuditLimits;
  readonly random: Random;
  readonly logger: Logger;
}

/** A log as a stop, a crash or nothing at all (a new directory) has left it, ready to be continued. */
export interface RecoveredLog {
  readonly edge: LogEdge;
  readonly checkpoint: string;
  readonly journal: Journal;
  readonly keys: PartyKeys;
  /** Durable records that only the journal holds. */
  readonly journaled: readonly DurableBatch[];
}

/**
 * Reads what the next append needs: the checkpoint, the right edge of the tree, the end of the index, the journal.
 * Never guesses: a log that contradicts its own checkpoint, index or journal is not opened.
 */
export async function recoverLog(options: RecoveryOptions): Promise<RecoveredLog> {
  const { storage, limits, logger } = options;
  await storage.remove(temporaryDirectory);
  const checkpoint = (await storage.read(checkpointPath)) ?? (await createLog(options));
  const note = Buffer.from(checkpoint).toString();
  const head = openCheckpoint(note, { name: options.origin, publicKey: options.checkpointKey.publicKey });
  const edge = await loadEdge(storage, head.size);
  if (Buffer.compare(treeRoot(edge.tree), head.root) !== 0)
    throw new ProvenanceError(
      'checkpoint-contradicted',
      'the tiles on disk do not lead to the signed checkpoint',
    );
  await removeOldPartials(storage, head.size);
  const keys = await PartyKeys.open(options);
  await catchUp(options, head, keys);
  const { journal, frames, torn } = await Journal.open({
    storage,
    segmentBytes: limits.journalSegmentBytes,
    probeBytes: limits.healProbeBytes,
  });
  if (torn)
    logger.warn(
      { path: torn.path, at: torn.at },
      'cut off a journal write that a crash had torn; nobody was told it was durable',
    );
  const journaled = frames
    .filter(({ records }) => records.end > head.size)
    .map(({ records }) => records.from(head.size))
    .map((records) => ({ records, indexed: indexedOf(records, keys) }));
  const first = journaled[0]?.records.first;
  if (first !== undefined && first !== head.size)
    throw new ProvenanceError('journal-damaged', `records ${head.size} to ${first - 1} are nowhere`);
  return { edge, checkpoint: note, journal, keys, journaled };
}

/** Views of the frame: nothing of the records is copied but what is looked up. */
function indexedOf(records: FrameRecords, keys: PartyKeys): readonly IndexedRecord[] {
  const indexed: IndexedRecord[] = [];
  for (let position = records.first; position < records.end; position++) {
    const [statement, opening] = [records.statement(position), records.opening(position)];
    const receipt = (): Uint8Array => decodeEntry(records.at(position)?.entry ?? statement).receipt;
    indexed.push({ position, ...factsOf({ statement, opening, receipt }, keys) });
  }
  return indexed;
}

/** A new log begins with a signed checkpoint of nothing: from then on a missing checkpoint is damage. */
async function createLog({ storage, index, origin, checkpointKey }: RecoveryOptions): Promise<Uint8Array> {
  const leftovers = [
    ...(await storage.list(`${publicDirectory}/tile`)),
    ...(await storage.list(openingsDirectory)),
    ...(await storage.list(journalDirectory)),
  ];
  if (leftovers.length > 0)
    throw new ProvenanceError('checkpoint-missing', 'the directory holds a log without its checkpoint');
  if (index.size > 0)
    throw new ProvenanceError(
      'rolled-back',
      'the log is gone, but its index is there; remove both to start a new one',
    );
  const publisher = new FilePublisher(storage);
  const vkey = formatVkey({ name: origin, publicKey: checkpointKey.publicKey });
  await publisher.publish({ path: vkeyPath, bytes: Buffer.from(`${vkey}\n`) });
  // A checkpoint says that the log is complete: whatever else belongs to it is durable before.
  await publisher.settle();
  const checkpoint = Buffer.from(signCheckpoint({ origin, size: 0, root: emptyRoot }, checkpointKey));
  await publisher.publish({ path: checkpointPath, bytes: checkpoint });
  await publisher.settle();
  return checkpoint;
}

/** A crash may have come between a full tile and the removal of the partial ones that it replaced. */
async function removeOldPartials(storage: Storage, size: number): Promise<void> {
  for (let level = 0; level < levelCount(size); level++) {
    const full = Math.floor(hashesAtLevel(size, level) / tileWidth) - 1;
    if (full < 0) continue;
    await storage.remove(partialsOf(tilePath(level, full, tileWidth)));
    if (level === 0) await storage.remove(partialsOf(bundlePath(full, tileWidth)));
  }
}

/** Brings the index to the checkpoint's size: the last moments before a crash, or everything when it is new. */
async function catchUp(
  { storage, index, logger, limits }: RecoveryOptions,
  head: Checkpoint,
  keys: PartyKeys,
): Promise<void> {
  if (index.size > head.size)
    throw new ProvenanceError(
      'rolled-back',
      `the index has seen a log of ${index.size} records, the directory holds ${head.size}: an older copy was put back`,
    );
  let tree = await treeAt(storage, index.size, head.size);
  if (index.size > 0 && Buffer.compare(treeRoot(tree), index.written.root) !== 0)
    throw new ProvenanceError(
      'checkpoint-contradicted',
      'the log is not the one that its index was made from',
    );
  if (head.size - index.size > tileWidth)
    logger.info({ from: index.size, to: head.size }, 'bringing the index of the audit log up to date');
  const reader = new LogReader(storage);
  while (index.size < head.size) {
    const end = Math.min(head.size, (Math.floor(index.size / tileWidth) + 1) * tileWidth);
    const leaves: Uint8Array[] = [];
    for (let position = index.size; position < end; position = index.size) {
      const { entry, opening } = await reader.raw(position, head.size);
      const { statement, receipt } = decodeEntry(entry);
      index.add([{ position, ...factsOf({ statement, opening, receipt: () => receipt }, keys) }]);
      leaves.push(leafHash(entry));
    }
    tree = extendTree(tree, leaves).tree;
    if (end === head.size || index.behind >= limits.indexAtRecords)
      await index.write({ size: end, root: treeRoot(tree) });
  }
}

/** The edge of an earlier tree, whose partial tiles may have given way to wider ones. */
async function treeAt(storage: Storage, size: number, newest: number): Promise<TileTree> {
  const edges: (readonly Uint8Array[])[] = [];
  for (let level = 0; level < levelCount(size); level++) {
    const index = Math.floor(hashesAtLevel(size, level) / tileWidth);
    const width = widthOf(size, level, index);
    const known = widthOf(newest, level, index);
    edges.push(width === 0 ? [] : (await readTile(storage, level, index, known)).slice(0, width));
  }
  return { size, edges };
}
