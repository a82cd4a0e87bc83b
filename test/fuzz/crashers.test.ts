import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { corpusOf, crashersOf } from './corpus.ts';
import { Fuzzer } from './fuzzer.ts';
import { diceOf, mutated } from './mutation.ts';
import { fuzzTargets } from './targets.ts';

describe.each(Object.entries(fuzzTargets))('%s', (name, target) => {
  it('takes everything that fuzzing has found so far, and whatever once brought it down', () => {
    const inputs = [...corpusOf(name), ...crashersOf(name)];
    expect(inputs.length).toBeGreaterThan(0);
    for (const { name: file, bytes } of inputs)
      expect(() => target(bytes), `${name}/${file}: ${Buffer.from(bytes).toString('latin1')}`).not.toThrow();
  });
});

it('every folder of inputs belongs to a target', () => {
  for (const folder of ['corpus', 'crashers']) {
    const names = readdirSync(new URL(`${folder}/`, import.meta.url)).filter((name) => !name.startsWith('.'));
    expect(Object.keys(fuzzTargets)).toEqual(expect.arrayContaining(names));
  }
});

describe('the fuzzer', () => {
  it('repeats itself from the same seed', () => {
    const sample = Buffer.from('INVITE sip:alice@example.org SIP/2.0');
    const run = (): readonly string[] => {
      const dice = diceOf(7);
      return Array.from({ length: 50 }, () => Buffer.from(mutated(sample, sample, dice)).toString('hex'));
    };
    expect(run()).toEqual(run());
  });

  it('finds a fault, once, and shortens the input to what it takes', () => {
    const target = (bytes: Uint8Array): void => {
      if (Buffer.from(bytes).includes('%')) throw new RangeError('a fault on purpose');
    };
    const fuzzer = new Fuzzer({ target, corpus: [Buffer.from('sip:alice@example.org')], dice: diceOf(7) });
    // However slow the machine is; and then on, which must find nothing else.
    for (let round = 0; round < 50 && fuzzer.crashes.length === 0; round++) fuzzer.run(100);
    fuzzer.run(100);
    expect(fuzzer.crashes.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['%']);
  });
});
