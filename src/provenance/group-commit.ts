import { type Clock, epochSeconds, type Logger, type Random, type Timer } from '../base/index.ts';
import type { SigningKey } from '../tokens/index.ts';
import type { FrameMemory } from './frame-memory.ts';
import type { FrameRecords } from './frame-records.ts';
import type { Journal } from './journal.ts';
import type { OpenFrame } from './journal-frame.ts';
import { PendingBatch } from './pending-batch.ts';
import type { PendingRecord } from './pending-record.ts';
import { sealBatch } from './receipt.ts';
import type { RecordDraft } from './record.ts';
import type { IndexedRecord } from './record-index.ts';
import { RecordSealer } from './record-sealer.ts';
import type { RecordContext, RecordWriter } from './record-writer.ts';

/** Records that have a receipt and are in the journal. */
export interface DurableBatch {
  readonly records: FrameRecords;
  /** What the books and the index take from each of them. */
  readonly indexed: readonly IndexedRecord[];
}

export interface GroupCommitOptions {
  readonly journal: Journal;
  readonly writer: RecordWriter;
  readonly frames: FrameMemory;
  /** Makes the keys that records are sealed under durable: before the records are. */
  readonly flushKeys: () => Promise<void>;
  readonly random: Random;
  readonly node: { readonly key: SigningKey; readonly kid: Uint8Array };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxBatchRecords: number;
  /** Least time from one batch to the next. */
  readonly commitIntervalMs: number;
  /** How long a record that nobody waits for may lie before a batch is made for it. */
  readonly unhurriedDelayMs: number;
  /** 0: nobody is told. */
  readonly slowDiskMs: number;
  /** Called in log order, before anybody is told. */
  readonly onDurable: (batch: DurableBatch) => void;
  /** The batch and all that waited behind it have failed; called before anybody is told. */
  readonly onFailure: (error: unknown, failed: readonly PendingRecord[]) => void;
}

/**
 * One signature, one write and one sync for all records that came since the batch before. The first record after a
 * pause goes at once; under load batches keep their interval, which saves signatures and syncs (`bench/calls.ts`).
 * Records that nobody waits for ride along with the next ones that somebody does, or go by themselves after a while.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #sealer: RecordSealer;
  /** What comes now. */
  #gathering = new PendingBatch();
  /** Whole batches that wait for their turn. */
  #full: PendingBatch[] = [];
  /** One whose memory is there already. */
  #spare: PendingBatch | undefined;
  #inFlight = 0;
  #running: Promise<void> | undefined;
  /** Somebody waits for a record that is not in a batch yet. */
  #hurried = false;
  #timer: { readonly timer: Timer; readonly atMs: number } | undefined;
  /** When the newest batch was begun, on the monotonic clock. */
  #begunMs = Number.NEGATIVE_INFINITY;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#sealer = new RecordSealer(options.random);
  }

  /** A sync takes longer than `slowDiskMs`. */
  slow = false;

  /** Records that are not durable yet. */
  get waiting(): number {
    return this.#gathering.count + this.#full.length * this.#options.maxBatchRecords + this.#inFlight;
  }

  /** Throws ProvenanceError `erachter-empty`, `layer-invalid` or `too-large`, having changed nothing. */
  add(record: PendingRecord, draft: RecordDraft, context: RecordContext): void {
    this.#gathering.add(this.#options.writer, record, draft, context);
    if (this.#gathering.count === this.#options.maxBatchRecords) this.#full.push(this.#gathered());
    if (!draft.unhurried) this.#hurried = true;
    if (!this.#running) this.#schedule();
  }

  /** Gives ids to all records under way. */
  identify(): void {
    for (const batch of this.#full) batch.identify(this.#sealer);
    this.#gathering.identify(this.#sealer);
  }

  /** Resolves when nothing waits any more, durable or failed. */
  async drained(): Promise<void> {
    while (this.waiting > 0) {
      if (!this.#running) this.#start();
      await this.#running;
    }
  }

  #schedule(): void {
    const { clock, commitIntervalMs, unhurriedDelayMs } = this.#options;
    const nowMs = clock.monotonicMs();
    const pauseMs = this.#begunMs + commitIntervalMs - nowMs;
    const waitMs = this.#full.length > 0 ? 0 : Math.max(this.#hurried ? 0 : unhurriedDelayMs, pauseMs);
    if (waitMs <= 0) {
      this.#start();
      return;
    }
    if (this.#timer && this.#timer.atMs <= nowMs + waitMs) return;
    this.#timer?.timer.cancel();
    this.#timer = { timer: clock.setTimer(waitMs, () => this.#start(), true), atMs: nowMs + waitMs };
  }

  #start(): void {
    this.#timer?.timer.cancel();
    this.#timer = undefined;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    // One turn of the event loop: what arrives in the same poll shares the first batch.
    await new Promise((resolve) => setImmediate(resolve));
    this.#begunMs = this.#options.clock.monotonicMs();
    this.#hurried = false;
    await this.#commit();
    this.#running = undefined;
    if (this.waiting > 0) this.#schedule();
  }

  /** Notices when the disk takes too long; records under way go on waiting for it. */
  #watch(): Timer | undefined {
    const { slowDiskMs, clock, logger } = this.#options;
    if (slowDiskMs === 0) return undefined;
    return clock.setTimer(slowDiskMs, () => {
      this.slow = true;
      logger.warn(
        { slowDiskMs },
        'the disk of the audit log is slow; new calls are refused until it has answered',
      );
    });
  }

  async #commit(): Promise<void> {
    const { journal, onDurable, onFailure, logger } = this.#options;
    const slow = this.#watch();
    const batch = this.#full.shift() ?? this.#gathered();
    const { records } = batch;
    this.#inFlight = records.length;
    try {
      const frame = this.#seal(batch);
      await this.#options.flushKeys();
      await journal.append(frame);
      onDurable({ records: frame.records, indexed: records });
    } catch (error) {
      // Also what failed has been told its id, or may yet ask for it.
      this.identify();
      const failed = [records, ...this.#full.map((full) => full.records), this.#gathered().records].flat();
      this.#full = [];
      this.#inFlight = 0;
      onFailure(error, failed);
      for (const { durability } of failed) durability.settle('failed', logger);
      return;
    } finally {
      slow?.cancel();
      this.slow = false;
      batch.clear();
      this.#spare = batch;
    }
    this.#inFlight = 0;
    for (const { durability } of records) durability.settle('durable', logger);
  }

  /** What has come; the next record begins another batch. */
  #gathered(): PendingBatch {
    const gathered = this.#gathering;
    this.#gathering = this.#spare ?? new PendingBatch();
    this.#spare = undefined;
    return gathered;
  }

  /** One signature for all of them. */
  #seal(batch: PendingBatch): OpenFrame {
    const { node, clock, frames } = this.#options;
    return batch.seal(this.#sealer, (ids) => sealBatch(ids, node, epochSeconds(clock)), frames);
  }
}
