import { Encoder } from 'cbor-x';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeHex, equalBytes } from '../../src/base/index.ts';
import { type CborValue, decodeCbor, encodeCbor, TokenError } from '../../src/tokens/index.ts';
import { codeOf, fromHex, readVectors } from './vectors.ts';

type VectorValue =
  | { readonly int: string }
  | { readonly text: string }
  | { readonly bytes: string }
  | { readonly bool: boolean }
  | { readonly null: true }
  | { readonly array: readonly VectorValue[] }
  | { readonly map: readonly (readonly [VectorValue, VectorValue])[] };

const vectors = readVectors<{
  readonly valid: readonly { readonly name?: string; readonly hex: string; readonly value: VectorValue }[];
  readonly invalid: readonly { readonly name: string; readonly hex: string; readonly code: string }[];
}>('cbor.json');

function cborOf(vector: VectorValue): CborValue {
  if ('int' in vector) {
    const exact = BigInt(vector.int);
    return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
  }
  if ('text' in vector) return vector.text;
  if ('bytes' in vector) return fromHex(vector.bytes);
  if ('bool' in vector) return vector.bool;
  if ('array' in vector) return vector.array.map(cborOf);
  if ('map' in vector) return new Map(vector.map.map(([key, value]) => [keyOf(key), cborOf(value)]));
  return null;
}

function keyOf(vector: VectorValue): number | string {
  const key = cborOf(vector);
  if (typeof key !== 'number' && typeof key !== 'string') throw new Error('not a key');
  return key;
}

const key = fc.oneof(fc.maxSafeInteger(), fc.string({ unit: 'binary', maxLength: 8 }));
const { value: anyValue } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: -(2n ** 64n), max: -(2n ** 53n) }),
    fc.string({ unit: 'binary' }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array(),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((entries) => new Map(entries)),
  ),
}));

describe('deterministic CBOR (RFC 8949 §4.2.1)', () => {
  test.each(vectors.valid)('$hex encodes and decodes exactly', ({ hex, value }) => {
    expect(encodeHex(encodeCbor(cborOf(value)))).toBe(hex);
    expect(decodeCbor(fromHex(hex))).toEqual(cborOf(value));
  });

  test.each(vectors.invalid)('$hex is refused: $name', ({ hex, code }) => {
    expect(codeOf(() => decodeCbor(fromHex(hex)))).toBe(code);
  });

  test('map keys are written in bytewise order whatever order they came in', () => {
    const map = new Map<number | string, CborValue>([
      ['b', 1],
      ['aa', 2],
      [-1, 3],
      [10, 4],
    ]);
    expect(encodeHex(encodeCbor(map))).toBe('a40a0420036162016261 6102'.replace(' ', ''));
  });

  test.each([
    ['a fraction', 1.5],
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a number beyond 2^53', 2 ** 53],
    ['an integer beyond 64 bits', 2n ** 64n],
    ['a lone surrogate', 'a\ud800'],
  ])('the encoder refuses %s', (_name, value) => {
    expect(codeOf(() => encodeCbor(value))).toBe('cbor-unsupported');
  });

  test('a value that contains itself is refused, not followed', () => {
    const endless: CborValue[] = [];
    endless.push(endless);
    expect(codeOf(() => encodeCbor(endless))).toBe('cbor-unsupported');
  });

  test('decoded byte strings are views of the input as plain byte arrays', () => {
    const input = Buffer.from('4401020304', 'hex');
    const decoded = decodeCbor(input);
    expect(Buffer.isBuffer(decoded)).toBe(false);
    expect(decoded).toEqual(new Uint8Array([1, 2, 3, 4]));
  });

  test('property: every value comes back from its encoding', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(decodeCbor(encodeCbor(value))).toEqual(value);
      }),
    );
  });

  test('property: what the decoder accepts encodes to the same bytes; all else is a TokenError', () => {
    const nearCbor = fc
      .tuple(anyValue, fc.nat(), fc.integer({ min: 0, max: 255 }))
      .map(([value, at, byte]) => {
        const bytes = encodeCbor(value);
        bytes[at % bytes.length] = byte;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), nearCbor), (bytes) => {
        let value: CborValue;
        try {
          value = decodeCbor(bytes);
        } catch (error) {
          return error instanceof TokenError;
        }
        return equalBytes(encodeCbor(value), bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  test('cbor-x reads what we write, and writes the same where it is deterministic', () => {
    const other = new Encoder({
      mapsAsObjects: false,
      useRecords: false,
      variableMapSize: true,
      tagUint8Array: false,
    });
    const arrays = fc.array(
      fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 }), fc.string(), fc.boolean(), fc.constant(null)),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(arrays, (value) => {
        const bytes = encodeCbor(value);
        expect(other.decode(Buffer.from(bytes))).toEqual(value);
        expect(encodeHex(other.encode(value))).toBe(encodeHex(bytes));
      }),
    );
  });
});
