import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const repository = join(import.meta.dirname, '..');

interface Row {
  readonly subject: string;
  readonly state: string;
  readonly tests: readonly string[];
}

function rows(): readonly Row[] {
  const lines = readFileSync(join(repository, 'docs/rfc.md'), 'utf8').split('\n');
  return lines
    .filter((line) => line.startsWith('| ') && !line.startsWith('| RFC '))
    .map((line) => {
      const [subject = '', state = '', , tests = ''] = line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim());
      return { subject, state, tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, path]) => path ?? '') };
    });
}

/** The text of a test file, or of all in a folder. */
function textOf(path: string): string {
  const full = join(repository, path);
  if (!statSync(full).isDirectory()) return readFileSync(full, 'utf8');
  return readdirSync(full, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(full, file), 'utf8'))
    .join('\n');
}

describe.each(rows().map((row) => [row.subject, row] as const))('docs/rfc.md: %s', (subject, row) => {
  it('says what is there and names tests that are', () => {
    expect(['supported', 'partial', 'absent']).toContain(row.state);
    expect(row.tests.length > 0).toBe(row.state !== 'absent');
    for (const path of row.tests) expect(existsSync(join(repository, path)), path).toBe(true);
  });

  it('is named in its tests', () => {
    const names = subject.match(/\b\d{4}\b|C2SP|vcon/g) ?? [];
    const texts = row.tests.map(textOf).join('\n');
    expect(names.filter((name) => texts.includes(name))).not.toEqual([]);
  });
});
