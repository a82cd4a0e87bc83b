import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Bencoded,
  decodeBencode,
  encodeBencode,
  type ToBencode,
} from '../../../src/media/rtpengine/bencode.ts';
import { encodeRequest, parseReply } from '../../../src/media/rtpengine/ng-message.ts';
import { RtpengineError } from '../../../src/media/rtpengine/rtpengine-error.ts';

const byteText = fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1'));

const value: fc.Arbitrary<ToBencode> = fc.letrec<{ value: ToBencode }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    byteText,
    fc.maxSafeInteger().map((number) => number + 0),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(byteText, tie('value'), { maxKeys: 4 }),
  ),
})).value;

/** As it is read again: dictionaries are maps. */
function decoded(plain: ToBencode): Bencoded {
  if (typeof plain === 'string' || typeof plain === 'number') return plain;
  if (Array.isArray(plain)) return plain.map(decoded);
  const members = Object.entries(plain).filter(
    (entry): entry is [string, ToBencode] => entry[1] !== undefined,
  );
  return new Map(members.map(([key, member]) => [key, decoded(member)]));
}

describe('bencode', () => {
  test.each<[ToBencode, string]>([
    ['', '0:'],
    ['spam', '4:spam'],
    [0, 'i0e'],
    [-42, 'i-42e'],
    [['a', 1, []], 'l1:ai1elee'],
    [{ command: 'ping', absent: undefined }, 'd7:command4:pinge'],
  ])('%j is %s', (plain, text) => {
    expect(encodeBencode(plain)).toBe(text);
    expect(decodeBencode(text)).toEqual(decoded(plain));
  });

  test('what was encoded is read back', () => {
    fc.assert(
      fc.property(value, (plain) => {
        expect(decodeBencode(encodeBencode(plain))).toEqual(decoded(plain));
      }),
    );
  });

  test('there is one writing for each value: what is read is written back the same', () => {
    const plainOf = (read: Bencoded): ToBencode => {
      if (typeof read === 'string' || typeof read === 'number') return read;
      return read instanceof Map ? 'dictionary' : (read as readonly Bencoded[]).map(plainOf);
    };
    fc.assert(
      fc.property(fc.stringMatching(/^[il0-9e:a-]{0,12}$/), (text) => {
        let read: Bencoded;
        try {
          read = decodeBencode(text);
        } catch (error) {
          expect(error).toBeInstanceOf(RtpengineError);
          return;
        }
        expect(encodeBencode(plainOf(read))).toBe(text);
      }),
      { numRuns: 5_000 },
    );
  });

  test.each([
    '',
    'i',
    'ie',
    'i-e',
    'i-0e',
    'i01e',
    'i+1e',
    'i9007199254740993e',
    '01:a',
    '-1:a',
    '2:a',
    '99999999999999999999:a',
    'l',
    'd1:a',
    'di1e1:ae',
    'd1:a1:b1:a1:ce',
    'i1ei2e',
    'x',
  ])('refuses %j', (text) => {
    expect(() => decodeBencode(text)).toThrow(RtpengineError);
  });

  test('is bounded in depth and in number of parts', () => {
    expect(() => decodeBencode('l'.repeat(20) + 'e'.repeat(20))).toThrow('too-large');
    expect(() => decodeBencode(`l${'0:'.repeat(30_000)}e`)).toThrow('too-large');
  });
});

describe('a reply', () => {
  test('is a cookie, a space and a dictionary', () => {
    const request = encodeRequest('5323_1', 'ping', {});
    expect(request.toString()).toBe('5323_1 d7:command4:pinge');
    const { cookie, body } = parseReply(Buffer.from('5323_1 d6:result4:ponge'));
    expect([cookie, body]).toEqual(['5323_1', new Map([['result', 'pong']])]);
  });

  test('arbitrary bytes only ever raise RtpengineError', () => {
    const bytes = fc.oneof(
      fc.uint8Array(),
      value.map((plain) => Buffer.from(`c ${encodeBencode(plain)}`, 'latin1')),
      fc.uint8Array().map((tail) => Buffer.concat([Buffer.from('c d'), tail])),
    );
    fc.assert(
      fc.property(bytes, (datagram) => {
        try {
          expect(parseReply(datagram).cookie.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(RtpengineError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
