import { hash } from 'node:crypto';

/** RFC 2104 §2: the block of SHA-256, and the bytes that its key is mixed with. */
const blockBytes = 64;
const digestBytes = 32;
const innerPad = 0x36;
const outerPad = 0x5c;
/** For the inner block and what is signed; grows with it. */
const initialBytes = 1_024;

/**
 * HMAC-SHA-256 under one key, as latin1 text: one character a byte. From one-shot hashes in memory that is used again;
 * an object of Node's for each MAC, and a Buffer for its digest, cost three times as much (`bench/calls.ts`).
 */
export class HmacSha256 {
  #inner = Buffer.alloc(initialBytes, innerPad);
  readonly #outer = Buffer.alloc(blockBytes + digestBytes, outerPad);

  /** `key`: at most 64 bytes. */
  constructor(key: Uint8Array) {
    if (key.length > blockBytes) throw new RangeError('the key is longer than a block');
    for (const [at, byte] of key.entries()) {
      this.#inner[at] = byte ^ innerPad;
      this.#outer[at] = byte ^ outerPad;
    }
  }

  /** Of all parts, joined; text counts as UTF-8. */
  of(...parts: readonly (Uint8Array | string)[]): string {
    let end = blockBytes;
    for (const part of parts) {
      // A character of a string takes three bytes at most.
      this.#reserve(end + 3 * part.length);
      if (typeof part === 'string') end += this.#inner.write(part, end, 'utf8');
      else {
        this.#inner.set(part, end);
        end += part.length;
      }
    }
    this.#outer.write(hash('sha256', this.#inner.subarray(0, end), 'latin1'), blockBytes, 'latin1');
    return hash('sha256', this.#outer, 'latin1');
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#inner.length) return;
    this.#inner = Buffer.concat([this.#inner], bytes * 2);
  }
}
