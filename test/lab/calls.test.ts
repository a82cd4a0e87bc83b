import { afterAll, beforeAll, describe, it } from 'vitest';
import { Lab } from './lab.ts';
import { whyNoLab } from './permission.ts';
import { differentCarriers, sameCarrier } from './scenes/calls.ts';
import { castNames, castSettings } from './scenes/cast.ts';
import { everyNat, everyNatNames } from './scenes/every-nat.ts';
import { movedPhone, renumberedMapping } from './scenes/moving.ts';

const why = await whyNoLab();
if (why !== undefined) process.stderr.write(`skipped: test/lab/calls.test.ts: ${why}\n`);

describe.skipIf(why !== undefined)('seed 10, 11: calls through carrier-grade NATs', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.open({
      users: [...castNames, ...everyNatNames],
      set: ['media.mode=relay', ...castSettings],
    });
  }, 60_000);
  afterAll(() => lab.close());

  it.each(
    [differentCarriers, sameCarrier, movedPhone, renumberedMapping, everyNat].map(
      (scene) => [scene.title, scene] as const,
    ),
  )('%s', (_, scene) => scene.play({ lab, say: () => {} }), 60_000);
});
