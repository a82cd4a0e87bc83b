import { crc32 } from 'node:zlib';
import type { Random } from '../base/index.ts';
import type { XChaCha20 } from './chacha20.ts';
import { type HeadedDigest, sha256Latin1, shake256Latin1 } from './digest.ts';
import { ProvenanceError } from './error.ts';

/** RFC 8949 §3.1: major types, already shifted into the initial byte. */
export const cborMajor = {
  unsigned: 0x00,
  negative: 0x20,
  bytes: 0x40,
  text: 0x60,
  array: 0x80,
  map: 0xa0,
} as const;

const initialBytes = 4096;
/** Beyond this a native UTF-8 call beats the loop over char codes. */
const longText = 48;
/** Up to this length the view that is hashed is kept. */
const keptViewBytes = 2048;
/** Up to this length a loop over bytes is faster than a native call. */
const shortBytes = 64;

/**
 * Writes deterministic CBOR and fixed-width integers into memory that is used again for the next record. Records
 * have few fixed shapes; going through general CBOR values would take several times as long on the call path. A
 * test holds each shape against `encodeCbor`.
 */
export class ByteWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(initialBytes);
  #words: DataView = new DataView(this.#bytes.buffer);
  #at = 0;
  /** Of all that was written, by its length. */
  #views: (Uint8Array | undefined)[] = [];

  get length(): number {
    return this.#at;
  }

  reset(): void {
    this.#at = 0;
  }

  truncate(length: number): void {
    this.#at = length;
  }

  dropFirst(count: number): void {
    this.#bytes.copyWithin(0, count, this.#at);
    this.#at -= count;
  }

  /** A copy of what was written since `start`. */
  copy(start = 0): Buffer {
    const copy = Buffer.allocUnsafe(this.#at - start);
    this.#bytes.copy(copy, 0, start, this.#at);
    return copy;
  }

  copyInto(target: Buffer): void {
    this.#bytes.copy(target, 0, 0, this.#at);
  }

  /** Lays the keystream of a key over what was written from `start` to `end`. */
  mask(cipher: XChaCha20, start: number, end: number, part: number): void {
    cipher.mask(this.#words, start, end, part);
  }

  /** What was written since `start`, valid until the next write. */
  view(start = 0): Uint8Array {
    return this.#bytes.subarray(start, this.#at);
  }

  /** SHA-256 of all that was written, one character per byte. */
  digest(): string {
    return sha256Latin1(this.#whole());
  }

  /** What lies from `start` to `end`, behind the head of the digest. */
  digestOf(headed: HeadedDigest, start: number, end: number): string {
    return headed.of(this.#bytes, start, end);
  }

  crc32Of(start: number, end: number): number {
    return crc32(this.#bytes.subarray(start, end));
  }

  /** SHAKE256 of all that was written, one character per byte. */
  keystream(length: number): string {
    return shake256Latin1(this.#whole(), length);
  }

  /** A part of other memory. */
  part(source: Buffer, start: number, end: number): void {
    const count = end - start;
    this.#reserve(count);
    source.copy(this.#bytes, this.#at, start, end);
    this.#at += count;
  }

  /** Leaves room that is filled in later; returns where it begins. What lies there is what lay there before. */
  skip(count: number): number {
    this.#reserve(count);
    this.#at += count;
    return this.#at - count;
  }

  /** Into memory that was written before, as are the others that say where. */
  randomAt(at: number, source: Random, count: number): void {
    source.fill(this.#bytes, at, count);
  }

  rawAt(at: number, bytes: Uint8Array): void {
    const target = this.#bytes;
    for (let i = 0; i < bytes.length; i++) target[at + i] = bytes[i] ?? 0;
  }

  uint16At(at: number, value: number): void {
    this.#bytes.writeUInt16BE(value, at);
  }

  uint32At(at: number, value: number): void {
    this.#bytes.writeUInt32BE(value, at);
  }

  /** One byte per character. */
  latin1At(at: number, text: string): void {
    this.#bytes.write(text, at, text.length, 'latin1');
  }

  raw(bytes: Uint8Array): void {
    const count = bytes.length;
    this.#reserve(count);
    const target = this.#bytes;
    const at = this.#at;
    if (count > shortBytes) target.set(bytes, at);
    else for (let i = 0; i < count; i++) target[at + i] = bytes[i] ?? 0;
    this.#at = at + count;
  }

  uint8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  uint16(value: number): void {
    this.#reserve(2);
    this.#at = this.#bytes.writeUInt16BE(value, this.#at);
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#at = this.#bytes.writeUInt32BE(value, this.#at);
  }

  uint64(value: number): void {
    this.uint32(Math.floor(value / 0x1_0000_0000));
    this.uint32(value % 0x1_0000_0000);
  }

  /** One byte per character. */
  latin1(text: string): void {
    this.#reserve(text.length);
    this.#at += this.#bytes.write(text, this.#at, text.length, 'latin1');
  }

  /** RFC 8949 §4.2.1: the shortest head. */
  head(major: number, argument: number): void {
    if (argument < 24) this.uint8(major | argument);
    else if (argument < 0x100) {
      this.uint8(major | 24);
      this.uint8(argument);
    } else if (argument < 0x1_0000) {
      this.uint8(major | 25);
      this.uint16(argument);
    } else if (argument < 0x1_0000_0000) {
      this.uint8(major | 26);
      this.uint32(argument);
    } else {
      this.uint8(major | 27);
      this.uint64(argument);
    }
  }

  byteString(bytes: Uint8Array): void {
    this.head(cborMajor.bytes, bytes.length);
    this.raw(bytes);
  }

  /** What another writer holds from `start` to `end`, as a byte string; returns where its bytes begin. */
  byteStringFrom(other: ByteWriter, start: number, end: number): number {
    this.head(cborMajor.bytes, end - start);
    const at = this.#at;
    this.part(other.#bytes, start, end);
    return at;
  }

  /** A part of other memory as a byte string. */
  byteStringOf(source: Buffer, start: number, end: number): void {
    this.head(cborMajor.bytes, end - start);
    this.part(source, start, end);
  }

  /**
   * Begins a byte string whose length is not known yet; returns what `endByteString` asks for. `headBytes` is a guess: when
   * it is wrong the contents move.
   */
  beginByteString(headBytes: number): number {
    return this.skip(headBytes) + headBytes;
  }

  /** Returns by how much the contents have moved. */
  endByteString(start: number, headBytes: number): number {
    const length = this.#at - start;
    const shift = headLength(length) - headBytes;
    if (shift !== 0) {
      this.#reserve(Math.max(shift, 0));
      this.#bytes.copyWithin(start + shift, start, this.#at);
    }
    const end = this.#at + shift;
    this.#at = start - headBytes;
    this.head(cborMajor.bytes, length);
    this.#at = end;
    return shift;
  }

  text(text: string): void {
    if (text.length <= longText && this.#shortAscii(text)) return;
    if (!text.isWellFormed()) throw new ProvenanceError('layer-invalid', 'text holds a lone surrogate');
    const length = Buffer.byteLength(text);
    this.head(cborMajor.text, length);
    this.#reserve(length);
    this.#at += this.#bytes.write(text, this.#at, length, 'utf8');
  }

  #shortAscii(text: string): boolean {
    this.#reserve(text.length + 2);
    const start = this.#at;
    this.head(cborMajor.text, text.length);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) {
        this.#at = start;
        return false;
      }
      bytes[at++] = unit;
    }
    this.#at = at;
    return true;
  }

  /**
   * Native code hashes views, and a view takes more memory than what comes back: one for each length is kept
   * (`bench/provenance.ts`).
   */
  #whole(): Uint8Array {
    if (this.#at > keptViewBytes) return this.view();
    let view = this.#views[this.#at];
    if (!view) {
      view = this.view();
      this.#views[this.#at] = view;
    }
    return view;
  }

  #reserve(count: number): void {
    const needed = this.#at + count;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
    this.#words = new DataView(grown.buffer);
    this.#views = [];
  }
}

/** Bytes of the head that has this argument (RFC 8949 §4.2.1). */
export function headLength(argument: number): number {
  if (argument < 24) return 1;
  if (argument < 0x100) return 2;
  if (argument < 0x1_0000) return 3;
  return argument < 0x1_0000_0000 ? 5 : 9;
}
