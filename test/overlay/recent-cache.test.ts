import { describe, expect, it } from 'vitest';
import { RepeatCache } from '../../src/overlay/recent-cache.ts';

describe('what is remembered of a store on this machine', () => {
  it('is the newest, and what came a second time within a few thousand others', () => {
    const cache = new RepeatCache<number>(4_000);
    cache.set('once', 1);
    expect(cache.get('once')).toBe(1);
    cache.set('other', 2);
    expect(cache.get('once')).toBeUndefined();
    cache.set('once', 3);
    cache.set('another', 4);
    expect([cache.get('once'), cache.get('other')]).toEqual([3, undefined]);
  });

  it('is hardly anything of very many that are asked for once', () => {
    const cache = new RepeatCache<number>(4_000);
    const asked = Array.from({ length: 20_000 }, (_, at) => `jis:one-${at}`);
    for (const [at, key] of asked.entries()) cache.set(key, at);
    expect(asked.filter((key) => cache.get(key) !== undefined).length).toBeLessThan(10);
  });

  it('is never older than what was said last', () => {
    const cache = new RepeatCache<number>(100);
    for (let round = 0; round < 5; round++)
      for (let at = 0; at < 40; at++) {
        cache.set(`${at}`, round);
        expect(cache.get(`${at}`)).toBe(round);
      }
    expect(cache.get('7')).toBe(4);
  });
});
