import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** The negative tests that an edge on the public Internet must pass have numbers, which stand in the tests' titles. */
const lastNumber = 40;
const tests = join(import.meta.dirname, '..');

function titles(): string {
  const files = readdirSync(tests, { recursive: true, encoding: 'utf8' });
  const sources = files.filter((file) => file.endsWith('.test.ts') && !file.endsWith('numbers.test.ts'));
  return sources.map((file) => readFileSync(join(tests, file), 'utf8')).join('\n');
}

describe('the negative tests', () => {
  it(`are all there, edge 1 to edge ${lastNumber}`, () => {
    // One title may count for two: `edge 26 and 23: …`.
    const named = [...titles().matchAll(/\bedge (?:test )?(\d+(?:(?:, | and )\d+)*)[:)]/g)].flatMap(
      ([, numbers]) => (numbers ?? '').split(/\D+/).map(Number),
    );
    const missing = Array.from({ length: lastNumber }, (_, at) => at + 1).filter((n) => !named.includes(n));
    expect(missing).toEqual([]);
  });
});
