import { moveToTwice, shortCopy } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import type { Head, PendingParty, PlacedParty } from './ledger.ts';
import { hashBytes } from './merkle-tree.ts';

/** Heads that are kept beside those of records under way. */
const maxSettled = 16_384;
const initialRows = 64;
/** Fingerprint, key and id. */
const rowBytes = 3 * hashBytes;
const keyAt = hashBytes;
const idAt = 2 * hashBytes;
/** Sequence number, position and slot. */
const rowNumbers = 3;

/** A party in its newest record: all that its next one takes. */
export type KnownParty = Head & Required<Pick<PlacedParty, 'slot' | 'bytes'>> & Pick<PendingParty, 'key'>;

interface Remembered {
  /** While that record is under way. */
  pending: PendingParty | undefined;
  /** Where the rest lies once it is durable. */
  readonly row: number;
}

/**
 * The newest records of identities: those under way, and thousands of durable ones in bytes, since whoever has called or
 * registered is likely to do so again. As objects they would take 1.2 kB each, which every full collection goes through;
 * looked up by the text, whose hash V8 keeps, since this is on the call path (`bench/provenance.ts`).
 */
export class NewestHeads {
  #remembered = new Map<Fingerprint, Remembered>();
  #max = maxSettled;
  #bytes: Buffer = Buffer.alloc(initialRows * rowBytes);
  #numbers = new Float64Array(initialRows * rowNumbers);
  #rows = 0;

  get(fingerprint: Fingerprint): KnownParty | undefined {
    const remembered = this.#remembered.get(fingerprint);
    return remembered && (remembered.pending ?? this.#partyIn(remembered.row));
  }

  /** It is under way. */
  expect(party: PendingParty): void {
    const remembered = this.#remembered.get(party.fingerprint);
    if (remembered) {
      remembered.pending = party;
      return;
    }
    if (this.#rows >= this.#max) this.#dropSettled();
    this.#remembered.set(party.fingerprint, { pending: party, row: this.#newRow() });
  }

  /** It is durable. */
  settle(party: PlacedParty): void {
    const remembered = this.#remembered.get(party.fingerprint);
    if (remembered?.pending !== party) return;
    const { bytes, key, id, seq, position, slot } = remembered.pending;
    remembered.pending = undefined;
    const start = remembered.row * rowBytes;
    this.#copyIn(bytes, start);
    this.#copyIn(key, start + keyAt);
    this.#copyIn(id, start + idAt);
    const at = remembered.row * rowNumbers;
    this.#numbers[at] = seq;
    this.#numbers[at + 1] = position;
    this.#numbers[at + 2] = slot;
  }

  /** Keeps no copy of its key either. */
  forget(fingerprint: Fingerprint): void {
    const remembered = this.#remembered.get(fingerprint);
    if (!remembered) return;
    this.#remembered.delete(fingerprint);
    this.#bytes.fill(0, remembered.row * rowBytes, (remembered.row + 1) * rowBytes);
  }

  clear(): void {
    this.#remembered = new Map();
    this.#bytes.fill(0);
    this.#rows = 0;
  }

  #partyIn(row: number): KnownParty {
    const start = row * rowBytes;
    const at = row * rowNumbers;
    return {
      seq: this.#numbers[at] ?? 0,
      position: this.#numbers[at + 1] ?? 0,
      slot: this.#numbers[at + 2] ?? 0,
      bytes: shortCopy(this.#bytes, start, start + keyAt),
      key: shortCopy(this.#bytes, start + keyAt, start + idAt),
      id: shortCopy(this.#bytes, start + idAt, start + rowBytes),
    };
  }

  #copyIn(from: Uint8Array, start: number): void {
    for (let at = 0; at < hashBytes; at++) this.#bytes[start + at] = from[at] ?? 0;
  }

  #newRow(): number {
    if (this.#rows * rowBytes === this.#bytes.length) {
      this.#bytes = moveToTwice(this.#bytes);
      const numbers = new Float64Array(2 * this.#numbers.length);
      numbers.set(this.#numbers);
      this.#numbers = numbers;
    }
    return this.#rows++;
  }

  #dropSettled(): void {
    const remembered = this.#remembered;
    this.clear();
    for (const [fingerprint, { pending }] of remembered)
      if (pending) this.#remembered.set(fingerprint, { pending, row: this.#newRow() });
    this.#max = this.#rows + maxSettled;
  }
}
