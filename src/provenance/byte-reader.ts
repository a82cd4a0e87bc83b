import { asBuffer } from '../base/index.ts';
import { cborMajor } from './byte-writer.ts';
import { ProvenanceError } from './error.ts';

const simple = 0xe0;

/**
 * Reads what `ByteWriter` has written, one item after the other, and makes a value only of what is asked for: strict
 * decoding of all that thousands of records hold was half of a start after a crash (`bench/provenance.ts`). Throws
 * ProvenanceError `record-malformed` where something else stands; whether the form is the only one it could have is up to
 * the verifier.
 */
export class ByteReader {
  readonly #bytes: Buffer;
  /** Where the next item begins. */
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = asBuffer(bytes);
  }

  /** Passes a head of this major type and returns its argument. */
  head(major: number): number {
    const initial = this.#bytes[this.at] ?? simple;
    if (this.at >= this.#bytes.length || (initial & 0xe0) !== major) throw malformed();
    return this.#argument(initial & 31);
  }

  /** Passes a byte string and returns where its bytes begin; `at` is where they end. */
  byteString(): number {
    return this.#taken(this.head(cborMajor.bytes));
  }

  bytes(): Buffer {
    const start = this.byteString();
    return this.#bytes.subarray(start, this.at);
  }

  text(): string {
    const start = this.#taken(this.head(cborMajor.text));
    return this.#bytes.toString('utf8', start, this.at);
  }

  /** Passes an item; undefined when it is no text. */
  textIfAny(): string | undefined {
    if (((this.#bytes[this.at] ?? 0) & 0xe0) === cborMajor.text) return this.text();
    this.skip();
    return undefined;
  }

  /** What was passed since. */
  since(start: number): Buffer {
    return this.#bytes.subarray(start, this.at);
  }

  skip(): void {
    for (let left = 1; left > 0; left--) {
      const initial = this.#bytes[this.at] ?? simple;
      const major = initial & 0xe0;
      if (major === simple) {
        if (++this.at > this.#bytes.length) throw malformed();
        continue;
      }
      const argument = this.head(major);
      if (major === cborMajor.bytes || major === cborMajor.text) this.#taken(argument);
      else if (major === cborMajor.array) left += argument;
      else if (major === cborMajor.map) left += 2 * argument;
    }
  }

  #taken(length: number): number {
    const start = this.at;
    this.at += length;
    if (this.at > this.#bytes.length) throw malformed();
    return start;
  }

  #argument(info: number): number {
    const bytes = this.#bytes;
    const at = this.at + 1;
    const length = info < 24 ? 0 : 1 << (info - 24);
    this.at = at + length;
    if (info > 27 || this.at > this.#bytes.length) throw malformed();
    switch (length) {
      case 0:
        return info;
      case 8:
        return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
      default:
        return bytes.readUIntBE(at, length);
    }
  }
}

function malformed(): ProvenanceError {
  return new ProvenanceError('record-malformed', 'a record that is read back has another form');
}
