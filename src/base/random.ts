import { randomFillSync } from 'node:crypto';
import { encodeBase32 } from './bytes.ts';

/** Cryptographically secure random bytes; injected, so that vectors and tests can be exact. */
export interface Random {
  bytes(length: number): Uint8Array;
  /** The same into memory that is there already. */
  fill(target: Uint8Array, start: number, length: number): void;
}

/** One call into the kernel fills many small requests: a salt costs a copy, not a system call. */
const poolBytes = 16_384;

class PooledRandom implements Random {
  readonly #pool = new Uint8Array(poolBytes);
  #used = poolBytes;

  bytes(length: number): Uint8Array {
    const drawn = new Uint8Array(length);
    this.fill(drawn, 0, length);
    return drawn;
  }

  fill(target: Uint8Array, start: number, length: number): void {
    if (length > poolBytes) {
      randomFillSync(target, start, length);
      return;
    }
    if (this.#used + length > poolBytes) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const pool = this.#pool;
    const used = this.#used;
    for (let at = 0; at < length; at++) {
      target[start + at] = pool[used + at] ?? 0;
      // What was handed out must not be readable here a second time.
      pool[used + at] = 0;
    }
    this.#used = used + length;
  }
}

export const systemRandom: Random = new PooledRandom();

/** A random identifier of lower-case letters and digits 2 to 7 that carries `bits` bits (rounded up to a byte). */
export function randomId(random: Random, bits: number): string {
  return encodeBase32(random.bytes(Math.ceil(bits / 8)));
}

/** A whole number from 0 to below `bound`, which is small: the bias of a 48-bit remainder cannot be seen then. */
export function randomBelow(random: Random, bound: number): number {
  return Buffer.from(random.bytes(6)).readUIntBE(0, 6) % bound;
}
