import { type CborMap, type CborValue, compareCborKeys, majorType, maxCborDepth } from './cbor-encoder.ts';
import { TokenError } from './errors.ts';

/** Up to here a loop over ASCII is faster than a call of the decoder. */
const shortTextBytes = 64;

const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decodes exactly one value in the deterministic form of RFC 8949 §4.2.1 and refuses every other encoding of it:
 * what this returns would be encoded again to the very same bytes. Throws TokenError and nothing else.
 * Byte strings are views of `bytes`: whoever reuses that memory must copy them. Integers beyond 2^53 are bigints.
 */
export function decodeCbor(bytes: Uint8Array): CborValue {
  const reader = new CborReader(bytes);
  const value = reader.value(0);
  if (!reader.atEnd) throw new TokenError('cbor-malformed', 'bytes follow the CBOR value');
  return value;
}

class CborReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // A Buffer's subarray would be a Buffer: decoded values are plain byte arrays whatever came in.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth: number): CborValue {
    if (depth > maxCborDepth) throw new TokenError('cbor-unsupported', 'CBOR nesting is too deep');
    const initial = this.#byte();
    const major = initial >> 5;
    const info = initial & 31;
    if (major === 7) return simpleValue(info);
    const argument = this.#argument(info);
    switch (major) {
      case majorType.unsigned:
        return argument;
      case majorType.negative:
        return negativeInteger(argument);
      case majorType.bytes:
        return this.#take(argument);
      case majorType.text:
        return this.#text(argument);
      case majorType.array:
        return this.#array(argument, depth);
      case majorType.map:
        return this.#map(argument, depth);
      default:
        throw new TokenError('cbor-unsupported', 'a CBOR tag stands where none is allowed');
    }
  }

  #array(count: number | bigint, depth: number): readonly CborValue[] {
    const length = this.#count(count, 1);
    const items: CborValue[] = [];
    for (let i = 0; i < length; i++) items.push(this.value(depth + 1));
    return items;
  }

  #map(count: number | bigint, depth: number): CborMap {
    const length = this.#count(count, 2);
    const map = new Map<number | string, CborValue>();
    let previous: number | string | undefined;
    for (let i = 0; i < length; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== 'number' && typeof key !== 'string')
        throw new TokenError('cbor-unsupported', 'a map key is neither a small integer nor text');
      if (previous !== undefined) {
        const order = compareCborKeys(previous, key);
        if (order === 0) throw new TokenError('duplicate-key', 'a map key occurs twice');
        if (order > 0) {
          if (map.has(key)) throw new TokenError('duplicate-key', 'a map key occurs twice');
          throw new TokenError('cbor-not-canonical', 'map keys are out of order');
        }
      }
      previous = key;
      map.set(key, this.value(depth + 1));
    }
    return map;
  }

  #text(length: number | bigint): string {
    const bytes = this.#take(length);
    if (bytes.length <= shortTextBytes) {
      let text = '';
      for (const byte of bytes) {
        if (byte >= 0x80) break;
        text += String.fromCharCode(byte);
      }
      if (text.length === bytes.length) return text;
    }
    try {
      return textDecoder.decode(bytes);
    } catch {
      throw new TokenError('cbor-malformed', 'text is not UTF-8');
    }
  }

  /** A count that the remaining bytes can hold: checked before anything is allocated for it. */
  #count(count: number | bigint, bytesEach: number): number {
    if (typeof count === 'bigint' || count * bytesEach > this.#bytes.length - this.#at)
      throw new TokenError('cbor-malformed', 'CBOR ends within a value');
    return count;
  }

  #take(length: number | bigint): Uint8Array {
    const end = this.#at + this.#count(length, 1);
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  #argument(info: number): number | bigint {
    if (info < 24) return info;
    switch (info) {
      case 24:
        return shortest(this.#byte(), 24);
      case 25:
        return shortest(this.#uint16(), 0x100);
      case 26:
        return shortest(this.#uint32(), 0x1_0000);
      case 27: {
        const high = shortest(this.#uint32(), 1);
        const low = this.#uint32();
        const argument = high * 0x1_0000_0000 + low;
        return Number.isSafeInteger(argument) ? argument : (BigInt(high) << 32n) | BigInt(low);
      }
      case 31:
        throw new TokenError('cbor-not-canonical', 'indefinite lengths are not deterministic');
      default:
        throw new TokenError('cbor-malformed', 'reserved additional information');
    }
  }

  #uint16(): number {
    return this.#byte() * 0x100 + this.#byte();
  }

  #uint32(): number {
    return this.#uint16() * 0x1_0000 + this.#uint16();
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new TokenError('cbor-malformed', 'CBOR ends within a value');
    this.#at += 1;
    return byte;
  }
}

function shortest(argument: number, least: number): number {
  if (argument < least) throw new TokenError('cbor-not-canonical', 'an integer is not in its shortest form');
  return argument;
}

function negativeInteger(argument: number | bigint): number | bigint {
  if (typeof argument === 'number' && Number.isSafeInteger(-1 - argument)) return -1 - argument;
  return -1n - BigInt(argument);
}

function simpleValue(info: number): boolean | null {
  switch (info) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
      return null;
    default:
      throw new TokenError('cbor-unsupported', 'floats and other simple values have no place in a token');
  }
}
