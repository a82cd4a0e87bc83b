import type { CborMap, CborValue } from './cbor-encoder.ts';
import { TokenError } from './errors.ts';

/** RFC 8392 §4, RFC 8747 §3.1 and RFC 9711 §4.1: the registered claim keys in use. */
export const claim = {
  iss: 1,
  sub: 2,
  aud: 3,
  exp: 4,
  nbf: 5,
  iat: 6,
  cti: 7,
  cnf: 8,
  nonce: 10,
} as const;

/** RFC 8392 §9.1: claim keys below -65536 are for private use. */
export const privateClaim = {
  intent: -70001,
  identity: -70002,
  verifiable: -70003,
  link: -70006,
  tombstone: -70007,
} as const;

/** RFC 8747 §3: the members of `cnf`. */
export const confirmation = { coseKey: 1, kid: 3 } as const;

/**
 * Reads typed members of a map that came from the network; each read names its key when the member is missing or
 * wrong. `finish` refuses members that nobody has read: a token says nothing that its reader does not understand.
 */
export class ClaimReader {
  readonly #map: CborMap;
  readonly #what: string;
  readonly #read = new Set<number | string>();

  constructor(value: CborValue | undefined, what: string) {
    if (!(value instanceof Map)) throw new TokenError('claims', `${what} is not a map`);
    this.#map = value;
    this.#what = what;
  }

  has(key: number): boolean {
    return this.#map.has(key);
  }

  value(key: number): CborValue | undefined {
    this.#read.add(key);
    return this.#map.get(key);
  }

  text(key: number, maxLength: number): string {
    const value = this.value(key);
    if (typeof value !== 'string' || value.length === 0 || value.length > maxLength) throw this.#wrong(key);
    return value;
  }

  optionalText(key: number, maxLength: number): string | undefined {
    return this.has(key) ? this.text(key, maxLength) : undefined;
  }

  bytes(key: number, length: number): Uint8Array {
    const value = this.value(key);
    if (!(value instanceof Uint8Array) || value.length !== length) throw this.#wrong(key);
    return value;
  }

  optionalBytes(key: number, length: number): Uint8Array | undefined {
    return this.has(key) ? this.bytes(key, length) : undefined;
  }

  /** Bytes of any length from 1 to `maxLength`. */
  optionalBytesUpTo(key: number, maxLength: number): Uint8Array | undefined {
    if (!this.has(key)) return undefined;
    const value = this.value(key);
    if (!(value instanceof Uint8Array) || value.length === 0 || value.length > maxLength)
      throw this.#wrong(key);
    return value;
  }

  /** A non-negative integer: a time in seconds, a level, a kind. */
  unsigned(key: number, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.value(key);
    if (typeof value !== 'number' || value < 0 || value > max) throw this.#wrong(key);
    return value;
  }

  array(key: number, maxLength: number): readonly CborValue[] {
    const value = this.value(key);
    if (!isCborArray(value) || value.length > maxLength) throw this.#wrong(key);
    return value;
  }

  map(key: number): ClaimReader {
    return new ClaimReader(this.value(key), `${this.#what} member ${key}`);
  }

  finish(): void {
    for (const key of this.#map.keys())
      if (!this.#read.has(key)) throw new TokenError('claims', `${this.#what} has an unknown member ${key}`);
  }

  #wrong(key: number): TokenError {
    return new TokenError('claims', `${this.#what} member ${key} is missing or malformed`);
  }
}

/** Narrows to the array alternative: `Array.isArray` alone gives any[]. */
export function isCborArray(value: CborValue | undefined): value is readonly CborValue[] {
  return Array.isArray(value);
}

/** A map from the members that are there: undefined ones are left out. */
export function claimMap(entries: readonly (readonly [number, CborValue | undefined])[]): CborMap {
  const map = new Map<number | string, CborValue>();
  for (const [key, value] of entries) if (value !== undefined) map.set(key, value);
  return map;
}
