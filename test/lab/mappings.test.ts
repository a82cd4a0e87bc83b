import { afterAll, beforeAll, describe, it } from 'vitest';
import { Lab } from './lab.ts';
import { whyNoLab } from './permission.ts';
import {
  forgottenMapping,
  forgottenMappingNames,
  forgottenMappingSettings,
} from './scenes/forgotten-mapping.ts';

const why = await whyNoLab();
if (why !== undefined) process.stderr.write(`skipped: test/lab/mappings.test.ts: ${why}\n`);

describe.skipIf(why !== undefined)('mappings', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.open({
      users: forgottenMappingNames,
      set: forgottenMappingSettings,
    });
  }, 60_000);
  afterAll(() => lab.close());

  it(forgottenMapping.title, () => forgottenMapping.play({ lab, say: () => {} }), 60_000);
});
