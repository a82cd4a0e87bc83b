import { type Clock, encodeBase32, type Logger, type Random, type Timer } from '../base/index.ts';
import { type Fingerprint, fingerprintBytes, type SigningKey } from '../tokens/index.ts';
import { DigestSlab } from './digest.ts';
import { ProvenanceError } from './error.ts';
import { FrameMemory } from './frame-memory.ts';
import { type DurableBatch, GroupCommit } from './group-commit.ts';
import { Integrator } from './integrator.ts';
import { Ledger, type PendingFacts, type PendingParty } from './ledger.ts';
import type { AuditLimits } from './limits.ts';
import { LogHealth } from './log-health.ts';
import { hashBytes } from './merkle-tree.ts';
import type { PartyKeys } from './party-keys.ts';
import { type AppendResult, PendingRecord } from './pending-record.ts';
import { ReceiptWatch } from './receipt-access.ts';
import {
  type DraftParty,
  type OpenCall,
  outcomeOf,
  type RecordDraft,
  type RecordId,
  sipCallIdOf,
} from './record.ts';
import type { RecordIndex } from './record-index.ts';
import { RecordWriter } from './record-writer.ts';
import type { RecoveredLog } from './recovery.ts';
import type { Storage } from './storage.ts';

/** The node that logs: a new key and fingerprint at every start. */
export interface NodeIdentity {
  readonly nodeKey: SigningKey;
  readonly nodeFingerprint: Fingerprint;
  /** The whole node token, published with the key in the record that opens this run. */
  readonly nodeToken?: Uint8Array;
}

export interface LogWriterOptions extends NodeIdentity {
  readonly storage: Storage;
  readonly index: RecordIndex;
  readonly checkpointKey: SigningKey;
  readonly origin: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits: AuditLimits;
  readonly recovered: RecoveredLog;
  readonly softwareHash: string | undefined;
}

const nobody = { seq: 0, id: undefined };

/** Ids of records that failed, kept so that later ones do not rest on what is nowhere. */
const maxRememberedFailures = 65_536;

/** The writing half of the log: drafts become pending records, durable ones, and leaves of the tree. */
export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #ledger: Ledger;
  readonly #commit: GroupCommit;
  readonly #integrator: Integrator;
  readonly #health: LogHealth;
  /** Who waits for receipts. */
  readonly receipts: ReceiptWatch = new ReceiptWatch();
  readonly #failed = new Set<RecordId>();
  readonly #ids = new DigestSlab();
  readonly #identify = (): void => this.#commit.identify();
  /** Where the next record goes; falls back to the durable end when a batch fails. */
  #next: number;
  #durableEnd: number;
  #timer: Timer | undefined;
  #indexTimer: Timer | undefined;
  #integrating: Promise<void> = Promise.resolve();
  #closing = false;

  constructor(options: LogWriterOptions) {
    const { recovered, index, storage, clock, logger, limits } = options;
    const { journal } = recovered;
    this.#options = options;
    this.#ledger = new Ledger(index, recovered.keys, index.openCalls());
    const frames = new FrameMemory();
    this.#integrator = new Integrator({
      ...options,
      ...recovered,
      storage,
      frames,
      indexAtRecords: Math.min(limits.indexAtRecords, limits.maxUnindexedRecords / 2),
    });
    this.#next = this.#integrator.size;
    this.#durableEnd = this.#next;
    this.#commit = new GroupCommit({
      journal,
      writer: new RecordWriter({ ...options, maxRecordBytes: limits.maxRecordBytes }),
      frames,
      flushKeys: () => recovered.keys.flush(),
      random: options.random,
      clock,
      logger,
      node: { key: options.nodeKey, kid: fingerprintBytes(options.nodeFingerprint) },
      maxBatchRecords: limits.maxBatchRecords,
      commitIntervalMs: limits.commitIntervalMs,
      unhurriedDelayMs: limits.unhurriedDelayMs,
      slowDiskMs: limits.slowDiskMs,
      onDurable: (batch) => this.#accept(batch),
      onFailure: (error, failed) => this.#abandon(error, failed),
    });
    this.#health = new LogHealth({
      clock,
      logger,
      healDelayMs: limits.healDelayMs,
      repair: async () => {
        await journal.repair();
        await this.#integrator.run();
      },
    });
    this.#health.onChange((healthy) => {
      if (!healthy) this.#forgetIndexTimer();
      this.#scheduleIntegration();
      this.#scheduleIndex();
    });
    for (const batch of recovered.journaled) this.#accept(batch);
    this.#next = this.#durableEnd;
  }

  get healthy(): boolean {
    return this.#health.healthy && !this.#commit.slow && !this.#closing;
  }

  get integrator(): Integrator {
    return this.#integrator;
  }

  get keys(): PartyKeys {
    return this.#options.recovered.keys;
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** Also those that are under way. */
  openCalls(): readonly OpenCall[] {
    this.#identify();
    return this.#ledger.openCalls();
  }

  onHealthChange(listener: (healthy: boolean) => void): void {
    this.#health.onChange(listener);
  }

  /** Takes what the journal holds into the tree and the index: the last step of recovery, and the first of normal work. */
  integrate(): Promise<void> {
    return this.#integrator.run(true);
  }

  /** `opening` marks the record that publishes the node's key. */
  append(draft: RecordDraft, opening = false): AppendResult {
    const { index, limits, clock, nodeKey, nodeFingerprint, nodeToken } = this.#options;
    if (this.#closing) throw new ProvenanceError('closed', 'the audit log is closed');
    if (!this.#health.healthy) throw new ProvenanceError('unhealthy', 'the audit log cannot write');
    if (this.#commit.waiting + this.#integrator.waitingCount >= limits.maxWaitingRecords)
      throw new ProvenanceError('unhealthy', 'the disk does not keep up with the audit log');
    if (this.#commit.waiting + index.behind >= limits.maxUnindexedRecords)
      throw new ProvenanceError('unhealthy', 'the index does not keep up with the audit log');
    const { call, erin } = draft;
    const entry = call && this.#ledger.entryFor(call);
    const position = this.#next;
    const idBytes = this.#ids.leaveRoom(hashBytes);
    const parties = draft.parties.map((party) => this.#placed(party, idBytes, position));
    const facts: PendingFacts = {
      idBytes,
      timeMs: clock.now(),
      event: erin.event,
      call,
      parties,
      opensNode: opening ? nodeFingerprint : undefined,
      outcome: outcomeOf(erin),
      intent: call?.phase === 'attempt' ? draft.erachter : undefined,
    };
    const record = new PendingRecord({
      position,
      facts,
      sipCallId: sipCallIdOf(erin),
      previous: entry?.pending?.last,
      identify: this.#identify,
    });
    const parents = this.#withoutFailed(draft.eraan.parents);
    this.#commit.add(
      record,
      draft,
      opening ? { parents, nodeKey: nodeKey.publicKey, nodeToken } : { parents },
    );
    this.#next++;
    this.#ledger.expect(facts, entry);
    return record;
  }

  #placed({ fingerprint, role, details }: DraftParty, id: Uint8Array, position: number): PendingParty {
    const known = this.#ledger.newest(fingerprint);
    const bytes = known?.bytes ?? fingerprintBytes(fingerprint);
    const { seq, id: prev } = known ?? this.#ledger.head(fingerprint, bytes) ?? nobody;
    const { slot, key } = known ?? this.keys.keyFor(fingerprint, bytes);
    const seat = known?.seat;
    return { fingerprint, role, details, seq: seq + 1, slot, bytes, key, prev, id, position, seat };
  }

  /** Writes out all that waits; what cannot be written stays in the journal for the next start. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#commit.drained();
    this.#timer?.cancel();
    this.#forgetIndexTimer();
    await this.#health.stop();
    await this.#integrating;
    let released = false;
    try {
      if (this.#health.healthy) {
        await this.#integrator.run(true);
        released = true;
      }
    } finally {
      await Promise.all([this.#options.recovered.journal.close(released), this.keys.close()]);
    }
  }

  #withoutFailed(parents: readonly RecordId[]): readonly RecordId[] {
    return this.#failed.size === 0 ? parents : parents.filter((id) => !this.#failed.has(id));
  }

  #accept(batch: DurableBatch): void {
    this.#options.index.add(batch.indexed);
    for (const { facts, position } of batch.indexed) this.#ledger.settle(facts, position);
    this.#durableEnd = batch.records.end;
    this.receipts.offer(batch, this.keys);
    this.#integrator.add(batch.records);
    this.#scheduleIntegration();
    this.#scheduleIndex();
  }

  #abandon(error: unknown, failed: readonly PendingRecord[]): void {
    this.#ledger.forgetPending();
    if (this.#failed.size > maxRememberedFailures) this.#failed.clear();
    for (const { facts } of failed) this.#failed.add(encodeBase32(facts.idBytes));
    this.#next = this.#durableEnd;
    this.#health.fail(error);
  }

  #scheduleIntegration(): void {
    const { clock, limits } = this.#options;
    if (!this.#health.healthy || this.#integrator.waitingCount === 0) return;
    if (this.#integrator.waitingCount >= limits.integrateAtRecords) this.#integrateSoon();
    else
      this.#timer ??= clock.setTimer(limits.checkpointDelayMs, () => {
        this.#timer = undefined;
        this.#integrateSoon();
      });
  }

  #scheduleIndex(): void {
    const { clock, limits, index } = this.#options;
    if (this.#closing || !this.#health.healthy || index.behind === 0) return;
    this.#indexTimer ??= clock.setTimer(limits.indexDelayMs, () => {
      this.#indexTimer = undefined;
      this.#integrateSoon(true);
    });
  }

  #forgetIndexTimer(): void {
    this.#indexTimer?.cancel();
    this.#indexTimer = undefined;
  }

  #integrateSoon(withIndex = false): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#integrating = this.#integrator.run(withIndex).catch((error: unknown) => this.#health.fail(error));
  }
}
