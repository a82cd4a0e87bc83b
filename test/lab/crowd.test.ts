import { afterAll, beforeAll, describe, it } from 'vitest';
import { Lab } from './lab.ts';
import { whyNoLab } from './permission.ts';
import { crowdNames, twoHundredPhones } from './scenes/two-hundred.ts';

const why = await whyNoLab();
if (why !== undefined) process.stderr.write(`skipped: test/lab/crowd.test.ts: ${why}\n`);

describe.skipIf(why !== undefined)('a crowd behind one public address', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.open({ users: crowdNames });
  }, 60_000);
  afterAll(() => lab.close());

  it(twoHundredPhones.title, () => twoHundredPhones.play({ lab, say: () => {} }), 60_000);
});
