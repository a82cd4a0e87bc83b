import { describe, expect, it } from 'vitest';
import {
  defaultTimerSettings,
  firstDelayMs,
  nextRetransmissionMs,
  TimerWheel,
} from '../../../src/sip/transaction/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('timer values (RFC 3261 Table 4, RFC 6026 §7)', () => {
  it.each([
    ['a', 500, undefined],
    ['b', 32_000, 32_000],
    ['d', 32_000, 0],
    ['e', 500, undefined],
    ['f', 32_000, 32_000],
    ['g', 500, undefined],
    ['h', 32_000, 32_000],
    ['i', 5_000, 0],
    ['j', 32_000, 0],
    ['k', 5_000, 0],
    ['l', 32_000, 32_000],
    ['m', 32_000, 32_000],
    ['cancelled', 32_000, 32_000],
  ] as const)('timer %s is %s ms over UDP and %s over a reliable transport', (name, udp, reliable) => {
    expect(firstDelayMs(name, false, defaultTimerSettings)).toBe(udp);
    expect(firstDelayMs(name, true, defaultTimerSettings)).toBe(reliable);
  });

  it('keeps Timer D at 32 s or more, whatever T1 is (RFC 3261 §17.1.1.2)', () => {
    expect(firstDelayMs('d', false, { t1Ms: 100, t2Ms: 4000, t4Ms: 5000 })).toBe(32_000);
    expect(firstDelayMs('d', false, { t1Ms: 1000, t2Ms: 4000, t4Ms: 5000 })).toBe(64_000);
  });

  it('doubles Timer A without bound, Timers E and G up to T2', () => {
    expect(nextRetransmissionMs('a', 8000, defaultTimerSettings)).toBe(16_000);
    expect(nextRetransmissionMs('e', 2000, defaultTimerSettings)).toBe(4000);
    expect(nextRetransmissionMs('g', 4000, defaultTimerSettings)).toBe(4000);
  });
});

class Recorder {
  readonly fired: string[] = [];
  readonly #clock: FakeClock;
  constructor(clock: FakeClock) {
    this.#clock = clock;
  }
  onTimer(name: string): void {
    this.fired.push(`${name}@${this.#clock.monotonicMs()}`);
  }
}

describe('timer wheel', () => {
  it('fires on the tick and in order, also beyond one turn of the wheel', () => {
    const clock = new FakeClock();
    const wheel = new TimerWheel(clock);
    const recorder = new Recorder(clock);
    wheel.start(185_000, recorder, 'c');
    wheel.start(500, recorder, 'a');
    wheel.start(32_000, recorder, 'b');
    wheel.start(40_960 + 500, recorder, 'same slot as a');
    clock.advance(200_000);
    expect(recorder.fired).toEqual(['a@500', 'b@32000', 'same slot as a@41460', 'c@185000']);
  });

  it('never fires early and at most one tick late', () => {
    const clock = new FakeClock();
    clock.advance(3);
    const wheel = new TimerWheel(clock, 10);
    const recorder = new Recorder(clock);
    wheel.start(95, recorder, 'x');
    clock.advance(94);
    expect(recorder.fired).toEqual([]);
    clock.advance(16);
    expect(recorder.fired).toEqual(['x@100']);
  });

  it('leaves no timer on the clock once all have fired or were cancelled', () => {
    const clock = new FakeClock();
    const wheel = new TimerWheel(clock);
    const recorder = new Recorder(clock);
    const first = wheel.start(100, recorder, 'first');
    const second = wheel.start(100, recorder, 'second');
    wheel.start(100, recorder, 'third');
    first.cancel();
    second.cancel();
    second.cancel();
    expect(wheel.pending).toBe(1);
    clock.advance(100);
    expect(recorder.fired).toEqual(['third@100']);
    expect(wheel.pending).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('lets a callback cancel timers of its own slot and start new ones', () => {
    const clock = new FakeClock();
    const wheel = new TimerWheel(clock);
    const recorder = new Recorder(clock);
    const victims = [wheel.start(100, recorder, 'victim 1')];
    wheel.start(
      100,
      {
        onTimer: () => {
          for (const victim of victims) victim.cancel();
          wheel.start(0, recorder, 'next');
        },
      },
      'killer',
    );
    victims.push(wheel.start(50_000, recorder, 'victim 2'));
    clock.advance(60_000);
    expect(recorder.fired).toEqual(['next@110']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('catches up after an idle time, or when the process slept', () => {
    const clock = new FakeClock();
    const wheel = new TimerWheel(clock);
    const recorder = new Recorder(clock);
    clock.advance(1_000_000);
    wheel.start(500, recorder, 'a');
    clock.advance(500);
    expect(recorder.fired).toEqual(['a@1000500']);
  });

  it('wakes the clock once for a lone long timer per turn, not once per tick', () => {
    const clock = new FakeClock();
    let wakes = 0;
    const wheel = new TimerWheel({
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (delayMs, callback) =>
        clock.setTimer(delayMs, () => {
          wakes++;
          callback();
        }),
    });
    const recorder = new Recorder(clock);
    wheel.start(185_000, recorder, 'c');
    clock.advance(200_000);
    expect(recorder.fired).toEqual(['c@185000']);
    expect(wakes).toBeLessThan(8);
  });
});
