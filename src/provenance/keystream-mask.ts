const initialBytes = 4096;

/**
 * A stretch of memory that keystreams are laid over, four bytes at a time: byte by byte, and from the text that a
 * keystream comes as, it took as long as making the stream (`bench/provenance.ts`).
 */
export class KeystreamMask {
  #bytes: Buffer = Buffer.allocUnsafeSlow(initialBytes);
  #stream: Buffer = Buffer.allocUnsafeSlow(initialBytes);
  #words: readonly [Int32Array, Int32Array] = wordsOf(this.#bytes, this.#stream);

  /** What is to be masked, and what was; valid until the next `reserve`. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Makes room; what was there is gone when there was not enough. */
  reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const rounded = Math.ceil(length / initialBytes) * initialBytes;
    this.#bytes = Buffer.allocUnsafeSlow(rounded);
    this.#stream = Buffer.allocUnsafeSlow(rounded);
    this.#words = wordsOf(this.#bytes, this.#stream);
  }

  /** Masks the first bytes, as many as the stream has characters. */
  apply(stream: string): void {
    const [words, over] = this.#words;
    const length = this.#stream.write(stream, 0, stream.length, 'latin1');
    // The last word may reach beyond the stream, into bytes that mean nothing.
    const count = Math.ceil(length / Int32Array.BYTES_PER_ELEMENT);
    for (let at = 0; at < count; at++) words[at] = (words[at] ?? 0) ^ (over[at] ?? 0);
  }
}

function wordsOf(bytes: Buffer, stream: Buffer): readonly [Int32Array, Int32Array] {
  return [new Int32Array(bytes.buffer), new Int32Array(stream.buffer)];
}
