import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** `| 4 single-bit | … | `test/….test.ts`, … |` */
function tableOfProperties(): ReadonlyMap<number, readonly string[]> {
  const rows = readFileSync(join(root, 'docs/audit-format.md'), 'utf8').matchAll(
    /^\| (\d+) [^|]+\|[^|]+\|([^|]+)\|$/gm,
  );
  return new Map(
    Array.from(rows, ([, number = '', files = '']) => [
      Number(number),
      Array.from(files.matchAll(/`([^`]+)`/g), ([, file = '']) => file),
    ]),
  );
}

/** Properties that titles of tests, or of what they are in, carry in a file. */
function propertiesIn(file: string): ReadonlySet<number> {
  const titles = readFileSync(join(root, file), 'utf8').matchAll(/['"`][^'"`\n]*\bproperty (\d+)\b/g);
  return new Set(Array.from(titles, ([, number]) => Number(number)));
}

test('each of the fifteen properties has the tests that docs/audit-format.md names, and they carry its number', () => {
  const table = tableOfProperties();
  expect([...table.keys()]).toEqual(Array.from({ length: 15 }, (_, at) => at + 1));
  for (const [number, files] of table) {
    expect(files.length, `property ${number}`).toBeGreaterThan(0);
    for (const file of files) expect(propertiesIn(file), `property ${number} in ${file}`).toContain(number);
  }
});

test('no test carries the number of a property without standing in the table', () => {
  const table = tableOfProperties();
  const missing = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts') && !name.endsWith('properties.test.ts'))
    .flatMap((name) => {
      const file = join('test', name);
      return [...propertiesIn(file)]
        .filter((number) => !table.get(number)?.includes(file))
        .map((number) => `${number} ${file}`);
    });
  expect(missing).toEqual([]);
});
