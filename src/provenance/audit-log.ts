import { mkdir } from 'node:fs/promises';
import {
  type Clock,
  type Logger,
  type Random,
  silentLogger,
  systemClock,
  systemRandom,
} from '../base/index.ts';
import type { Fingerprint, SigningKey } from '../tokens/index.ts';
import { peekCheckpoint } from './checkpoint.ts';
import { DiskStorage } from './disk-storage.ts';
import { Eraser, type Erasure } from './erasure.ts';
import { ProvenanceError } from './error.ts';
import type { FrameRecords } from './frame-records.ts';
import { HeadsTree, headsDraft } from './identity-heads.ts';
import { type AuditLimits, defaultAuditLimits } from './limits.ts';
import { LogReader } from './log-reader.ts';
import { LogWriter, type NodeIdentity } from './log-writer.ts';
import { consistencyPath } from './merkle-tree.ts';
import type { AppendResult } from './pending-record.ts';
import { findByIdPrefix, queryRecords, type RecordQuery } from './query.ts';
import {
  collectReceipts,
  type ReceiptBatch,
  type ReceiptListener,
  type ReceiptSource,
} from './receipt-access.ts';
import {
  type OpenCall,
  type OpenedRecord,
  openRecord,
  type RecordDraft,
  type RecordId,
  readRecord,
  type StoredRecord,
} from './record.ts';
import { RecordIndex } from './record-index.ts';
import { type ProofOptions, type ProofSubject, preferred, proveRecords } from './record-proof.ts';
import { recoverLog } from './recovery.ts';
import { formatVkey, isNoteName, parseVkey } from './signed-note.ts';
import type { Storage, StorageLock } from './storage.ts';
import { checkpointPath } from './tile-layout.ts';
import { WitnessedCheckpoint } from './witnessed-checkpoint.ts';

export interface AuditLogOptions extends NodeIdentity {
  readonly directory: string;
  /** Outside `directory`: derived from it, not covered by its checkpoint, rebuilt when it is gone. */
  readonly indexDirectory: string;
  /** Lives as long as the log; auditors know its public half as the verifier key. */
  readonly checkpointKey: SigningKey;
  /** The log's name in checkpoints, such as `example.com/calls`. */
  readonly origin: string;
  /** What runs on the node; recorded when it starts. */
  readonly software?: { readonly name: string; readonly version: string; readonly hash?: string };
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  readonly limits?: Partial<AuditLimits>;
  /** Default: the file system. */
  readonly storage?: Storage;
}

/** Before index and checkpoint are found not to fit: whoever renames a log is told what happened, and what to do. */
async function checkName(storage: Storage, { origin, directory }: AuditLogOptions): Promise<void> {
  const checkpoint = await storage.read(checkpointPath);
  const name = checkpoint && peekCheckpoint(Buffer.from(checkpoint).toString()).origin;
  if (name !== undefined && name !== origin)
    throw new ProvenanceError(
      'origin',
      `the audit log in ${directory} is called ${name}, not ${origin}, and a log keeps its name; ` +
        `go on with it by --set audit.origin=${name}, or begin another one with --data-dir`,
    );
}

/** Heads that are committed to before others have their turn: about a millisecond of work. */
const headsAtOnce = 128;

/** The event of the record that opens a node's run. */
export const nodeStartEvent = 'node.start';

interface Parts {
  readonly lock: StorageLock;
  readonly index: RecordIndex;
  readonly writer: LogWriter;
  readonly reader: LogReader;
  readonly witnessed: WitnessedCheckpoint;
  readonly vkey: string;
  readonly logger: Logger;
  readonly random: Random;
}

/** The audit log of one gateway: append-only, durable by group commit, verifiable by anybody. */
export class AuditLog {
  readonly #parts: Parts;
  readonly #eraser: Eraser;
  #closed: Promise<void> | undefined;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#eraser = new Eraser({ ...parts, source: () => this.#source() });
  }

  /**
   * Opens or creates the log and recovers what a crash left. When it returns, all durable records are under a
   * signed checkpoint. Throws ProvenanceError; `locked` when another process has it open.
   */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const { origin, checkpointKey, logger = silentLogger } = options;
    if (!isNoteName(origin))
      throw new ProvenanceError('origin', 'the log needs a name without spaces and plus signs');
    const storage = options.storage ?? new DiskStorage(options.directory);
    const limits = { ...defaultAuditLimits, ...options.limits };
    const lock = await storage.lock();
    let index: RecordIndex | undefined;
    let writer: LogWriter | undefined;
    try {
      await checkName(storage, options);
      await mkdir(options.indexDirectory, { recursive: true, mode: 0o700 });
      index = await RecordIndex.open({ directory: options.indexDirectory, origin, readOnly: false });
      const { clock = systemClock, random = systemRandom } = options;
      const recovered = await recoverLog({ storage, index, origin, checkpointKey, limits, random, logger });
      const softwareHash = options.software?.hash;
      writer = new LogWriter({
        ...options,
        softwareHash,
        storage,
        index,
        clock,
        random,
        logger,
        limits,
        recovered,
      });
      await writer.integrate();
      const reader = new LogReader(storage);
      const vkey = formatVkey({ name: origin, publicKey: checkpointKey.publicKey });
      const witnessed = await WitnessedCheckpoint.load(storage, parseVkey(vkey));
      const log = new AuditLog({ lock, index, writer, reader, witnessed, vkey, logger, random });
      await log.#announce(options);
      await log.#eraser.resume();
      return log;
    } catch (error) {
      // What failed is told already. The writer goes first: what it has under way uses the index.
      await writer?.close().catch(() => undefined);
      await index?.close();
      await lock.release();
      throw error;
    }
  }

  /** False when records cannot be made durable: no call may begin then. Turns true again by itself. */
  get healthy(): boolean {
    return this.#parts.writer.healthy;
  }

  onHealthChange(listener: (healthy: boolean) => void): void {
    this.#parts.writer.onHealthChange(listener);
  }

  /** The key that auditors need, in C2SP form. */
  get vkey(): string {
    return this.#parts.vkey;
  }

  /** Entries under the newest signed checkpoint. */
  get size(): number {
    return this.#parts.writer.integrator.size;
  }

  /** The newest signed checkpoint, as it lies on disk. */
  checkpoint(): string {
    return this.#parts.writer.integrator.checkpoint;
  }

  /** The newest checkpoint that enough witnesses have countersigned. */
  witnessedCheckpoint(): string | undefined {
    return this.#parts.witnessed.note;
  }

  /** Keeps a checkpoint of this log with the cosignatures on it, for proofs and for those who read the log. */
  publishWitnessed(note: string): Promise<void> {
    return this.#parts.witnessed.publish(note);
  }

  /** RFC 6962 §2.1.2: that the tree of `older` records is the beginning of the tree of `newer`. */
  consistencyProof(older: number, newer: number): Promise<readonly Uint8Array[]> {
    return consistencyPath(older, newer, this.#parts.reader.rangeHash(newer));
  }

  /**
   * Queues a record for the next group commit; cheap and synchronous, and so is asking for its id. Throws
   * ProvenanceError: `unhealthy`, `closed`, `erachter-empty`, `layer-invalid`, `too-large`, `call-open`, `call-closed`.
   */
  append(draft: RecordDraft): AppendResult {
    return this.#parts.writer.append(draft);
  }

  /** Calls with an attempt and no closing record, also those of a run that crashed. */
  openCalls(): readonly OpenCall[] {
    return this.#parts.writer.openCalls();
  }

  /** Durable records that match, page by page. */
  query(query: RecordQuery = {}): AsyncGenerator<StoredRecord, void, undefined> {
    return queryRecords(this.#source(), query);
  }

  /** By id, or a prefix that fits one record only; throws `record-ambiguous`. */
  async get(idPrefix: RecordId): Promise<StoredRecord | undefined> {
    return onlyOne(await findByIdPrefix(this.#source(), idPrefix));
  }

  /** One C2SP tlog-proof file; throws `record-unknown`, or `record-pending` before its checkpoint. */
  prove(subject: RecordId | ProofSubject, options?: ProofOptions): Promise<string> {
    const { reader, writer } = this.#parts;
    const source = {
      ...this.#source(),
      reader,
      keys: writer.keys,
      checkpoints: preferred(this.witnessedCheckpoint(), this.checkpoint()),
    };
    return proveRecords(source, typeof subject === 'string' ? { record: subject } : subject, options);
  }

  /**
   * Destroys what the log says about one party, everywhere; what it says about others, and every proof, stays. Finished
   * at the next start if a crash comes between. Throws `identity-unknown` or `storage`.
   */
  erase(fingerprint: Fingerprint, reason?: string): Promise<Erasure> {
    return this.#eraser.erase(fingerprint, reason);
  }

  /**
   * Leaves a record that commits to the newest record of every identity: a proof with `committedHead` shows for one of
   * them that a list of its records lacks no end. Calls go on meanwhile.
   */
  async commitHeads(): Promise<RecordId> {
    const { writer, index, random } = this.#parts;
    await writer.integrate();
    const { size } = index;
    const nonce = random.bytes(16);
    const heads = new HeadsTree(nonce);
    // One snapshot of the index, however long it takes.
    for (const { fingerprint, head } of index.heads()) {
      const slot = writer.keys.currentSlot(fingerprint);
      const key = slot === undefined ? undefined : writer.keys.keyIn(slot);
      if (!key) continue;
      heads.add({ fingerprint, key, head });
      if (heads.size % headsAtOnce === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const { id, durability } = writer.append(headsDraft(heads, nonce, size));
    const state = await new Promise((resolve) => durability.whenSettled(resolve));
    if (state === 'failed') throw new ProvenanceError('storage', 'the heads cannot be recorded');
    return id;
  }

  /** What a party may keep of its records after number `afterSeq`; at most the newest `limit`. */
  receipts(
    fingerprint: Fingerprint,
    afterSeq = 0,
    limit: number = Number.POSITIVE_INFINITY,
  ): Promise<ReceiptBatch> {
    return collectReceipts(this.#source(), fingerprint, afterSeq, limit);
  }

  /** Calls back with the receipt of each record of a party as soon as it is durable; returns how to stop. */
  watchReceipts(fingerprint: Fingerprint, listener: ReceiptListener): () => void {
    return this.#parts.writer.receipts.add(fingerprint, listener);
  }

  /** Writes everything out, signs the last checkpoint and lets another process open the log. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { writer, index, lock } = this.#parts;
    try {
      await writer.close();
    } finally {
      await index.close();
      await lock.release();
    }
  }

  #source(): ReceiptSource {
    const { writer, index } = this.#parts;
    const { integrator } = writer;
    const waiting = integrator.waiting();
    const opened: ReceiptSource['opened'] = (position) => this.#opened(waiting, position);
    return {
      index,
      size: waiting.at(-1)?.end ?? integrator.size,
      opened,
      read: async (position) => readRecord(await opened(position)),
    };
  }

  async #opened(waiting: readonly FrameRecords[], position: number): Promise<OpenedRecord> {
    const { reader, writer } = this.#parts;
    const raw = waiting.find(({ end }) => position < end)?.at(position);
    return openRecord(raw ?? (await reader.raw(position, this.size)), writer.keys);
  }

  /** Publishes the node's key: without it nobody could check the receipts of this run. */
  async #announce({ software }: AuditLogOptions): Promise<void> {
    const { writer } = this.#parts;
    const { durability } = writer.append(
      {
        erin: { event: nodeStartEvent },
        eraan: { parents: [] },
        eromheen: { software },
        erachter: 'open the audit log',
        parties: [],
      },
      true,
    );
    const state = await new Promise((resolve) => durability.whenSettled(resolve));
    if (state === 'failed') {
      await writer.close().catch(() => undefined);
      throw new ProvenanceError('storage', 'the audit log cannot write its first record: is the disk full?');
    }
  }
}

export function onlyOne(found: readonly StoredRecord[]): StoredRecord | undefined {
  if (found.length > 1)
    throw new ProvenanceError('record-ambiguous', 'more than one record begins so: give more of the id');
  return found[0];
}
