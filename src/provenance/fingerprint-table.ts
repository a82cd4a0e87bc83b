import { asBuffer, int32At, type Random, standsAt } from '../base/index.ts';

const initialPlaces = 128;

export interface FingerprintTableOptions {
  /** Of the memory in which the fingerprints lie. */
  readonly rowBytes: number;
  /** Where in a row. */
  readonly fingerprintAt: number;
  /** How many rows are about to be entered. */
  readonly rows?: number;
  /** Who chooses fingerprints must not choose which of them meet. */
  readonly random: Random;
}

/** Finds the rows of a stretch of memory by the fingerprint in each: open addressing, at most half full. */
export class FingerprintTable {
  readonly #rowBytes: number;
  readonly #fingerprintAt: number;
  readonly #seed: number;
  /** Rows, one higher; a power of two of places. */
  #places: Int32Array;
  #entered = 0;

  constructor({ rowBytes, fingerprintAt, rows = 0, random }: FingerprintTableOptions) {
    this.#rowBytes = rowBytes;
    this.#fingerprintAt = fingerprintAt;
    this.#seed = asBuffer(random.bytes(4)).readInt32LE(0);
    this.#places = new Int32Array(Math.max(initialPlaces, 2 ** Math.ceil(Math.log2(3 * rows + 1))));
  }

  /** The first row with this fingerprint that is wanted; -1: there is none. */
  find(memory: Uint8Array, fingerprint: Uint8Array, wanted?: (row: number) => boolean): number {
    const places = this.#places;
    let place = this.#placeOf(fingerprint, 0);
    for (; ; place = (place + 1) & (places.length - 1)) {
      const row = (places[place] ?? 0) - 1;
      if (row < 0) return row;
      if (standsAt(memory, this.#fingerprintIn(row), fingerprint) && (!wanted || wanted(row))) return row;
    }
  }

  enter(memory: Uint8Array, row: number): void {
    if (2 * ++this.#entered > this.#places.length) {
      const rows = this.#places.filter((entry) => entry !== 0);
      this.#places = new Int32Array(2 * this.#places.length);
      for (const entry of rows) this.#put(memory, entry - 1);
    }
    this.#put(memory, row);
  }

  #put(memory: Uint8Array, row: number): void {
    let place = this.#placeOf(memory, this.#fingerprintIn(row));
    while (this.#places[place] !== 0) place = (place + 1) & (this.#places.length - 1);
    this.#places[place] = row + 1;
  }

  #fingerprintIn(row: number): number {
    return row * this.#rowBytes + this.#fingerprintAt;
  }

  /** Fingerprints are hashes already. */
  #placeOf(bytes: Uint8Array, at: number): number {
    const word = Math.imul(int32At(bytes, at) ^ this.#seed, 0x9e37_79b1) ^ int32At(bytes, at + 4);
    return Math.imul(word, 0x85eb_ca6b) >>> (Math.clz32(this.#places.length) + 1);
  }
}
