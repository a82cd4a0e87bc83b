import { ByteWriter } from './byte-writer.ts';
import type { PendingDurability } from './durability.ts';
import type { FrameWriter } from './journal-frame.ts';
import type { OpeningSealer, PartyKey } from './opening-seal.ts';
import { type BuiltRecord, statementStart } from './record-builder.ts';
import type { IndexedRecord } from './record-index.ts';

export interface PendingRecord extends IndexedRecord {
  readonly durability: PendingDurability;
}

/** Where a record lies in the memory of its batch. */
interface Place {
  readonly built: BuiltRecord;
  readonly keys: readonly PartyKey[];
  readonly statement: number;
  readonly opening: number;
  readonly end: number;
}

/**
 * Records that wait for their group commit, one after the other in memory that the next batch uses again. They are sealed
 * together: not where a call waits for `append`, and with everything that it takes still at hand.
 */
export class PlainBatch {
  readonly #writer = new ByteWriter();
  readonly #sealed = new ByteWriter();
  #records: PendingRecord[] = [];
  #places: Place[] = [];

  get records(): readonly PendingRecord[] {
    return this.#records;
  }

  get count(): number {
    return this.#records.length;
  }

  /** `keys` are those of the parties as they are now: an erasure may come before the record is sealed. */
  add(record: PendingRecord, built: BuiltRecord, keys: readonly PartyKey[]): void {
    const statement = this.#writer.length;
    this.#writer.from(built.statement, statementStart);
    const opening = this.#writer.length;
    this.#writer.from(built.opening.writer, 0);
    this.#records.push(record);
    this.#places.push({ built, keys, statement, opening, end: this.#writer.length });
  }

  /** Seals all records into a frame. */
  sealInto(frame: FrameWriter, sealer: OpeningSealer): void {
    frame.begin(this.#records[0]?.position ?? 0);
    const writer = this.#writer;
    for (const { built, keys, statement, opening, end } of this.#places) {
      const { starts, layersEnd } = built.opening;
      sealer.seal(this.#sealed, { writer, from: opening, end, starts, layersEnd }, keys);
      frame.add(writer, statement, opening, this.#sealed);
    }
  }

  /** Forgets the records; their memory stays. */
  clear(): void {
    this.#writer.reset();
    this.#records = [];
    this.#places = [];
  }
}
