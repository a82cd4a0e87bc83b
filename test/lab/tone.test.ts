import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { dataDirectory } from '../support/data-directory.ts';
import { Ear } from './ear.ts';
import { loudnessOf, readRecording, writeTone } from './tone.ts';

const data = dataDirectory();
afterAll(data.remove);

describe('a tone in a recording', () => {
  const file = join(data.path, 'tone.wav');
  writeTone(file, 570, 1, 0.3);

  it('is found at its frequency and level, and at no other phone’s', () => {
    const { samples, samplesPerSecond } = readRecording(file);
    const window = samples.subarray(0, samplesPerSecond / 10);
    const { levelDb, purity } = loudnessOf(window, samplesPerSecond, 570);
    expect(levelDb).toBeCloseTo(20 * Math.log10(0.3), 2);
    expect(purity).toBeCloseTo(1, 3);
    for (const other of [400, 740, 910])
      expect(loudnessOf(window, samplesPerSecond, other).purity).toBeLessThan(0.01);
  });

  it('is not found in silence', () => {
    expect(loudnessOf(new Float64Array(800), 8_000, 570)).toMatchObject({ purity: 0 });
  });

  it('counts only from when one began to listen', async () => {
    const growing = join(data.path, 'growing.wav');
    writeTone(growing, 570, 1);
    const ear = new Ear(() => [growing], 570);
    expect(await ear.tone(50)).toBeUndefined();
    const { length } = readRecording(file).samples;
    appendFileSync(growing, new Uint8Array(2 * length));
    expect(await ear.tone(50)).toBeUndefined();
    const recordings = [growing];
    const next = new Ear(() => recordings, 570);
    recordings.push(file);
    expect(await next.tone(50)).toMatchObject({ hertz: 570 });
  });
});
