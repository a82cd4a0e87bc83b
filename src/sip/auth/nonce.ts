import { timingSafeEqual } from 'node:crypto';
import { asBuffer, decodeBase64Url, encodeBase64Url, HmacSha256, type Random } from '../../base/index.ts';

/** `foreign`: not of this secret, or minted for another flow. Nobody but the holder of the secret can tell these apart. */
export type NonceState = 'fresh' | 'stale' | 'foreign' | 'malformed';

const timeBytes = 6;
const saltBytes = 5;
const macBytes = 16;
const macStart = timeBytes + saltBytes;
const nonceBytes = macStart + macBytes;
const timeCharacters = (timeBytes * 4) / 3;
const nonceCharacters = (nonceBytes * 4) / 3;
const macContext = 'tibet-sip nonce 1';

/**
 * Nonces that need no memory (RFC 7616 §5.4): [time in ms, salt, MAC over both and the scope], 36 characters.
 * The scope is the flow id, so what was captured on one flow opens nothing on another.
 */
export class NonceMint {
  readonly #mac: HmacSha256;
  readonly #random: Random;
  readonly #expected = Buffer.alloc(macBytes);
  readonly lifetimeMs: number;

  /** `secret`: 32 random bytes. Kept over a restart it spares phones one round trip; a new one makes old nonces foreign. */
  constructor(options: {
    readonly secret: Uint8Array;
    readonly random: Random;
    readonly lifetimeMs?: number;
  }) {
    this.#mac = new HmacSha256(options.secret);
    this.#random = options.random;
    this.lifetimeMs = options.lifetimeMs ?? 300_000;
  }

  mint(scope: string, nowMs: number): string {
    const nonce = Buffer.allocUnsafe(nonceBytes);
    nonce.writeUIntBE(Math.floor(nowMs), 0, timeBytes);
    nonce.set(this.#random.bytes(saltBytes), timeBytes);
    this.#writeMac(nonce, scope, nonce, macStart);
    return encodeBase64Url(nonce);
  }

  /** The MAC is checked before the time, so only nonces of this mint and scope are ever called stale. */
  check(nonce: string, scope: string, nowMs: number): NonceState {
    const bytes = decodeNonce(nonce);
    if (!bytes) return 'malformed';
    this.#writeMac(bytes, scope, this.#expected, 0);
    if (!timingSafeEqual(this.#expected, bytes.subarray(macStart))) return 'foreign';
    const ageMs = Math.floor(nowMs) - bytes.readUIntBE(0, timeBytes);
    // A nonce from the future means that the wall clock was set back; a fresh one costs one round trip.
    return ageMs >= 0 && ageMs <= this.lifetimeMs ? 'fresh' : 'stale';
  }

  /** The MAC over time and salt of `nonce`, and the scope. */
  #writeMac(nonce: Buffer, scope: string, into: Buffer, at: number): void {
    into.write(this.#mac.of(macContext, nonce.subarray(0, macStart), scope), at, macBytes, 'latin1');
  }
}

/** When a nonce says that it was minted; true only after `check`. Undefined for what is no nonce of ours. */
export function nonceMintedAtMs(nonce: string): number | undefined {
  const time = Buffer.from(nonce.slice(0, timeCharacters), 'base64url');
  const ours = nonce.length === nonceCharacters && time.length === timeBytes;
  return ours ? time.readUIntBE(0, timeBytes) : undefined;
}

function decodeNonce(nonce: string): Buffer | undefined {
  const bytes = nonce.length === nonceCharacters ? decodeBase64Url(nonce) : undefined;
  return bytes && asBuffer(bytes);
}
