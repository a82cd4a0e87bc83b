import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SingleUse } from '../../src/gateway/single-use.ts';

const windowMs = 1_000;
const id = (number: number): Uint8Array => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
};

describe('property 7 (single use): token ids are good for one use', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tibet-sip-used-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test('once, and not again within a window, however often it is tried', () => {
    const used = SingleUse.open(directory, windowMs, 0);
    expect(used.use(id(1), 0)).toBe(true);
    for (let attempt = 0; attempt < 100_000; attempt++) if (used.use(id(1), 5)) expect.unreachable();
    expect(used.use(id(2), 5)).toBe(true);
    expect(used.use(id(1), windowMs)).toBe(false);
    used.close();
  });

  test('over a restart without a close, and over a torn write', () => {
    SingleUse.open(directory, windowMs, 0).use(id(1), 10);
    const [file = ''] = readdirSync(directory);
    appendFileSync(join(directory, file), 'torn');
    const again = SingleUse.open(directory, windowMs, 500);
    expect(again.use(id(1), 500)).toBe(false);
    expect(again.use(id(2), 500)).toBe(true);
    expect(SingleUse.open(directory, windowMs, 900).use(id(2), 900)).toBe(false);
  });

  test('what is too old to matter is forgotten, on disk too', () => {
    const used = SingleUse.open(directory, windowMs, 0);
    used.use(id(1), 0);
    for (const turn of [1, 2, 3, 4]) used.use(id(turn + 1), turn * windowMs);
    expect(used.use(id(1), 4 * windowMs)).toBe(true);
    expect(readdirSync(directory).length).toBeLessThanOrEqual(2);
    SingleUse.open(directory, windowMs, 100 * windowMs);
    expect(readdirSync(directory).length).toBe(1);
  });
});
