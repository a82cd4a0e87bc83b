import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Lingering } from '../../../src/sip/transaction/lingering.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const durationMs = 32_000;

interface Flow {
  readonly id: string;
}

const flows: readonly Flow[] = ['a', 'b', 'c'].map((id) => ({ id }));

function textOf(lingering: Lingering<[Flow, Flow]>, key: string): string | undefined {
  return lingering.get(key)?.text?.toString('latin1');
}

const step = fc.record({
  act: fc.constantFrom<'keep' | 'forget' | 'advance'>('keep', 'keep', 'keep', 'forget', 'advance'),
  key: fc.integer({ min: 0, max: 200 }).map((number) => `BYE z9hG4bK-${number} é€`),
  flow: fc.constantFrom(...flows),
  other: fc.constantFrom(...flows),
  textBytes: fc.constantFrom(undefined, 0, 1, 290, 70_000, 300_000),
  waitMs: fc.integer({ min: 0, max: 20_000 }),
});

it('gives back what was kept of each transaction, until its time is over (RFC 3261 §17, Timers J, L and M)', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const clock = new FakeClock();
      const lingering = new Lingering<[Flow, Flow]>(clock, 2);
      const model = new Map<string, { objects: [Flow, Flow]; text: string | undefined; endMs: number }>();
      for (const { act, key, flow, other, textBytes, waitMs } of steps) {
        if (act === 'keep') {
          const text = textBytes === undefined ? undefined : `${key.length}\xff`.padEnd(textBytes, 'x');
          lingering.keep(key, [flow, other], text, durationMs);
          model.set(key, { objects: [flow, other], text, endMs: clock.monotonicMs() + durationMs });
        } else if (act === 'forget') {
          lingering.forget(key);
          model.delete(key);
        } else {
          clock.advance(waitMs);
          for (const [one, { endMs }] of model) {
            // Ends come up to a stride of the timer late, never early.
            if (endMs + 10 < clock.monotonicMs()) model.delete(one);
            else if (endMs <= clock.monotonicMs() && lingering.get(one) === undefined) model.delete(one);
          }
        }
        expect(lingering.size).toBe(model.size);
        const kept = lingering.get(key);
        expect(kept?.objects).toEqual(model.get(key)?.objects);
        expect(kept?.text?.toString('latin1')).toBe(model.get(key)?.text);
      }
      for (const [key, { text }] of model) expect(textOf(lingering, key)).toBe(text);
      clock.advance(2 * durationMs);
      expect(lingering.size).toBe(0);
      expect(clock.pendingTimers).toBe(0);
    }),
    { numRuns: 60 },
  );
});

it('holds tens of thousands at once, whose keys differ in little', () => {
  const clock = new FakeClock();
  const lingering = new Lingering<[Flow]>(clock, 1);
  const count = 30_000;
  for (let at = 0; at < count; at++) {
    lingering.keep(`BYE z9hG4bK-${at}`, [flows[0] ?? { id: '' }], `SIP/2.0 200 OK ${at}`, durationMs);
    if (at % 10 === 0) clock.advance(1);
  }
  expect(lingering.size).toBe(count);
  for (let at = 0; at < count; at += 997)
    expect(lingering.get(`BYE z9hG4bK-${at}`)?.text?.toString()).toBe(`SIP/2.0 200 OK ${at}`);
  expect(lingering.get('BYE z9hG4bK-')).toBeUndefined();
  expect(lingering.get(`BYE z9hG4bK-${count}`)).toBeUndefined();
  clock.advance(durationMs - 1000);
  expect(lingering.size).toBeLessThan(count);
  expect(textOf(lingering as never, 'BYE z9hG4bK-29999')).toBe('SIP/2.0 200 OK 29999');
  lingering.clear();
  expect([lingering.size, clock.pendingTimers]).toEqual([0, 0]);
});

it('goes on where the clock has more milliseconds than 32 bits hold', () => {
  const clock = new FakeClock();
  clock.advance(2 ** 32 - 16_000);
  const lingering = new Lingering<[Flow]>(clock, 1);
  lingering.keep('INVITE z9hG4bK-1', [{ id: 'a' }], undefined, durationMs);
  clock.advance(durationMs - 1);
  expect(lingering.get('INVITE z9hG4bK-1')?.text).toBeUndefined();
  expect(lingering.get('INVITE z9hG4bK-1')?.objects[0].id).toBe('a');
  clock.advance(11);
  expect(lingering.get('INVITE z9hG4bK-1')).toBeUndefined();
});

it.each([
  ['a steady load takes the memory that it will need after some seconds', 1_000, 6_000_000, 20_000_000],
  ['a trickle takes one block', 1, 0, 1_000_000],
])('%s', (_title, perSecond, least, most) => {
  const clock = new FakeClock();
  const before = process.memoryUsage().arrayBuffers;
  const lingering = new Lingering<[Flow]>(clock, 1);
  for (let second = 0; second < 8; second++) {
    for (let at = 0; at < perSecond; at++)
      lingering.keep(`BYE z9hG4bK-${second}-${at}`, [{ id: 'a' }], 'x'.repeat(300), durationMs);
    clock.advance(1_000);
  }
  const taken = process.memoryUsage().arrayBuffers - before;
  expect(lingering.size).toBe(8 * perSecond);
  expect(taken).toBeGreaterThanOrEqual(least);
  expect(taken).toBeLessThan(most);
});
