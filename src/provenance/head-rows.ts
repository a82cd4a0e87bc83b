import { type Random, shortCopy, systemRandom } from '../base/index.ts';
import { FingerprintTable } from './fingerprint-table.ts';
import type { Head } from './ledger.ts';
import { hashBytes } from './merkle-tree.ts';

/** Fingerprint, id, sequence number, position. */
const rowBytes = 80;
const idAt = 32;
const rowNumbers = rowBytes / 8;
const seqAt = 8;
const positionAt = 9;
const initialRows = 64;
/** In place of a sequence number: it was taken out. */
const none = 0;

/**
 * Newest records of identities, in bytes: of each that calls or registers there is one here for a while, and as objects
 * they would take 1.2 kB each and be gone through by every full collection (docs/performance.md).
 */
export class HeadRows {
  readonly #table: FingerprintTable;
  #bytes: Buffer = Buffer.alloc(initialRows * rowBytes);
  #numbers = numbersOf(this.#bytes);
  #length = 0;

  constructor(random: Random = systemRandom) {
    this.#table = new FingerprintTable({ rowBytes, fingerprintAt: 0, random });
  }

  /** Those that were taken out count. */
  get length(): number {
    return this.#length;
  }

  get(fingerprint: Uint8Array): Head | undefined {
    const row = this.#table.find(this.#bytes, fingerprint);
    return row < 0 ? undefined : this.#headIn(row);
  }

  put(fingerprint: Uint8Array, { seq, id, position }: Head): void {
    let row = this.#table.find(this.#bytes, fingerprint);
    if (row < 0) {
      if (this.#length * rowBytes === this.#bytes.length) this.#grow();
      row = this.#length++;
      this.#bytes.set(fingerprint, row * rowBytes);
      this.#table.enter(this.#bytes, row);
    }
    this.#bytes.set(id, row * rowBytes + idAt);
    this.#numbers[row * rowNumbers + seqAt] = seq;
    this.#numbers[row * rowNumbers + positionAt] = position;
  }

  delete(fingerprint: Uint8Array): void {
    const row = this.#table.find(this.#bytes, fingerprint);
    if (row >= 0) this.#numbers[row * rowNumbers + seqAt] = none;
  }

  /** Those of the moment, in no order; the fingerprint's bytes are a view. */
  *[Symbol.iterator](): Generator<readonly [fingerprint: Buffer, head: Head]> {
    const bytes = this.#bytes;
    for (let row = 0, end = this.#length; row < end; row++) {
      const head = this.#headIn(row);
      if (head) yield [bytes.subarray(row * rowBytes, row * rowBytes + idAt), head];
    }
  }

  #headIn(row: number): Head | undefined {
    const seq = this.#numbers[row * rowNumbers + seqAt] ?? none;
    if (seq === none) return undefined;
    const start = row * rowBytes + idAt;
    const id = shortCopy(this.#bytes, start, start + hashBytes);
    return { seq, id, position: this.#numbers[row * rowNumbers + positionAt] ?? 0 };
  }

  #grow(): void {
    const wider = Buffer.alloc(2 * this.#bytes.length);
    this.#bytes.copy(wider);
    this.#bytes = wider;
    this.#numbers = numbersOf(wider);
  }
}

/** Buffer.alloc has no memory in common with others. */
function numbersOf({ buffer, byteOffset, length }: Buffer): Float64Array {
  return new Float64Array(buffer, byteOffset, length / 8);
}
