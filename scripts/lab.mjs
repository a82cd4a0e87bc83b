// npm run lab: phones behind the kernel's own carrier-grade NATs call each other by name; draws the network, places the
// calls and prints what was heard. Ends with 1 when something was not as it should be. See docs/lab.md.

import { drawNetwork } from '../test/lab/drawing.ts';
import { Lab } from '../test/lab/lab.ts';
import { whyNoLab } from '../test/lab/permission.ts';
import { castPhones } from '../test/lab/scenes/cast.ts';
import { repertoire, repertoireOptions } from '../test/lab/scenes/repertoire.ts';
import { verifyTrail } from '../test/support/audit-trail.ts';
import { ensureDebianPackages } from './debian-packages.mjs';

const startedMs = performance.now();
const say = (line) =>
  console.log(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(6)} s  ${line}`);

ensureDebianPackages();
const why = await whyNoLab();
if (why !== undefined) {
  console.error(`lab: cannot be built here: ${why}`);
  process.exit(1);
}

console.log(`${drawNetwork(castPhones)}\n`);
say(`building the network; ${repertoireOptions.users.length} phones get credentials …`);
const lab = await Lab.open(repertoireOptions);
let closing;
const close = () => (closing ??= lab.close());
// Whatever ends this process, the kernel takes namespaces, rules and programs away; this does it tidily.
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    console.log('\nlab: taken down');
    void close().finally(() => process.exit(130));
  });

let failed = 0;
for (const scene of repertoire) {
  if (closing !== undefined) break;
  say(scene.title);
  try {
    await scene.play({ lab, say: (line) => say(`    ${line}`) });
  } catch (error) {
    if (closing !== undefined) break;
    failed++;
    say(`    FAILED: ${error instanceof Error ? error.message : error}`);
  }
}
if (closing === undefined) {
  const records = await lab.records();
  const verdict = await verifyTrail(lab.dataDir);
  say(`${records.length} records; the log ${verdict.valid ? 'verifies' : 'DOES NOT VERIFY'}`);
  if (!verdict.valid) failed++;
  console.log(failed === 0 ? 'all was heard' : `${failed} scenes failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
await close();
