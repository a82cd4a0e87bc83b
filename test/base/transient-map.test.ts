import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KeyedHash, systemRandom, TransientMap } from '../../src/base/index.ts';

/** Few places in the table for many keys. */
class PoorHash extends KeyedHash {
  override of(text: string): number {
    return super.of(text) & 7;
  }
}

const step = fc.record({
  act: fc.constantFrom('set', 'set', 'set', 'delete', 'clear') as fc.Arbitrary<'set' | 'delete' | 'clear'>,
  key: fc.integer({ min: 0, max: 300 }).map((number) => `branch-${number}`),
});

it.each([
  ['a good hash', new KeyedHash()],
  ['a hash under which most keys meet', new PoorHash()],
])('holds what a Map holds, whatever comes and goes, with %s', (_name, hash) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
      const [map, model] = [
        new TransientMap<number | undefined>(hash),
        new Map<string, number | undefined>(),
      ];
      for (const [at, { act, key }] of steps.entries()) {
        if (act === 'set') {
          map.set(key, at % 5 === 0 ? undefined : at);
          model.set(key, at % 5 === 0 ? undefined : at);
        } else if (act === 'delete') expect(map.delete(key)).toBe(model.delete(key));
        else if (at % 50 === 0) {
          map.clear();
          model.clear();
        }
        expect(map.size).toBe(model.size);
        expect(map.has(key)).toBe(model.has(key));
        expect(map.get(key)).toBe(model.get(key));
      }
      expect(new Map(map)).toEqual(model);
    }),
    { numRuns: 50 },
  );
});

it('may lose entries while it is walked through', () => {
  const map = new TransientMap<string>();
  for (const key of ['a', 'b', 'c']) map.set(key, key);
  const seen: string[] = [];
  for (const value of map.values()) {
    seen.push(value);
    map.delete('b');
  }
  expect(seen).toEqual(['a', 'c']);
});

it('hashes the same text to the same number, each end of it counted, and otherwise under another key', () => {
  const hash = new KeyedHash();
  const texts = ['', 'a', 'ab', 'ba', 'abc', 'abcd', 'a\0', '\u0141', 'A\u0001'];
  expect(new Set(texts.map((text) => hash.of(text))).size).toBe(texts.length);
  expect(hash.of(`${'ab'}c`)).toBe(hash.of('abc'));
  const others = Array.from({ length: 8 }, () => new KeyedHash(systemRandom).of('abc'));
  expect(new Set(others).size).toBeGreaterThan(1);
});
