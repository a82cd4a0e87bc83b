import { randomFillSync } from 'node:crypto';
import { encodeBase32 } from './bytes.ts';

/** Cryptographically secure random bytes; injected, so that vectors and tests can be exact. */
export interface Random {
  bytes(length: number): Uint8Array;
}

/** One call into the kernel fills many small requests: a salt costs a copy, not a system call. */
const poolBytes = 16_384;

class PooledRandom implements Random {
  readonly #pool = new Uint8Array(poolBytes);
  #used = poolBytes;

  bytes(length: number): Uint8Array {
    if (length > poolBytes) return randomFillSync(new Uint8Array(length));
    if (this.#used + length > poolBytes) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const end = this.#used + length;
    const drawn = this.#pool.slice(this.#used, end);
    // What was handed out must not be readable here a second time.
    this.#pool.fill(0, this.#used, end);
    this.#used = end;
    return drawn;
  }
}

export const systemRandom: Random = new PooledRandom();

/** A random identifier of lower-case letters and digits 2 to 7 that carries `bits` bits (rounded up to a byte). */
export function randomId(random: Random, bits: number): string {
  return encodeBase32(random.bytes(Math.ceil(bits / 8)));
}
