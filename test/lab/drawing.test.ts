import { expect, it } from 'vitest';
import { drawNetwork } from './drawing.ts';
import { castNames, castPhones } from './scenes/cast.ts';

it('the picture of the lab shows everybody and fits a terminal of 80 columns', () => {
  const lines = drawNetwork(castPhones).split('\n');
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  for (const name of castNames) expect(lines.filter((line) => line.includes(`${name}, `))).toHaveLength(1);
});
