import { describe, expect, it } from 'vitest';
import { Turns } from '../../src/gateway/turns.ts';

const works = 300;
const maxUnderWay = 64;

describe('registrations that come together', () => {
  it('begin in their order, 64 at a time, with turns of the event loop between', async () => {
    const turns = new Turns();
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    for (let at = 0; at < works; at++)
      turns.add(() => {
        begun.push(at);
        return new Promise((resolve) => ends.push(resolve));
      });
    expect(begun).toHaveLength(maxUnderWay);
    let mostAtOnce = begun.length;
    for (let ended = 0; ended < works; ended++) {
      ends[ended]?.();
      mostAtOnce = Math.max(mostAtOnce, begun.length - ended);
      await new Promise(setImmediate);
    }
    expect(mostAtOnce).toBe(maxUnderWay);
    expect(begun).toEqual(Array.from({ length: works }, (_, at) => at));
  });

  it('that are answered without waiting for anything do not hold up the event loop', async () => {
    const turns = new Turns();
    let begun = 0;
    for (let at = 0; at < works; at++) turns.add(async () => void begun++);
    await Promise.resolve();
    expect(begun).toBe(maxUnderWay);
    while (begun < works) await new Promise(setImmediate);
  });
});
