import { describe, expect, it } from 'vitest';
import { systemClock, Turns } from '../../src/base/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

const works = 300;
const maxAtOnce = 64;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('work in turns', () => {
  it('begins in its order, so much at a time, with turns of the event loop between', async () => {
    const turns = new Turns({ clock: new FakeClock(), maxAtOnce, maxMs: 5 });
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    for (let at = 0; at < works; at++)
      turns.add(() => {
        begun.push(at);
        return new Promise((resolve) => ends.push(resolve));
      });
    expect(begun).toHaveLength(maxAtOnce);
    let mostAtOnce = begun.length;
    for (let ended = 0; ended < works; ended++) {
      ends[ended]?.();
      mostAtOnce = Math.max(mostAtOnce, begun.length - ended);
      await nextTurn();
    }
    expect(mostAtOnce).toBe(maxAtOnce);
    expect(begun).toEqual(Array.from({ length: works }, (_, at) => at));
  });

  it('that waits for nothing leaves the event loop its turns all the same', async () => {
    const turns = new Turns({ clock: new FakeClock(), maxAtOnce, maxMs: 5 });
    let begun = 0;
    for (let at = 0; at < works; at++) turns.add(async () => void begun++);
    await Promise.resolve();
    expect(begun).toBe(maxAtOnce);
    while (begun < works) await nextTurn();
  });

  it('takes no more of a turn than its time, and never less than one piece', async () => {
    const clock = new FakeClock();
    const turns = new Turns({ clock, maxAtOnce, maxMs: 5 });
    const lengths = [2, 2, 2, 2, 9, 1];
    let done = 0;
    for (const length of lengths)
      turns.add(() => {
        clock.advance(length);
        done++;
      });
    const doneAfter = [done];
    while (done < lengths.length) {
      await nextTurn();
      doneAfter.push(done);
    }
    expect(doneAfter).toEqual([3, 5, 6]);
  });

  it('pauses between its turns for as long as it is told', async () => {
    const clock = new FakeClock();
    const turns = new Turns({ clock, maxAtOnce: 1, maxMs: 5, pauseMs: 100 });
    let done = 0;
    for (let at = 0; at < 3; at++) turns.add(() => void done++);
    expect(done).toBe(1);
    clock.advance(99);
    expect(done).toBe(1);
    clock.advance(1);
    expect(done).toBe(2);
    await turns.settled();
    expect(done).toBe(3);
  });

  it('is settled when the last of it has ended', async () => {
    const turns = new Turns({ clock: systemClock, maxAtOnce: 2, maxMs: 5, pauseMs: 60_000 });
    let ended = 0;
    for (let at = 0; at < 9; at++)
      turns.add(async () => {
        await nextTurn();
        ended++;
      });
    await turns.settled();
    expect(ended).toBe(9);
    await turns.settled();
  });
});
