import { TokenError } from './errors.ts';

/**
 * What tokens and records are made of. Integers beyond 2^53 are bigints; floats, tags and `undefined` do not
 * occur: a quantity with a fraction is written as an integer of a smaller unit.
 */
export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | CborMap;

export type CborMap = ReadonlyMap<number | string, CborValue>;

/** RFC 8949 §3.1: the major types in use. */
export const majorType = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5 } as const;

/** Deeper nesting is refused both ways: input that an attacker nests must not exhaust the stack. */
export const maxCborDepth = 24;

const maxUint64 = 0xffff_ffff_ffff_ffffn;
const initialBytes = 4_096;
/** A writer that had to grow beyond this for one large value does not stay that large. */
const keptBytes = 65_536;
const textEncoder = new TextEncoder();

/**
 * RFC 8949 §4.2.1 deterministic encoding: shortest integers, definite lengths, map keys in bytewise order of
 * their encodings. One value has exactly one encoding, so bytes may be hashed, signed and compared.
 *
 * Own code instead of cbor-x, which keeps a Map's insertion order, writes integers above 2^32 as floats and
 * decodes leniently; a test checks the bytes against cbor-x where the two agree.
 */
export function encodeCbor(value: CborValue): Uint8Array {
  return writer.encode(value).slice();
}

/** The same behind a tag of one byte (RFC 8949 §3.4): `tag` is its whole head. */
export function encodeTaggedCbor(tag: number, value: CborValue): Uint8Array {
  return writer.encode(value, tag).slice();
}

/**
 * Hashes or signs an encoding where it lies: memory of its own for it would cost half as much again as to encode it.
 * `use` gets bytes that the next encoding overwrites.
 */
export function overCbor<T>(value: CborValue, use: (encoded: Uint8Array) => T): T {
  return use(writer.encode(value));
}

class CborWriter {
  #bytes = new Uint8Array(initialBytes);
  #at = 0;

  /** A view of memory that is used again. */
  encode(value: CborValue, tag?: number): Uint8Array {
    this.#at = 0;
    if (this.#bytes.length > keptBytes) this.#bytes = new Uint8Array(initialBytes);
    if (tag !== undefined) this.#byte(tag);
    this.#value(value, 0);
    return this.#bytes.subarray(0, this.#at);
  }

  #value(value: CborValue, depth: number): void {
    if (depth > maxCborDepth) throw new TokenError('cbor-unsupported', 'CBOR nesting is too deep');
    switch (typeof value) {
      case 'number':
        if (!Number.isSafeInteger(value))
          throw new TokenError(
            'cbor-unsupported',
            'only integers are encoded; floats have no place in a token',
          );
        if (value >= 0) this.#head(majorType.unsigned, value);
        else this.#head(majorType.negative, -1 - value);
        return;
      case 'bigint':
        this.#bigint(value);
        return;
      case 'string':
        this.#text(value);
        return;
      case 'boolean':
        this.#byte(value ? 0xf5 : 0xf4);
        return;
      case 'object':
        if (value === null) this.#byte(0xf6);
        else if (value instanceof Uint8Array) this.#byteString(value);
        else if (isMap(value)) this.#map(value, depth);
        else if (Array.isArray(value)) this.#array(value, depth);
        else throw new TokenError('cbor-unsupported', 'plain objects are not encoded; use a Map');
        return;
      default:
        throw new TokenError('cbor-unsupported', `a ${typeof value} has no CBOR encoding here`);
    }
  }

  #array(items: readonly CborValue[], depth: number): void {
    this.#head(majorType.array, items.length);
    for (const item of items) this.#value(item, depth + 1);
  }

  #map(map: CborMap, depth: number): void {
    this.#head(majorType.map, map.size);
    // Most maps are made in this order: nothing to sort, nothing to copy.
    if (inOrder(map)) this.#entries(map, depth);
    else
      this.#entries(
        [...map].sort(([a], [b]) => compareCborKeys(a, b)),
        depth,
      );
  }

  #entries(entries: Iterable<readonly [number | string, CborValue]>, depth: number): void {
    for (const [key, item] of entries) {
      this.#value(key, depth + 1);
      this.#value(item, depth + 1);
    }
  }

  #byteString(bytes: Uint8Array): void {
    this.#head(majorType.bytes, bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #text(text: string): void {
    const length = utf8Length(text);
    this.#head(majorType.text, length);
    this.#reserve(length);
    if (length === text.length) {
      // Short ASCII, nearly all that tokens hold: a loop is faster than the way into the runtime.
      for (let i = 0; i < length; i++) this.#bytes[this.#at++] = text.charCodeAt(i);
      return;
    }
    // A lone surrogate would be encoded as U+FFFD: two texts, one encoding.
    if (!text.isWellFormed()) throw new TokenError('cbor-unsupported', 'text holds a lone surrogate');
    textEncoder.encodeInto(text, this.#bytes.subarray(this.#at));
    this.#at += length;
  }

  #bigint(value: bigint): void {
    const argument = value >= 0n ? value : -1n - value;
    if (argument > maxUint64) throw new TokenError('cbor-unsupported', 'integer does not fit 64 bits');
    const major = value >= 0n ? majorType.unsigned : majorType.negative;
    if (argument <= 0xffff_ffffn) {
      this.#head(major, Number(argument));
      return;
    }
    this.#byte((major << 5) | 27);
    this.#uint32(Number(argument >> 32n));
    this.#uint32(Number(argument & 0xffff_ffffn));
  }

  #head(major: number, argument: number): void {
    const top = major << 5;
    if (argument < 24) {
      this.#byte(top | argument);
    } else if (argument < 0x100) {
      this.#byte(top | 24);
      this.#byte(argument);
    } else if (argument < 0x1_0000) {
      this.#byte(top | 25);
      this.#byte(argument >> 8);
      this.#byte(argument & 0xff);
    } else if (argument < 0x1_0000_0000) {
      this.#byte(top | 26);
      this.#uint32(argument);
    } else {
      this.#byte(top | 27);
      this.#uint32(Math.floor(argument / 0x1_0000_0000));
      this.#uint32(argument % 0x1_0000_0000);
    }
  }

  #uint32(value: number): void {
    this.#reserve(4);
    for (let shift = 24; shift >= 0; shift -= 8) this.#bytes[this.#at++] = (value >>> shift) & 0xff;
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = byte;
  }

  #reserve(count: number): void {
    const needed = this.#at + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

/** Used again for each value: memory of its own for each costs as much as the encoding. Encoding never nests. */
const writer = new CborWriter();

function inOrder(map: CborMap): boolean {
  let before: number | string | undefined;
  for (const key of map.keys()) {
    if (before !== undefined && compareCborKeys(before, key) > 0) return false;
    before = key;
  }
  return true;
}

/** Narrows to the map alternative; `instanceof` alone loses the key and value types. */
function isMap(value: CborValue): value is CborMap {
  return value instanceof Map;
}

/** RFC 8949 §4.2.1: bytewise order of the encoded keys, found without encoding them. */
export function compareCborKeys(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') {
    if (a >= 0 !== b >= 0) return a >= 0 ? -1 : 1;
    return a >= 0 ? a - b : b - a;
  }
  if (typeof a === 'number') return -1;
  if (typeof b === 'number') return 1;
  const length = utf8Length(a);
  const difference = length - utf8Length(b);
  if (difference !== 0) return difference;
  // Two ASCII texts order by code unit as they do by byte; others may not.
  if (length === a.length && length === b.length) return a < b ? -1 : Number(a > b);
  return compareBytes(textEncoder.encode(a), textEncoder.encode(b));
}

function compareBytes(left: Uint8Array, right: Uint8Array): number {
  for (let i = 0; i < left.length; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // A surrogate pair is two units and four bytes, so each of its units counts as two.
    length += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return length;
}
