import { KeyedHash } from '../../base/index.ts';

/** A power of two: a call opens its token twice soon after it was minted. */
const slots = 2_048;
/** For token and contents; longer ones are not remembered. */
const slotBytes = 512;

/**
 * Flow tokens that were minted or opened lately, with what they hold. In memory of a fixed size: a string and an object
 * for each would come to lie in the old heap, where only a full collection finds them (`bench/calls.ts`).
 */
export class OpenedTokens {
  readonly #hash = new KeyedHash();
  readonly #bytes = Buffer.allocUnsafeSlow(slots * slotBytes);
  readonly #tokenEnds = new Uint16Array(slots);
  readonly #ends = new Uint16Array(slots);

  /** The contents, as they were kept; valid until the next `keep`. */
  get(token: string): Buffer | undefined {
    const slot = this.#hash.of(token) & (slots - 1);
    const tokenEnd = this.#tokenEnds[slot] ?? 0;
    if (tokenEnd === 0 || tokenEnd !== token.length) return undefined;
    const start = slot * slotBytes;
    if (this.#bytes.toString('latin1', start, start + tokenEnd) !== token) return undefined;
    return this.#bytes.subarray(start + tokenEnd, start + (this.#ends[slot] ?? 0));
  }

  /** `token` is latin1. What had its slot before makes way. */
  keep(token: string, contents: Uint8Array): void {
    const end = token.length + contents.length;
    if (end > slotBytes) return;
    const slot = this.#hash.of(token) & (slots - 1);
    this.#bytes.write(token, slot * slotBytes, 'latin1');
    this.#bytes.set(contents, slot * slotBytes + token.length);
    this.#tokenEnds[slot] = token.length;
    this.#ends[slot] = end;
  }

  clear(): void {
    this.#tokenEnds.fill(0);
  }
}
