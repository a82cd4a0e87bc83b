import { describe, expect, it } from 'vitest';
import { leastGrowthPercent, mostGrowthPercent, nextGrowthPercent } from '../../src/cli/heap-growth.ts';

describe('how much the heap of a gateway may grow between two full collections', () => {
  const [soon, later, long] = [4_000, 20_000, 60_000];

  it('is more after a collection that a busy gateway made soon after the one before, up to a bound', () => {
    let percent = leastGrowthPercent;
    percent = nextGrowthPercent(percent, soon, 0.6);
    expect(percent).toBe(2 * leastGrowthPercent);
    for (let times = 0; times < 10; times++) percent = nextGrowthPercent(percent, soon, 0.6);
    expect(percent).toBe(mostGrowthPercent);
  });

  it('stays where collections come at a fair pace', () => {
    expect(nextGrowthPercent(40, later, 0.6)).toBe(40);
  });

  it('is less again when they come seldom or when there is little to do, down to the least', () => {
    expect(nextGrowthPercent(mostGrowthPercent, long, 0.6)).toBe(mostGrowthPercent / 2);
    expect(nextGrowthPercent(mostGrowthPercent, soon, 0.1)).toBe(mostGrowthPercent / 2);
    expect(nextGrowthPercent(leastGrowthPercent, long, 0.6)).toBe(leastGrowthPercent);
    expect(nextGrowthPercent(leastGrowthPercent, soon, 0.1)).toBe(leastGrowthPercent);
  });
});
