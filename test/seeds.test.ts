import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
/** The statements of the origin that identities, records and the overlay have to keep. */
const numbers = [...range(1, 15), ...range(24, 36)];

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

/** `1 to 5, 7 to 9`, `10, 11`. */
function numbersIn(cell: string): readonly number[] {
  return cell.split(',').flatMap((part) => {
    const [from, to = from] = part.split(' to ').map(Number);
    return range(from ?? 0, to ?? 0);
  });
}

/** Files named in backquotes; one without a folder lies beside the one before it. */
function filesIn(cell: string): readonly string[] {
  let folder = '';
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => {
    const slash = name.lastIndexOf('/');
    if (slash >= 0) folder = name.slice(0, slash + 1);
    return slash >= 0 ? name : folder + name;
  });
}

/** The rows `| number | promise | test |` of the page. */
function rows(): ReadonlyMap<number, readonly string[]> {
  const page = readFileSync(join(root, 'docs/identities.md'), 'utf8');
  const found = new Map<number, readonly string[]>();
  for (const [, cell = '', tests = ''] of page.matchAll(/^\| ([\d, to]+) \|[^|]*\|([^|]*)\|$/gm))
    for (const number of numbersIn(cell)) found.set(number, filesIn(tests));
  return found;
}

/** The numbers that stand in a file's titles: `seed 9: …`, `seed 10, 11: …`. */
function titled(file: string): ReadonlySet<number> {
  const text = readFileSync(join(root, file), 'utf8');
  const titles = text.matchAll(/['"`]seed (\d+(?:, \d+)*): /g);
  return new Set([...titles].flatMap(([, list = '']) => list.split(', ').map(Number)));
}

describe('the table in docs/identities.md', () => {
  it('names every statement, and no other', () => {
    expect([...rows().keys()].sort((a, b) => a - b)).toEqual(numbers);
  });

  it.each(numbers)(
    'statement %i: each file that it names is there and has a test with that number',
    (number) => {
      const files = rows().get(number) ?? [];
      expect(files).not.toEqual([]);
      for (const file of files) {
        expect(existsSync(join(root, file)), file).toBe(true);
        expect([...titled(file)], file).toContain(number);
      }
    },
  );
});
