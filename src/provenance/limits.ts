/** Every bound of the audit log: what it holds in memory, how long it waits, how large a record may be. */
export interface AuditLimits {
  /** Largest opening (all layers and salts of one record) that `append` accepts. */
  readonly maxRecordBytes: number;
  /** Records under one signature and one sync; the queue behind a slow disk is cut into batches of this size. */
  readonly maxBatchRecords: number;
  /** Least time from one signature and sync to the next; under load it is what an answer waits for. */
  readonly commitIntervalMs: number;
  /** How long a record that nobody waits for may lie before it gets a signature and a sync of its own. */
  readonly unhurriedDelayMs: number;
  /** Records that may wait for the disk, and then for the tree; beyond that `append` refuses. */
  readonly maxWaitingRecords: number;
  /** How far the checkpoint may stay behind the journal. */
  readonly checkpointDelayMs: number;
  /** Durable records that start an integration before `checkpointDelayMs` has passed. */
  readonly integrateAtRecords: number;
  /** How far the index on disk may stay behind; after a crash the next start makes up for it from the log. */
  readonly indexDelayMs: number;
  /** Records that bring the index on disk up to date before `indexDelayMs` has passed. */
  readonly indexAtRecords: number;
  /**
   * Durable records that the index on disk may lack; beyond that `append` refuses. A start after a crash reads them
   * again, at some 16,000 a second.
   */
  readonly maxUnindexedRecords: number;
  /** A journal segment is left behind for a new one at this size. */
  readonly journalSegmentBytes: number;
  /** Pause between attempts to write again after the disk failed. */
  readonly healDelayMs: number;
  /** A sync that takes longer than this makes the log unhealthy until it ends; 0: everybody waits for it. */
  readonly slowDiskMs: number;
  /** Bytes that must be writable before a full disk counts as healed. */
  readonly healProbeBytes: number;
}

export const defaultAuditLimits: AuditLimits = {
  maxRecordBytes: 32_768,
  maxBatchRecords: 1024,
  commitIntervalMs: 20,
  unhurriedDelayMs: 40,
  maxWaitingRecords: 65_536,
  checkpointDelayMs: 500,
  integrateAtRecords: 4096,
  indexDelayMs: 30_000,
  indexAtRecords: 8192,
  maxUnindexedRecords: 16_384,
  journalSegmentBytes: 16_777_216,
  healDelayMs: 500,
  slowDiskMs: 0,
  healProbeBytes: 1_048_576,
};
