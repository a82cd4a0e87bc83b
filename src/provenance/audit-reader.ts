import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Fingerprint } from '../tokens/index.ts';
import { peekCheckpoint } from './checkpoint.ts';
import { DiskStorage } from './disk-storage.ts';
import { ProvenanceError } from './error.ts';
import { readJournal } from './journal.ts';
import { LogReader } from './log-reader.ts';
import { PartyKeySnapshot } from './party-keys.ts';
import { getByIdPrefix, queryRecords, type RecordQuery } from './query.ts';
import { collectReceipts, type ReceiptBatch, type ReceiptSource } from './receipt-access.ts';
import { openRecord, type RawRecord, type RecordId, readRecord, type StoredRecord } from './record.ts';
import { RecordIndex } from './record-index.ts';
import {
  type ProofOptions,
  type ProofSource,
  type ProofSubject,
  preferred,
  proveRecords,
} from './record-proof.ts';
import type { Storage } from './storage.ts';
import { checkpointPath, witnessedPath } from './tile-layout.ts';

/** Reads a log that another process may be writing to; changes nothing. */
export interface AuditReader {
  query(query?: RecordQuery): AsyncGenerator<StoredRecord, void, undefined>;
  /** By id, or a prefix that fits one record only; throws `record-ambiguous`. */
  get(idPrefix: RecordId): Promise<StoredRecord | undefined>;
  /** One C2SP tlog-proof file; throws `record-unknown` or `record-pending`. */
  prove(subject: RecordId | ProofSubject, options?: ProofOptions): Promise<string>;
  /** What a party may keep of its records after number `afterSeq`. */
  receipts(fingerprint: Fingerprint, afterSeq?: number): Promise<ReceiptBatch>;
  /** The signed checkpoint as it lies on disk. */
  checkpoint(): Promise<string>;
  close(): Promise<void>;
}

export interface AuditReaderOptions {
  readonly directory: string;
  /** Without an index (none yet, or removed) every record is read one by one. */
  readonly indexDirectory: string;
  readonly storage?: Storage;
}

/** Opens a log for reading, live or offline. Throws ProvenanceError `checkpoint-missing` when there is none. */
export async function openAuditReader(options: AuditReaderOptions): Promise<AuditReader> {
  const storage = options.storage ?? new DiskStorage(options.directory);
  const { origin } = peekCheckpoint(await readCheckpoint(storage));
  const index = existsSync(join(options.indexDirectory, 'data.mdb'))
    ? await RecordIndex.open({ directory: options.indexDirectory, origin, readOnly: true })
    : undefined;
  return new FileAuditReader(storage, index);
}

class FileAuditReader implements AuditReader {
  readonly #storage: Storage;
  readonly #index: RecordIndex | undefined;
  readonly #reader: LogReader;

  constructor(storage: Storage, index: RecordIndex | undefined) {
    this.#storage = storage;
    this.#index = index;
    this.#reader = new LogReader(storage);
  }

  async *query(query: RecordQuery = {}): AsyncGenerator<StoredRecord, void, undefined> {
    yield* queryRecords(await this.#snapshot(), query);
  }

  async get(idPrefix: RecordId): Promise<StoredRecord | undefined> {
    return getByIdPrefix(await this.#snapshot(), idPrefix);
  }

  async prove(subject: RecordId | ProofSubject, options?: ProofOptions): Promise<string> {
    const source = await this.#snapshot();
    return proveRecords(source, typeof subject === 'string' ? { record: subject } : subject, options);
  }

  async receipts(fingerprint: Fingerprint, afterSeq = 0): Promise<ReceiptBatch> {
    return collectReceipts(await this.#snapshot(), fingerprint, afterSeq, Number.POSITIVE_INFINITY);
  }

  checkpoint(): Promise<string> {
    return readCheckpoint(this.#storage);
  }

  async close(): Promise<void> {
    await this.#index?.close();
  }

  async #witnessed(): Promise<string | undefined> {
    const bytes = await this.#storage.read(witnessedPath);
    return bytes && Buffer.from(bytes).toString();
  }

  /** Index, journal, checkpoint, in this order: whatever moves on meanwhile moves to what is read later. */
  async #snapshot(): Promise<ProofSource & ReceiptSource> {
    this.#index?.refresh();
    const journal = await this.#journal();
    const checkpoint = await readCheckpoint(this.#storage);
    // A key is on disk before the first record under it.
    const keys = await PartyKeySnapshot.read(this.#storage);
    const { size } = peekCheckpoint(checkpoint);
    const beyond = journal.filter(({ position }) => position >= size);
    const opened: ReceiptSource['opened'] = async (position) =>
      openRecord(beyond[position - size] ?? (await this.#reader.raw(position, size)), keys);
    return {
      index: this.#index,
      size: size + beyond.length,
      opened,
      read: async (position) => readRecord(await opened(position)),
      reader: this.#reader,
      keys,
      checkpoints: preferred(await this.#witnessed(), checkpoint),
    };
  }

  /** A segment that is being replaced at this moment reads as damaged; a moment later it does not. */
  async #journal(): Promise<readonly RawRecord[]> {
    for (let attempt = 0; ; attempt++) {
      try {
        return (await readJournal(this.#storage)).frames.flatMap(({ records }) => [...records]);
      } catch (error) {
        if (!(error instanceof ProvenanceError) || attempt === maxReadAttempts) throw error;
      }
    }
  }
}

const maxReadAttempts = 5;

async function readCheckpoint(storage: Storage): Promise<string> {
  const bytes = await storage.read(checkpointPath);
  if (!bytes) throw new ProvenanceError('checkpoint-missing', 'there is no audit log in this directory');
  return Buffer.from(bytes).toString();
}
