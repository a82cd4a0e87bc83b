import { encodeBase32 } from '../base/index.ts';
import { type Durability, PendingDurability } from './durability.ts';
import type { PendingFacts } from './ledger.ts';
import type { RecordId } from './record.ts';
import type { IndexedRecord } from './record-index.ts';

export interface AppendResult {
  /** The first to ask has it computed, and those of all records before it: it is cheaper when nobody does. */
  readonly id: RecordId;
  readonly durability: Durability;
}

export interface PendingRecordOptions {
  readonly position: number;
  /** Its id is blank until `hasId` is called. */
  readonly facts: PendingFacts;
  readonly sipCallId: string | undefined;
  /** The id of the call's record before it, blank until that one has its own. */
  readonly previous: Uint8Array | undefined;
  /** Gives all records under way their ids. */
  readonly identify: () => void;
}

/** A record that is not durable yet. */
export class PendingRecord implements IndexedRecord, AppendResult {
  readonly position: number;
  readonly facts: PendingFacts;
  readonly sipCallId: string | undefined;
  readonly previous: Uint8Array | undefined;
  readonly durability: PendingDurability = new PendingDurability();
  #identify: (() => void) | undefined;

  constructor({ position, facts, sipCallId, previous, identify }: PendingRecordOptions) {
    this.position = position;
    this.facts = facts;
    this.sipCallId = sipCallId;
    this.previous = previous;
    this.#identify = identify;
  }

  get id(): RecordId {
    this.#identify?.();
    return encodeBase32(this.facts.idBytes);
  }

  /** From now on it has its id. */
  hasId(): void {
    this.#identify = undefined;
  }
}
