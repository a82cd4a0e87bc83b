import { asBuffer, decodeBase32, decodeHex, encodeBase32 } from '../base/index.ts';
import { OverlayError } from './errors.ts';

/** How a text is written: most of what the overlay keeps are fingerprints and hashes, whose bytes are half as long. */
const textForm = { utf8: 0, fingerprint: 1, hex: 2 } as const;
const textForms = 3;
const fingerprintCharacters = 52;
const hexLengths: readonly number[] = [32, 64];
const initialBytes = 4_096;
const fewBytes = 64;

/** Numbers, texts and bytes one after the other, in memory that is used again. */
export class DocumentWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(initialBytes);
  #at = 0;

  begin(format: number): void {
    this.#bytes[0] = format;
    this.#at = 1;
  }

  finish(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at));
  }

  /** Seven bits a byte, the lowest first. `value` is an integer from 0 up to 2^53. */
  count(value: number): void {
    this.#room(8);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at++] = rest;
  }

  /** Any number: integers from 0 as a count, one higher, all others as a double behind a 0. */
  number(value: number): void {
    const counts = Number.isInteger(value) && value >= 0 && value < Number.MAX_SAFE_INTEGER;
    this.count(counts ? value + 1 : 0);
    if (counts) return;
    this.#room(8);
    this.#at = this.#bytes.writeDoubleBE(value, this.#at);
  }

  /** From 0 to 2^64. */
  bigint(value: bigint): void {
    this.#room(8);
    this.#at = this.#bytes.writeBigUInt64BE(value, this.#at);
  }

  bytes(value: Uint8Array): void {
    this.count(value.length);
    this.#raw(value);
  }

  text(value: string): void {
    const { length } = value;
    const fingerprint = length === fingerprintCharacters ? decodeBase32(value) : undefined;
    const packed = fingerprint ?? (hexLengths.includes(length) ? decodeHex(value) : undefined);
    const size = packed?.length ?? Buffer.byteLength(value);
    const form = fingerprint ? textForm.fingerprint : packed ? textForm.hex : textForm.utf8;
    this.count(size * textForms + form);
    if (packed) {
      this.#raw(packed);
    } else {
      this.#room(size);
      this.#at += this.#bytes.write(value, this.#at, size, 'utf8');
    }
  }

  #raw(value: Uint8Array): void {
    this.#room(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  #room(wanted: number): void {
    if (this.#at + wanted <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * (this.#at + wanted));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

/** Reads what a writer has written, once; copies what it gives. Throws OverlayError `store-corrupt`. */
export class DocumentReader {
  readonly #bytes: Buffer;
  #at = 1;

  constructor(bytes: Uint8Array) {
    this.#bytes = asBuffer(bytes);
  }

  count(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw truncated();
      value += (byte & 0x7f) * scale;
      if (byte < 128) return value;
    }
  }

  /** Which members of a structure are there, one bit each: below `limit`. */
  head(limit: number): number {
    const flags = this.count();
    if (flags >= limit)
      throw new OverlayError('store-corrupt', 'a stored document holds what this version does not know');
    return flags;
  }

  list<Value>(read: (source: DocumentReader) => Value): readonly Value[] {
    const values: Value[] = [];
    for (let left = this.count(); left > 0; left--) values.push(read(this));
    return values;
  }

  number(): number {
    const value = this.count();
    if (value > 0) return value - 1;
    const at = this.#take(8);
    return this.#bytes.readDoubleBE(at);
  }

  bigint(): bigint {
    const at = this.#take(8);
    return this.#bytes.readBigUInt64BE(at);
  }

  bytes(): Uint8Array {
    const size = this.count();
    const at = this.#take(size);
    if (size > fewBytes) return new Uint8Array(this.#bytes.subarray(at, at + size));
    // A key: by hand in a third of the time.
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) bytes[i] = this.#bytes[at + i] ?? 0;
    return bytes;
  }

  text(): string {
    const head = this.count();
    const size = Math.floor(head / textForms);
    const at = this.#take(size);
    switch (head % textForms) {
      case textForm.fingerprint:
        return encodeBase32(this.#bytes, at, at + size);
      case textForm.hex:
        return this.#bytes.toString('hex', at, at + size);
      default:
        return this.#bytes.toString('utf8', at, at + size);
    }
  }

  #take(size: number): number {
    const at = this.#at;
    this.#at += size;
    if (this.#at > this.#bytes.length) throw truncated();
    return at;
  }
}

function truncated(): OverlayError {
  return new OverlayError('store-corrupt', 'a stored document ends too early');
}
