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
export type KnownParty = Head &
  Required<Pick<PlacedParty, 'slot' | 'bytes'>> &
  Pick<PendingParty, 'key' | 'seat'>;

/** What is remembered of an identity. Its records know it: looking it up again would be what takes the time. */
export interface Seat {
  /** While that record is under way. */
  pending: PendingParty | undefined;
  /** Where the rest lies once it is durable; `left`: it is remembered no more. */
  row: number;
}

const left = -1;

/**
 * The newest records of identities: those under way, and thousands of durable ones in bytes, since whoever has called or
 * registered is likely to do so again. As objects they would take 1.2 kB each, which every full collection goes through;
 * looked up by the text, whose hash V8 keeps, since this is on the call path (`bench/provenance.ts`).
 */
export class NewestHeads {
  #seats = new Map<Fingerprint, Seat>();
  #max = maxSettled;
  #bytes: Buffer = Buffer.alloc(initialRows * rowBytes);
  #numbers = new Float64Array(initialRows * rowNumbers);
  #rows = 0;

  get(fingerprint: Fingerprint): KnownParty | undefined {
    const seat = this.#seats.get(fingerprint);
    return seat && (seat.pending ?? this.#partyOf(seat));
  }

  /** It is under way, and what `get` has said of its identity before is still so. */
  expect(party: PendingParty): void {
    if (party.seat === undefined || party.seat.row === left) party.seat = this.#seatOf(party.fingerprint);
    party.seat.pending = party;
  }

  /** It is durable. */
  settle(party: PlacedParty): void {
    const { seat } = party;
    if (seat?.pending === undefined || seat.pending !== party) return;
    const { bytes, key, id, seq, position, slot } = seat.pending;
    seat.pending = undefined;
    const start = seat.row * rowBytes;
    this.#copyIn(bytes, start);
    this.#copyIn(key, start + keyAt);
    this.#copyIn(id, start + idAt);
    const at = seat.row * rowNumbers;
    this.#numbers[at] = seq;
    this.#numbers[at + 1] = position;
    this.#numbers[at + 2] = slot;
  }

  /** Keeps no copy of its key either. */
  forget(fingerprint: Fingerprint): void {
    const seat = this.#seats.get(fingerprint);
    if (!seat) return;
    this.#seats.delete(fingerprint);
    this.#bytes.fill(0, seat.row * rowBytes, (seat.row + 1) * rowBytes);
    leave(seat);
  }

  clear(): void {
    for (const seat of this.#seats.values()) leave(seat);
    this.#empty();
  }

  #partyOf(seat: Seat): KnownParty {
    const start = seat.row * rowBytes;
    const at = seat.row * rowNumbers;
    return {
      seq: this.#numbers[at] ?? 0,
      position: this.#numbers[at + 1] ?? 0,
      slot: this.#numbers[at + 2] ?? 0,
      bytes: shortCopy(this.#bytes, start, start + keyAt),
      key: shortCopy(this.#bytes, start + keyAt, start + idAt),
      id: shortCopy(this.#bytes, start + idAt, start + rowBytes),
      seat,
    };
  }

  #seatOf(fingerprint: Fingerprint): Seat {
    const known = this.#seats.get(fingerprint);
    if (known) return known;
    if (this.#rows >= this.#max) this.#dropSettled();
    const seat = { pending: undefined, row: this.#newRow() };
    this.#seats.set(fingerprint, seat);
    return seat;
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
    const seats = this.#seats;
    this.#empty();
    for (const [fingerprint, seat] of seats)
      if (seat.pending) {
        seat.row = this.#newRow();
        this.#seats.set(fingerprint, seat);
      } else leave(seat);
    this.#max = this.#rows + maxSettled;
  }

  #empty(): void {
    this.#seats = new Map();
    this.#bytes.fill(0);
    this.#rows = 0;
  }
}

function leave(seat: Seat): void {
  seat.pending = undefined;
  seat.row = left;
}
