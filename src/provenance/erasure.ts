import type { Logger } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import { decodeEntry } from './entry.ts';
import { ProvenanceError } from './error.ts';
import type { ErasedTrace } from './index-erasure.ts';
import type { LogReader } from './log-reader.ts';
import type { LogWriter } from './log-writer.ts';
import { type QuerySource, queryRecords } from './query.ts';
import type { RecordId } from './record.ts';
import { factsOf } from './record-facts.ts';
import type { RecordIndex } from './record-index.ts';
import { redactedSlot, redactionDraft, redactionEvent } from './redaction.ts';

/** Records whose traces are taken out together. */
const chunk = 256;

/** What an erasure leaves in the log. */
export interface Erasure {
  /** The redaction record. */
  readonly record: RecordId;
  /** How many records had the party in them. */
  readonly records: number;
}

export interface ErasureOptions {
  readonly writer: LogWriter;
  readonly reader: LogReader;
  readonly index: RecordIndex;
  readonly logger: Logger;
  readonly source: () => QuerySource;
}

/**
 * Erases one party. Each step is durable before the next, and the first one says that an erasure has begun, so that a
 * crash at any point is repeated by `resume` at the next start: key retired, redaction recorded, index cleaned, key
 * overwritten. From the first step on nothing can read what the party's key sealed.
 */
export class Eraser {
  readonly #options: ErasureOptions;

  constructor(options: ErasureOptions) {
    this.#options = options;
  }

  /** Throws `identity-unknown` when the log knows no such party, `storage` when it cannot be recorded. */
  async erase(fingerprint: Fingerprint, reason?: string): Promise<Erasure> {
    const { keys, ledger } = this.#options.writer;
    const slot = keys.currentSlot(fingerprint);
    if (slot === undefined)
      throw new ProvenanceError('identity-unknown', 'the log holds nothing about this identity');
    const records = ledger.head(fingerprint)?.seq ?? 0;
    await keys.retire(slot, () => ledger.forget(fingerprint));
    return this.#finish(slot, fingerprint, records, reason);
  }

  /** What a crash interrupted. */
  async resume(): Promise<void> {
    const { writer, logger } = this.#options;
    for (const { slot, fingerprint } of writer.keys.erasing()) {
      const records = this.#options.index.head(fingerprint)?.seq ?? 0;
      writer.ledger.forget(fingerprint);
      await this.#finish(slot, fingerprint, records);
      logger.info({}, 'finished an erasure that was interrupted');
    }
  }

  async #finish(slot: number, fingerprint: Fingerprint, records: number, reason?: string): Promise<Erasure> {
    const { writer, index } = this.#options;
    const known = await this.#redactionOf(slot);
    const record = known?.id ?? (await this.#record(slot, records, reason));
    await writer.integrate();
    await index.forget(fingerprint, await this.#unlist(slot, fingerprint));
    writer.ledger.forgotten(fingerprint);
    await writer.keys.destroy(slot);
    return { record, records: known?.records ?? records };
  }

  /**
   * Intents and Call-IDs that could be read up to now. Returns the position before which the party's records end: it may
   * have come back meanwhile, under another key.
   */
  async #unlist(slot: number, fingerprint: Fingerprint): Promise<number> {
    const { writer, index, reader } = this.#options;
    const { keys, integrator } = writer;
    const { size } = integrator;
    for (let from = 0; ; ) {
      const positions = index.positions({ identity: fingerprint }, { from, to: size }, false, chunk);
      const traces: ErasedTrace[] = [];
      let end = positions.length < chunk ? size : undefined;
      for (const position of positions) {
        const { entry, opening } = await reader.raw(position, size);
        const { statement, receipt } = decodeEntry(entry);
        const record = { statement, opening, receipt: () => receipt };
        const was = factsOf(record, keys.beforeErasure());
        if (!was.facts.parties.some((party) => party.slot === slot)) {
          end = position;
          break;
        }
        const is = factsOf(record, keys);
        traces.push({
          position,
          intent: was.facts.intent === is.facts.intent ? undefined : was.facts.intent,
          sipCallId: was.sipCallId === is.sipCallId ? undefined : was.sipCallId,
        });
      }
      await index.unlist(traces);
      if (end !== undefined) return end;
      from = (positions.at(-1) ?? from) + 1;
    }
  }

  #record(slot: number, records: number, reason?: string): Promise<RecordId> {
    const { id, durability } = this.#options.writer.append(redactionDraft(slot, records, reason));
    return new Promise((resolve, reject) =>
      durability.whenSettled((state) =>
        state === 'durable'
          ? resolve(id)
          : reject(new ProvenanceError('storage', 'the erasure cannot be recorded: is the disk full?')),
      ),
    );
  }

  async #redactionOf(slot: number): Promise<{ id: RecordId; position: number; records: number } | undefined> {
    for await (const { id, position, erin } of queryRecords(this.#options.source(), {
      event: redactionEvent,
    }))
      if (redactedSlot(redactionEvent, erin) === slot)
        return { id, position, records: Number(erin['records']) };
    return undefined;
  }
}
