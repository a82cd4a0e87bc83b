import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../../src/base/index.ts';
import { orderSrv } from '../../../src/sip/locating/srv-order.ts';

describe('the order of SRV records (RFC 2782)', () => {
  it('draws the first of a priority in proportion to the weights', () => {
    const records = [
      { name: 'heavy', port: 1, priority: 0, weight: 75 },
      { name: 'light', port: 1, priority: 0, weight: 25 },
      { name: 'spare', port: 1, priority: 1, weight: 65_535 },
    ];
    const rounds = 4_000;
    let heavy = 0;
    for (let i = 0; i < rounds; i++) {
      const names = orderSrv(records, systemRandom).map(({ name }) => name);
      expect(names[2]).toBe('spare');
      if (names[0] === 'heavy') heavy++;
    }
    // Ten standard deviations either way.
    expect(heavy / rounds).toBeGreaterThan(0.68);
    expect(heavy / rounds).toBeLessThan(0.82);
  });

  it('gives a weight of 0 a small chance next to others', () => {
    const records = [
      { name: 'zero', port: 1, priority: 0, weight: 0 },
      { name: 'one', port: 1, priority: 0, weight: 9 },
    ];
    let zero = 0;
    for (let i = 0; i < 2_000; i++) if (orderSrv(records, systemRandom)[0]?.name === 'zero') zero++;
    expect(zero).toBeGreaterThan(50);
    expect(zero).toBeLessThan(500);
  });

  it('keeps every record once and never a higher priority number before a lower', () => {
    const record = fc.record({
      name: fc.string(),
      port: fc.nat(65_535),
      priority: fc.nat(3),
      weight: fc.nat(65_535),
    });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), (records) => {
        const ordered = orderSrv(records, systemRandom);
        expect(new Set(ordered)).toEqual(new Set(records));
        expect(ordered.length).toBe(records.length);
        const priorities = ordered.map(({ priority }) => priority);
        expect(priorities).toEqual(priorities.toSorted((a, b) => a - b));
      }),
    );
  });
});
