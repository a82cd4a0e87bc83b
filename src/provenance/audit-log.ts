import type { Fingerprint } from '../tokens/index.ts';
import { Eraser, type Erasure } from './erasure.ts';
import { ProvenanceError } from './error.ts';
import type { FrameRecords } from './frame-records.ts';
import { headsDraft, headsOf, nonceBytes } from './identity-heads.ts';
import { consistencyPath } from './merkle-tree.ts';
import { type AuditLogOptions, closeParts, type LogParts, openParts, settled } from './open-log.ts';
import type { AppendResult } from './pending-record.ts';
import { getByIdPrefix, queryRecords, type RecordQuery } from './query.ts';
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
import { type ProofOptions, type ProofSubject, preferred, proveRecords } from './record-proof.ts';

/** The audit log of one gateway: append-only, durable by group commit, verifiable by anybody. */
export class AuditLog {
  readonly #parts: LogParts;
  readonly #eraser: Eraser;
  #closed: Promise<void> | undefined;

  private constructor(parts: LogParts) {
    this.#parts = parts;
    this.#eraser = new Eraser({ ...parts, source: () => this.#source() });
  }

  /**
   * Opens or creates the log and recovers what a crash left. When it returns, all durable records are under a
   * signed checkpoint. Throws ProvenanceError; `locked` when another process has it open.
   */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const parts = await openParts(options);
    try {
      const log = new AuditLog(parts);
      await log.#eraser.resume();
      return log;
    } catch (error) {
      await closeParts(parts).catch(() => undefined);
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
  get(idPrefix: RecordId): Promise<StoredRecord | undefined> {
    return getByIdPrefix(this.#source(), idPrefix);
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
    const draft = headsDraft(await headsOf(index, writer.keys, random.bytes(nonceBytes)), size);
    const { id, durability } = writer.append(draft);
    if ((await settled(durability)) === 'failed')
      throw new ProvenanceError('storage', 'the heads cannot be recorded');
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
    this.#closed ??= closeParts(this.#parts);
    return this.#closed;
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
}
