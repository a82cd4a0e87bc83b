import { type Clock, epochSeconds, type Logger, type Random, type Timer } from '../base/index.ts';
import type { SigningKey } from '../tokens/index.ts';
import { ByteWriter } from './byte-writer.ts';
import type { PendingDurability } from './durability.ts';
import type { FrameMemory } from './frame-memory.ts';
import type { FrameRecords } from './frame-records.ts';
import type { Journal } from './journal.ts';
import { FrameWriter, type OpenFrame } from './journal-frame.ts';
import { OpeningSealer, type PartyKey } from './opening-seal.ts';
import { sealBatch } from './receipt.ts';
import { type BuiltRecord, statementStart } from './record-builder.ts';
import type { IndexedRecord } from './record-index.ts';

export interface PendingRecord extends IndexedRecord {
  readonly durability: PendingDurability;
}

/** Records on their way to the journal, sealed and signed. */
interface Batch {
  readonly frame: OpenFrame;
  readonly records: readonly PendingRecord[];
}

/** Records that have a receipt and are in the journal. */
export interface DurableBatch {
  readonly records: FrameRecords;
  /** What the books and the index take from each of them. */
  readonly indexed: readonly IndexedRecord[];
}

export interface GroupCommitOptions {
  readonly journal: Journal;
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
  readonly #frame: FrameWriter;
  readonly #sealer: OpeningSealer;
  readonly #opening = new ByteWriter();
  /** What the frame writer holds. */
  #waiting: PendingRecord[] = [];
  /** Whole batches that wait for their turn. */
  #full: Batch[] = [];
  #inFlight = 0;
  #running: Promise<void> | undefined;
  /** Somebody waits for a record that is not in a batch yet. */
  #hurried = false;
  #timer: { readonly timer: Timer; readonly atMs: number } | undefined;
  /** When the newest batch was begun, on the monotonic clock. */
  #begunMs = Number.NEGATIVE_INFINITY;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#frame = new FrameWriter(options.frames);
    this.#sealer = new OpeningSealer(options.random);
  }

  /** A sync takes longer than `slowDiskMs`. */
  slow = false;

  /** Records that are not durable yet. */
  get waiting(): number {
    return this.#waiting.length + this.#full.length * this.#options.maxBatchRecords + this.#inFlight;
  }

  /** `keys` are those of the parties, as they are now: an erasure may come before the record is durable. */
  add(record: PendingRecord, built: BuiltRecord, keys: readonly PartyKey[], unhurried = false): void {
    if (this.#waiting.length === 0) this.#frame.begin(record.position);
    this.#sealer.seal(this.#opening, built.opening, keys);
    this.#frame.add(built.statement, statementStart, this.#opening);
    this.#waiting.push(record);
    if (this.#waiting.length === this.#options.maxBatchRecords) this.#full.push(this.#cut());
    if (!unhurried) this.#hurried = true;
    if (!this.#running) this.#schedule();
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
    let batch: Batch | undefined;
    try {
      batch = this.#full.shift() ?? this.#cut();
      this.#inFlight = batch.records.length;
      await this.#options.flushKeys();
      await journal.append(batch.frame);
      onDurable({ records: batch.frame.records, indexed: batch.records });
    } catch (error) {
      const failed = [batch, ...this.#full].flatMap((one) => one?.records ?? []);
      failed.push(...this.#waiting);
      this.#waiting = [];
      this.#full = [];
      this.#inFlight = 0;
      onFailure(error, failed);
      for (const { durability } of failed) durability.settle('failed', logger);
      return;
    } finally {
      slow?.cancel();
      this.slow = false;
    }
    this.#inFlight = 0;
    for (const { durability } of batch.records) durability.settle('durable', logger);
  }

  /** One signature for what has come; the next record begins another frame. */
  #cut(): Batch {
    const { node, clock } = this.#options;
    const records = this.#waiting;
    const seal = sealBatch(
      records.map(({ facts }) => facts.idBytes),
      node,
      epochSeconds(clock),
    );
    const frame = this.#frame.end(seal);
    this.#waiting = [];
    return { frame, records };
  }
}
