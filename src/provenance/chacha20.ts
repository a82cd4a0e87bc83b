import { int32At } from '../base/index.ts';

/** RFC 8439 §2.3: a block has sixteen words of 32 bits. */
const blockWords = 16;
const blockBytes: number = blockWords * 4;
/** "expand 32-byte k", as little-endian words. */
const constants = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;
const keyAt = constants.length;
const counterAt = 12;
const partAt = 14;

/**
 * XChaCha20 (draft-irtf-cfrg-xchacha-03 §2.3) over memory that is there already. Node's own ciphers want an object for
 * each key, and making one takes longer than masking a whole record here (`bench/provenance.ts`).
 */
export class XChaCha20 {
  readonly #state = Int32Array.of(...constants, ...new Int32Array(blockWords - keyAt));
  readonly #block = new Int32Array(blockWords);

  /** Takes a key of 32 bytes, and of the nonce the 16 bytes that are the same for all parts (§2.2, HChaCha20). */
  begin(key: Uint8Array, nonce: Uint8Array): void {
    const state = this.#state;
    const block = this.#block;
    for (let at = 0; at < 8; at++) state[keyAt + at] = int32At(key, 4 * at);
    for (let at = 0; at < 4; at++) state[counterAt + at] = int32At(nonce, 4 * at);
    rounds(state, block);
    for (let at = 0; at < 4; at++) {
      state[keyAt + at] = block[at] ?? 0;
      state[keyAt + 4 + at] = block[counterAt + at] ?? 0;
    }
    state.fill(0, counterAt);
  }

  /** Masks a stretch of memory, or takes the mask off. The last 8 bytes of the nonce are `part`, little-endian. */
  mask(memory: DataView, start: number, end: number, part: number): void {
    const state = this.#state;
    const block = this.#block;
    state[counterAt] = 0;
    state[partAt] = part;
    let at = start;
    for (; at < end; at += blockBytes) {
      rounds(state, block);
      if (end - at < blockBytes) break;
      for (let word = 0; word < blockWords; word++) {
        const place = at + 4 * word;
        memory.setInt32(place, memory.getInt32(place, true) ^ sum(block, state, word), true);
      }
      state[counterAt] = (state[counterAt] ?? 0) + 1;
    }
    for (let left = at; left < end; left++) {
      const word = sum(block, state, (left - at) >>> 2);
      memory.setUint8(left, memory.getUint8(left) ^ (word >>> (8 * ((left - at) & 3))));
    }
  }
}

/** RFC 8439 §2.3.1: twenty rounds over the words of `s`, without the addition at the end, into `w`. */
function rounds(s: Int32Array, w: Int32Array): void {
  let x0 = s[0] ?? 0;
  let x1 = s[1] ?? 0;
  let x2 = s[2] ?? 0;
  let x3 = s[3] ?? 0;
  let x4 = s[4] ?? 0;
  let x5 = s[5] ?? 0;
  let x6 = s[6] ?? 0;
  let x7 = s[7] ?? 0;
  let x8 = s[8] ?? 0;
  let x9 = s[9] ?? 0;
  let x10 = s[10] ?? 0;
  let x11 = s[11] ?? 0;
  let x12 = s[12] ?? 0;
  let x13 = s[13] ?? 0;
  let x14 = s[14] ?? 0;
  let x15 = s[15] ?? 0;
  for (let round = 0; round < 10; round++) {
    x0 = (x0 + x4) | 0;
    x12 ^= x0;
    x12 = (x12 << 16) | (x12 >>> 16);
    x8 = (x8 + x12) | 0;
    x4 ^= x8;
    x4 = (x4 << 12) | (x4 >>> 20);
    x0 = (x0 + x4) | 0;
    x12 ^= x0;
    x12 = (x12 << 8) | (x12 >>> 24);
    x8 = (x8 + x12) | 0;
    x4 ^= x8;
    x4 = (x4 << 7) | (x4 >>> 25);
    x1 = (x1 + x5) | 0;
    x13 ^= x1;
    x13 = (x13 << 16) | (x13 >>> 16);
    x9 = (x9 + x13) | 0;
    x5 ^= x9;
    x5 = (x5 << 12) | (x5 >>> 20);
    x1 = (x1 + x5) | 0;
    x13 ^= x1;
    x13 = (x13 << 8) | (x13 >>> 24);
    x9 = (x9 + x13) | 0;
    x5 ^= x9;
    x5 = (x5 << 7) | (x5 >>> 25);
    x2 = (x2 + x6) | 0;
    x14 ^= x2;
    x14 = (x14 << 16) | (x14 >>> 16);
    x10 = (x10 + x14) | 0;
    x6 ^= x10;
    x6 = (x6 << 12) | (x6 >>> 20);
    x2 = (x2 + x6) | 0;
    x14 ^= x2;
    x14 = (x14 << 8) | (x14 >>> 24);
    x10 = (x10 + x14) | 0;
    x6 ^= x10;
    x6 = (x6 << 7) | (x6 >>> 25);
    x3 = (x3 + x7) | 0;
    x15 ^= x3;
    x15 = (x15 << 16) | (x15 >>> 16);
    x11 = (x11 + x15) | 0;
    x7 ^= x11;
    x7 = (x7 << 12) | (x7 >>> 20);
    x3 = (x3 + x7) | 0;
    x15 ^= x3;
    x15 = (x15 << 8) | (x15 >>> 24);
    x11 = (x11 + x15) | 0;
    x7 ^= x11;
    x7 = (x7 << 7) | (x7 >>> 25);
    x0 = (x0 + x5) | 0;
    x15 ^= x0;
    x15 = (x15 << 16) | (x15 >>> 16);
    x10 = (x10 + x15) | 0;
    x5 ^= x10;
    x5 = (x5 << 12) | (x5 >>> 20);
    x0 = (x0 + x5) | 0;
    x15 ^= x0;
    x15 = (x15 << 8) | (x15 >>> 24);
    x10 = (x10 + x15) | 0;
    x5 ^= x10;
    x5 = (x5 << 7) | (x5 >>> 25);
    x1 = (x1 + x6) | 0;
    x12 ^= x1;
    x12 = (x12 << 16) | (x12 >>> 16);
    x11 = (x11 + x12) | 0;
    x6 ^= x11;
    x6 = (x6 << 12) | (x6 >>> 20);
    x1 = (x1 + x6) | 0;
    x12 ^= x1;
    x12 = (x12 << 8) | (x12 >>> 24);
    x11 = (x11 + x12) | 0;
    x6 ^= x11;
    x6 = (x6 << 7) | (x6 >>> 25);
    x2 = (x2 + x7) | 0;
    x13 ^= x2;
    x13 = (x13 << 16) | (x13 >>> 16);
    x8 = (x8 + x13) | 0;
    x7 ^= x8;
    x7 = (x7 << 12) | (x7 >>> 20);
    x2 = (x2 + x7) | 0;
    x13 ^= x2;
    x13 = (x13 << 8) | (x13 >>> 24);
    x8 = (x8 + x13) | 0;
    x7 ^= x8;
    x7 = (x7 << 7) | (x7 >>> 25);
    x3 = (x3 + x4) | 0;
    x14 ^= x3;
    x14 = (x14 << 16) | (x14 >>> 16);
    x9 = (x9 + x14) | 0;
    x4 ^= x9;
    x4 = (x4 << 12) | (x4 >>> 20);
    x3 = (x3 + x4) | 0;
    x14 ^= x3;
    x14 = (x14 << 8) | (x14 >>> 24);
    x9 = (x9 + x14) | 0;
    x4 ^= x9;
    x4 = (x4 << 7) | (x4 >>> 25);
  }
  w[0] = x0;
  w[1] = x1;
  w[2] = x2;
  w[3] = x3;
  w[4] = x4;
  w[5] = x5;
  w[6] = x6;
  w[7] = x7;
  w[8] = x8;
  w[9] = x9;
  w[10] = x10;
  w[11] = x11;
  w[12] = x12;
  w[13] = x13;
  w[14] = x14;
  w[15] = x15;
}

/** RFC 8439 §2.3: what the rounds made of a word, and the word. */
function sum(block: Int32Array, state: Int32Array, word: number): number {
  return ((block[word] ?? 0) + (state[word] ?? 0)) | 0;
}
