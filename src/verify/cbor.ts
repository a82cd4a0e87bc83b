import { textOf } from './bytes.ts';
import { VerifyError, type VerifyErrorCode } from './error.ts';

export type Cbor = number | string | boolean | null | Uint8Array | readonly Cbor[] | CborMap;
export type CborMap = ReadonlyMap<number | string, Cbor>;

const maxDepth = 24;

/**
 * One value in the deterministic form of RFC 8949 §4.2.1; every other encoding of it is refused, so that nobody can
 * show two texts for one hash. Integers are those that a double holds exactly. Throws VerifyError with `code`.
 */
export function decodeCbor(bytes: Uint8Array, code: VerifyErrorCode): Cbor {
  const reader = new Reader(bytes, code);
  const value = reader.value(0);
  if (!reader.atEnd) throw new VerifyError(code, 'bytes follow the CBOR value');
  return value;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #code: VerifyErrorCode;
  #at = 0;

  constructor(bytes: Uint8Array, code: VerifyErrorCode) {
    this.#bytes = bytes;
    this.#code = code;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth: number): Cbor {
    if (depth > maxDepth) throw this.#bad('CBOR is nested too deeply');
    const initial = this.#byte();
    const major = initial >> 5;
    if (major === 7) return this.#simple(initial & 31);
    const argument = this.#argument(initial & 31);
    switch (major) {
      case 0:
        return argument;
      case 1:
        return -1 - argument;
      case 2:
        return this.#take(argument);
      case 3:
        return this.#text(argument);
      case 4:
        return this.#array(argument, depth);
      case 5:
        return this.#map(argument, depth);
      default:
        throw this.#bad('a CBOR tag stands where none is allowed');
    }
  }

  #array(length: number, depth: number): readonly Cbor[] {
    this.#require(length);
    const items: Cbor[] = [];
    for (let at = 0; at < length; at++) items.push(this.value(depth + 1));
    return items;
  }

  #map(length: number, depth: number): CborMap {
    this.#require(2 * length);
    const map = new Map<number | string, Cbor>();
    let before: Uint8Array = new Uint8Array(0);
    for (let at = 0; at < length; at++) {
      const start = this.#at;
      const key = this.value(depth + 1);
      const encoding = this.#bytes.subarray(start, this.#at);
      if (typeof key !== 'number' && typeof key !== 'string') throw this.#bad('a CBOR key has another type');
      if (at > 0 && !precedes(before, encoding)) throw this.#bad('CBOR keys are out of order or repeated');
      before = encoding;
      map.set(key, this.value(depth + 1));
    }
    return map;
  }

  #text(length: number): string {
    const text = textOf(this.#take(length));
    if (text === undefined) throw this.#bad('CBOR text is not UTF-8');
    return text;
  }

  #simple(info: number): boolean | null {
    if (info === 20 || info === 21) return info === 21;
    if (info === 22) return null;
    throw this.#bad('a CBOR value of this kind has no place here');
  }

  #argument(info: number): number {
    if (info < 24) return info;
    if (info > 27) throw this.#bad('CBOR of indefinite length is not deterministic');
    const size = 2 ** (info - 24);
    let argument = 0;
    for (const byte of this.#take(size)) argument = argument * 256 + byte;
    const least = size === 1 ? 24 : 256 ** (size / 2);
    if (argument < least || !Number.isSafeInteger(argument))
      throw this.#bad('a CBOR integer is not in its shortest form, or too large');
    return argument;
  }

  #take(length: number): Uint8Array {
    this.#require(length);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Before anything is allocated for it. */
  #require(count: number): void {
    if (count > this.#bytes.length - this.#at) throw this.#bad('CBOR ends within a value');
  }

  #byte(): number {
    const [byte = 0] = this.#take(1);
    return byte;
  }

  #bad(why: string): VerifyError {
    return new VerifyError(this.#code, why);
  }
}

/** Bytewise order of encodings (RFC 8949 §4.2.1). */
function precedes(a: Uint8Array, b: Uint8Array): boolean {
  for (let at = 0; at < Math.min(a.length, b.length); at++)
    if (a[at] !== b[at]) return (a[at] ?? 0) < (b[at] ?? 0);
  return a.length < b.length;
}

/** Reading of decoded values: each throws when the value is not what the format has in its place. */
export class Expect {
  readonly #code: VerifyErrorCode;
  readonly #what: string;

  constructor(code: VerifyErrorCode, what: string) {
    this.#code = code;
    this.#what = what;
  }

  map(value: Cbor | undefined): CborMap {
    if (value instanceof Map) return value;
    throw this.#bad();
  }

  array(value: Cbor | undefined, length?: number): readonly Cbor[] {
    if (Array.isArray(value) && (length === undefined || value.length === length)) return value;
    throw this.#bad();
  }

  bytes(value: Cbor | undefined, length?: number): Uint8Array {
    if (value instanceof Uint8Array && (length === undefined || value.length === length)) return value;
    throw this.#bad();
  }

  text(value: Cbor | undefined): string {
    if (typeof value === 'string') return value;
    throw this.#bad();
  }

  count(value: Cbor | undefined): number {
    if (typeof value === 'number' && value >= 0) return value;
    throw this.#bad();
  }

  #bad(): VerifyError {
    return new VerifyError(this.#code, `${this.#what} has another form`);
  }
}
