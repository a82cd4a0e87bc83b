import { type Random, systemRandom } from './random.ts';

/**
 * A hash of text under a key of its own, with the rounds of HalfSipHash-1-3: who chooses the texts cannot choose which of
 * them meet. For places in tables, where the text itself is compared too; it proves nothing.
 */
export class KeyedHash {
  readonly #low: number;
  readonly #high: number;

  constructor(random: Random = systemRandom) {
    const key = Buffer.from(random.bytes(8));
    this.#low = key.readInt32LE(0);
    this.#high = key.readInt32LE(4);
  }

  /** 32 bits, signed. */
  of(text: string): number {
    const { length } = text;
    let a = this.#low;
    let b = this.#high;
    let c = this.#low ^ 0x6c796765;
    let d = this.#high ^ 0x74656462;
    // Two characters a word, then a word with the length, then the three rounds that finish it.
    const words = (length + 1) >> 1;
    for (let round = 0; round <= words + 3; round++) {
      const at = round * 2;
      let word = 0;
      if (at < length) word = text.charCodeAt(at) | (at + 1 < length ? text.charCodeAt(at + 1) << 16 : 0);
      else if (round === words) word = length;
      else if (round === words + 1) c ^= 0xff;
      d ^= word;
      a = (a + b) | 0;
      b = ((b << 5) | (b >>> 27)) ^ a;
      a = (a << 16) | (a >>> 16);
      c = (c + d) | 0;
      d = ((d << 8) | (d >>> 24)) ^ c;
      a = (a + d) | 0;
      d = ((d << 7) | (d >>> 25)) ^ a;
      c = (c + b) | 0;
      b = ((b << 13) | (b >>> 19)) ^ c;
      c = (c << 16) | (c >>> 16);
      a ^= word;
    }
    return b ^ d;
  }
}
