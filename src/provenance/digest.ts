import { hash } from 'node:crypto';

/** SHA-256. As text from native code and back into pooled memory: three times as fast as a Buffer per digest. */
export function sha256(bytes: Uint8Array): Buffer {
  return Buffer.from(sha256Latin1(bytes), 'latin1');
}

/** Two hundred and fifty-six digests. */
const slabBytes = 8_192;

/**
 * Memory for digests that are kept for longer than a moment: cut out of Node's own pool, the 32 bytes of one would
 * keep 64 kB alive.
 */
export class DigestSlab {
  #bytes: Buffer = Buffer.allocUnsafeSlow(slabBytes);
  #used = 0;

  /** From one character per byte. */
  keep(latin1: string): Buffer {
    const digest = this.leaveRoom(latin1.length);
    digest.write(latin1, 'latin1');
    return digest;
  }

  /** For a digest that comes later; what lies there now means nothing. */
  leaveRoom(length: number): Buffer {
    if (this.#used + length > slabBytes) {
      this.#bytes = Buffer.allocUnsafeSlow(slabBytes);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    return this.#bytes.subarray(start, this.#used);
  }
}

/** SHA-256 of bytes, or of a text's UTF-8, as one character per byte, for `ByteWriter.latin1`. */
export function sha256Latin1(input: Uint8Array | string): string {
  return hash('sha256', input, 'latin1');
}

/** Up to this length the view that is hashed is kept. */
const keptViewBytes = 2_048;

/**
 * SHA-256 of stretches of memory, each behind the same few bytes. Native code hashes views, and one for each stretch would
 * take more memory than what comes back: so stretches are copied to where a view of their length is kept
 * (`bench/provenance.ts`).
 */
export class HeadedDigest {
  readonly #headBytes: number;
  #bytes: Buffer;
  #views: (Uint8Array | undefined)[] = [];

  constructor(head: Uint8Array = new Uint8Array(0)) {
    this.#headBytes = head.length;
    this.#bytes = Buffer.allocUnsafeSlow(keptViewBytes);
    this.#bytes.set(head);
  }

  /** One character per byte. */
  of(memory: Buffer, start: number, end: number): string {
    const length = this.#headBytes + end - start;
    if (length > this.#bytes.length) this.#grow(length);
    memory.copy(this.#bytes, this.#headBytes, start, end);
    if (length > keptViewBytes) return sha256Latin1(this.#bytes.subarray(0, length));
    let view = this.#views[length];
    if (!view) {
      view = this.#bytes.subarray(0, length);
      this.#views[length] = view;
    }
    return sha256Latin1(view);
  }

  #grow(length: number): void {
    const grown = Buffer.allocUnsafeSlow(2 * length);
    this.#bytes.copy(grown, 0, 0, this.#headBytes);
    this.#bytes = grown;
    this.#views = [];
  }
}

/** SHAKE256 (FIPS 202), one character per byte. */
export function shake256Latin1(input: Uint8Array, length: number): string {
  return hash('shake256', input, { outputEncoding: 'latin1', outputLength: length });
}
