import type { FrameMemory } from './frame-memory.ts';
import { FrameWriter, type OpenFrame } from './journal-frame.ts';
import type { PendingRecord } from './pending-record.ts';
import type { BatchSeal } from './receipt.ts';
import type { RecordDraft } from './record.ts';
import { RecordPlaces } from './record-places.ts';
import type { RecordSealer } from './record-sealer.ts';
import type { RecordContext, RecordWriter } from './record-writer.ts';

/**
 * Records that wait for their group commit, in memory that the next batch uses again. They lie where they do in the
 * journal's frame from the beginning; what makes them records is filled in for all of them together: not where a call
 * waits for `append`, and with everything that it takes still at hand.
 */
export class PendingBatch {
  readonly #frame = new FrameWriter();
  readonly #places = new RecordPlaces();
  /** Where the places of each record begin. */
  readonly #at: number[] = [];
  #records: PendingRecord[] = [];
  /** Those that have their ids. */
  #identified = 0;

  get records(): readonly PendingRecord[] {
    return this.#records;
  }

  get count(): number {
    return this.#records.length;
  }

  /** Throws what the writer throws, having changed nothing. */
  add(writer: RecordWriter, record: PendingRecord, draft: RecordDraft, context: RecordContext): void {
    this.#at.push(writer.write(this.#frame, this.#places, record, draft, context));
    this.#records.push(record);
  }

  /** Gives ids to the records that have none; those of the batches before have theirs. */
  identify(sealer: RecordSealer): void {
    for (; this.#identified < this.#records.length; this.#identified++) {
      const record = this.#records[this.#identified];
      if (!record) return;
      sealer.commit(this.#frame.writer, this.#places, this.#at[this.#identified] ?? 0, record);
      record.hasId();
    }
  }

  /** Seals all records into a frame, under one signature over their ids. */
  seal(
    sealer: RecordSealer,
    sign: (ids: readonly Uint8Array[]) => BatchSeal,
    memory: FrameMemory,
  ): OpenFrame {
    this.identify(sealer);
    let number = 0;
    for (const record of this.#records)
      sealer.seal(this.#frame.writer, this.#places, this.#at[number++] ?? 0, record);
    const ids = this.#records.map(({ facts }) => facts.idBytes);
    return this.#frame.end(sign(ids), this.#records[0]?.position ?? 0, memory);
  }

  /** Forgets the records; their memory stays. */
  clear(): void {
    this.#frame.clear();
    this.#places.clear();
    this.#at.length = 0;
    this.#records = [];
    this.#identified = 0;
  }
}
