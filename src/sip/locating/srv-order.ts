import { type Random, randomBelow } from '../../base/index.ts';
import type { SrvRecord } from './names.ts';

/**
 * The order in which SRV records are tried: lower priorities first, equal ones drawn at random in proportion to their
 * weights (RFC 2782, "Usage rules"); a weight of 0 has a small chance next to others.
 */
export function orderSrv(records: readonly SrvRecord[], random: Random): readonly SrvRecord[] {
  const ordered: SrvRecord[] = [];
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b);
  for (const priority of priorities) {
    // Zero weights come first in the running sum: that is what gives them a chance at all.
    const group = records
      .filter((record) => record.priority === priority)
      .sort((a, b) => Math.min(a.weight, 1) - Math.min(b.weight, 1));
    while (group.length > 0) ordered.push(...group.splice(draw(group, random), 1));
  }
  return ordered;
}

/** The first record whose running sum of weights reaches a number drawn from 0 to the sum of all, inclusive. */
function draw(group: readonly SrvRecord[], random: Random): number {
  const total = group.reduce((sum, { weight }) => sum + weight, 0);
  const drawn = randomBelow(random, total + 1);
  let sum = 0;
  return Math.max(
    0,
    group.findIndex(({ weight }) => {
      sum += weight;
      return sum >= drawn;
    }),
  );
}
