import { ownText } from '../message/index.ts';

interface CountWindow {
  readonly mintedAtMs: number;
  highest: number;
  /** Bit i: the count `highest - i` was used. */
  used: number;
}

/** How far behind the highest count an unused one may still arrive: UDP reorders requests. */
const windowSize = 32;

/**
 * Remembers which (nonce, count) pairs were accepted, so that a captured answer works once (RFC 7616 §5.5).
 * Feed it only nonces that were answered correctly: then nobody without a password can fill it.
 */
export class NonceCounts {
  readonly #windows = new Map<string, CountWindow>();
  readonly #maxNonces: number;
  readonly #lifetimeMs: number;
  /** Nonces minted up to here may have been forgotten, so unknown ones count as used: forgetting never allows a replay. */
  #forgottenUpToMs = 0;

  constructor(options: { readonly lifetimeMs: number; readonly maxNonces?: number }) {
    this.#lifetimeMs = options.lifetimeMs;
    this.#maxNonces = options.maxNonces ?? 100_000;
  }

  get size(): number {
    return this.#windows.size;
  }

  /** True once for each pair; false for a repeated count, one too far behind, or a nonce that may have been forgotten. */
  use(nonce: string, mintedAtMs: number, count: number, nowMs: number): boolean {
    if (count < 1) return false;
    const window = this.#windows.get(nonce);
    if (!window) {
      if (mintedAtMs <= this.#forgottenUpToMs) return false;
      this.#makeRoom(nowMs);
      // A copy: a part of the parsed text would keep the whole request in memory with it.
      this.#windows.set(ownText(nonce), { mintedAtMs, highest: count, used: 1 });
      return true;
    }
    const ahead = count - window.highest;
    if (ahead > 0) {
      window.used = ahead < windowSize ? ((window.used << ahead) | 1) >>> 0 : 1;
      window.highest = count;
      return true;
    }
    if (-ahead >= windowSize) return false;
    const bit = (1 << -ahead) >>> 0;
    if ((window.used & bit) !== 0) return false;
    window.used = (window.used | bit) >>> 0;
    return true;
  }

  #makeRoom(nowMs: number): void {
    // First use follows minting closely, so the map is nearly in order of age and the loop stops early.
    for (const [nonce, window] of this.#windows) {
      const expired = window.mintedAtMs + this.#lifetimeMs < nowMs;
      if (!expired && this.#windows.size < this.#maxNonces) return;
      this.#windows.delete(nonce);
      this.#forgottenUpToMs = Math.max(this.#forgottenUpToMs, window.mintedAtMs);
    }
  }
}
