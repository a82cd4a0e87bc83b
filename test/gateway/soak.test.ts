import { expect, it } from 'vitest';
import { soak } from '../soak/soak.ts';
import { dataDirectory } from '../support/data-directory.ts';

it('gives everything back after phones that call, die, stall, lie and come back elsewhere', async () => {
  const data = dataDirectory();
  const lines: string[] = [];
  try {
    const { faults, played } = await soak({
      dataDir: data.path,
      loadMs: 5_000,
      warmUpMs: 0,
      workers: 4,
      seed: 20_261_122,
      // A process that young still grows by its compiled code and its caches; `npm run soak` looks closer.
      collects: false,
      allowance: { heapBytes: 120e6, descriptors: 8 },
      // What a dead phone on UDP leaves behind lasts a minute (twice 64 * T1, or the limit on a call's duration).
      without: ['both die', 'dies ringing', 'dies talking'],
      report: (line) => lines.push(line),
    });
    expect(faults, lines.join('\n')).toEqual([]);
    expect(played).toBeGreaterThan(20);
  } finally {
    data.remove();
  }
}, 120_000);
