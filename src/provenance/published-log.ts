import type { CheckpointComparison } from '../verify/index.ts';
import { entryLengthBytes, splitBundle } from './bundle.ts';
import { type Checkpoint, openCheckpoint, peekCheckpoint } from './checkpoint.ts';
import { decodeEntry } from './entry.ts';
import { ProvenanceError } from './error.ts';
import { followSuccessions, readSuccessionNotes, readSuccessions } from './key-succession.ts';
import { consistencyPath, leafHash } from './merkle-tree.ts';
import { decodeReceipt, ReceiptChecker } from './receipt.ts';
import { parseVkey } from './signed-note.ts';
import { decodeStatement } from './statement.ts';
import {
  bundlePath,
  checkpointPath,
  publicDirectory,
  tilePath,
  tileWidth,
  widthOf,
  witnessedPath,
} from './tile-layout.ts';
import { emptyTree, extendTree, type Tile, treeRoot } from './tile-tree.ts';
import { readTile, TreeReader } from './tree-reader.ts';
import { Findings, type LogVerdict } from './verdict.ts';

/** What a web server publishes of a log (C2SP tlog-tiles): paths are relative to its root, such as `tile/0/000`. */
export interface PublishedFiles {
  /** undefined: no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
}

export interface VerifyPublishedOptions {
  readonly vkey: string;
  readonly onProgress?: (done: { readonly records: number; readonly size: number }) => void;
  readonly signal?: AbortSignal;
}

/** A log as outsiders see it: hashes, entries and signatures, no layers. */
export class PublishedLog {
  readonly #storage: PublishedFiles;

  constructor(files: PublishedFiles) {
    // The readers of a whole log name files from its directory.
    const prefix = `${publicDirectory}/`;
    this.#storage = { read: (path) => files.read(path.slice(prefix.length)) };
  }

  /** The newest checkpoint, unchecked; throws ProvenanceError `checkpoint-missing`. */
  async checkpoint(): Promise<string> {
    const bytes = await this.#storage.read(checkpointPath);
    if (!bytes) throw new ProvenanceError('checkpoint-missing', 'no log is published there');
    return Buffer.from(bytes).toString();
  }

  /** The newest checkpoint with cosignatures, unchecked, if the log has any. */
  async witnessed(): Promise<string | undefined> {
    const bytes = await this.#storage.read(witnessedPath);
    return bytes && Buffer.from(bytes).toString();
  }

  /**
   * What shows whether this log goes on from an older checkpoint, or contradicts it. Throws ProvenanceError
   * `rolled-back` when the log is shorter than that.
   */
  async compareWith(older: string, newer?: string): Promise<CheckpointComparison> {
    const note = newer ?? (await this.checkpoint());
    return compareCheckpoints(new TreeReader(this.#storage), older, note);
  }

  /** The notes by which the log's key was handed over, first to last, unchecked. */
  handOvers(): Promise<readonly string[]> {
    return readSuccessionNotes(this.#storage);
  }

  /** Every entry, every signature, every tile; finds faults, never throws for them. */
  async verify(options: VerifyPublishedOptions): Promise<LogVerdict> {
    const findings = new Findings();
    const check = new EntryCheck(findings);
    let head: Checkpoint | undefined;
    let { vkey } = options;
    try {
      vkey = followSuccessions(vkey, await readSuccessions(this.#storage));
      if (vkey !== options.vkey) findings.note(`the key that you trust was succeeded by ${vkey}`);
      head = openCheckpoint(await this.checkpoint(), parseVkey(vkey));
      await this.#tree(head, check, findings, options);
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      findings.problem('checkpoint', error.message, { file: 'checkpoint' });
    }
    findings.note('checked from outside: layers, sequences of identities and calls are not published');
    return {
      valid: findings.problems.length === 0,
      problems: findings.problems,
      furtherProblems: findings.further,
      notes: findings.notes,
      origin: head?.origin,
      size: head?.size ?? 0,
      journaled: 0,
      identities: 0,
      openCalls: 0,
      redacted: 0,
      signedIntents: { byCaller: 0, byGateway: 0 },
      receiptsKept: 0,
      vkey,
    };
  }

  async #tree(
    head: Checkpoint,
    check: EntryCheck,
    findings: Findings,
    { onProgress, signal }: VerifyPublishedOptions,
  ): Promise<void> {
    let tree = emptyTree;
    for (let index = 0; index * tileWidth < head.size; index++) {
      signal?.throwIfAborted();
      const entries = await this.#entries(index, widthOf(head.size, 0, index));
      for (const [at, entry] of entries.entries()) check.entry(entry, index * tileWidth + at);
      const extended = extendTree(tree, entries.map(leafHash));
      tree = extended.tree;
      for (const tile of extended.tiles) await this.#compareTile(tile, head.size, findings);
      onProgress?.({ records: tree.size, size: head.size });
    }
    if (tree.size !== head.size || Buffer.compare(treeRoot(tree), head.root) !== 0)
      findings.problem('root', 'the entries do not lead to the root that the checkpoint signs');
  }

  /** C2SP tlog-tiles: a partial bundle may have given way to the full one. */
  async #entries(index: number, width: number): Promise<readonly Uint8Array[]> {
    const bytes =
      (await this.#storage.read(bundlePath(index, width))) ??
      (await this.#storage.read(bundlePath(index, tileWidth)));
    if (!bytes)
      throw new ProvenanceError('bundle-damaged', `the entries from ${index * tileWidth} on are missing`);
    return splitBundle(bytes, entryLengthBytes).slice(0, width);
  }

  /** Only tiles that are part of the tree of this size: narrower versions on the way may be gone. */
  async #compareTile({ level, index, hashes }: Tile, size: number, findings: Findings): Promise<void> {
    if (hashes.length !== widthOf(size, level, index)) return;
    const file = tilePath(level, index, hashes.length).slice(publicDirectory.length + 1);
    try {
      const served = await readTile(this.#storage, level, index, hashes.length);
      if (served.every((hash, at) => Buffer.compare(hash, hashes[at] ?? hash.subarray(1)) === 0)) return;
      findings.problem('tile', 'it does not follow from the entries', { file });
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      findings.problem('tile', error.message, { file });
    }
  }
}

/** The comparison of two checkpoints, made from the tree of the newer one. Throws `rolled-back`. */
export async function compareCheckpoints(
  reader: TreeReader,
  older: string,
  newer: string,
): Promise<CheckpointComparison> {
  const [before, after] = [peekCheckpoint(older), peekCheckpoint(newer)];
  if (before.size > after.size)
    throw new ProvenanceError(
      'rolled-back',
      `the log has ${after.size} records, and ${before.size} were signed before: it is an older copy, or records were taken out`,
    );
  const hashOf = reader.rangeHash(after.size);
  const path = await consistencyPath(before.size, after.size, hashOf);
  // RFC 6962 leaves the older root out where its tree is whole: the newer tree's own hash stands in its place.
  const whole = before.size > 0 && before.size < after.size && Number.isInteger(Math.log2(before.size));
  const hashes = whole ? [await hashOf(0, before.size), ...path] : path;
  return {
    format: 'tibet-sip/log-comparison',
    version: 1,
    older,
    newer,
    path: hashes.map((hash) => Buffer.from(hash).toString('base64')),
  };
}

/** Statements and receipts: what an entry says without its opening. */
class EntryCheck {
  readonly #findings: Findings;
  readonly #receipts = new ReceiptChecker();
  readonly #nodeKeys = new Map<string, Uint8Array>();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  entry(bytes: Uint8Array, record: number): void {
    try {
      const { statement, receipt } = decodeEntry(bytes);
      const { node, nodeKey } = decodeStatement(statement);
      const name = Buffer.from(node).toString('latin1');
      if (nodeKey && !this.#nodeKeys.has(name)) this.#nodeKeys.set(name, nodeKey);
      const key = this.#nodeKeys.get(name);
      if (!key || !this.#receipts.holds(decodeReceipt(receipt), leafHash(statement), key))
        this.#findings.problem('receipt', 'the node did not sign a batch that holds this record', { record });
    } catch (error) {
      this.#findings.problem('statement', error instanceof Error ? error.message : 'unreadable', { record });
    }
  }
}
