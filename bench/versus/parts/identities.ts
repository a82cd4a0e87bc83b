import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../test/support/free-port.ts';
import { addStockPhones } from '../../../test/support/stock-phones.ts';
import { startOurs } from '../gateway.ts';
import { type Bench, busyNote, inTurn, type Part, type Side } from '../part.ts';
import { Phones } from '../phones/phones.ts';
import { storeIdentities } from '../stored-identities.ts';
import type { System } from '../system.ts';
import { type Cost, callCost } from './calls.ts';

const few = 1_000;
const what = 'cost per call to one of many registered identities against one of 1,000';

/** The phone at which all of them are. */
async function registerAt(system: System, phones: Phones, localPort: number): Promise<void> {
  const { failed } = await phones.ask('register', {
    ...{ transport: 'udp', prefix: 'callee', localPort },
    port: system.port('udp'),
  });
  if (failed > 0) throw new Error('the callee could not register');
}

async function populated(bench: Bench, count: number, udpPort: number, localPort: number): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tibet-sip-bench-'));
  await addStockPhones(dataDir, ['callee']);
  const system = await startOurs({ dataDir, udpPort });
  const phones = new Phones();
  await registerAt(system, phones, localPort);
  await phones.stop();
  await system.stop();
  const onProgress = (written: number): void => bench.say(`${written} of ${count} identities written`);
  await storeIdentities({ dataDir, prefix: 'one', count, onProgress });
  return dataDir;
}

export const identities: Part = {
  name: 'identities',
  what,
  measure: async (bench) => {
    const many = bench.sizes.identities;
    const [udpPort, localPort] = [await freePort(), await freePort()];
    const directories: string[] = [];
    try {
      const sides: Side[] = [];
      for (const count of [few, many]) {
        const dataDir = await populated(bench, count, udpPort, localPort);
        directories.push(dataDir);
        sides.push({ name: `${count} identities`, start: () => startOurs({ dataDir, udpPort }) });
      }
      const [first, second] = sides;
      if (first === undefined || second === undefined) throw new Error('two sides');
      const [ofFew, ofMany] = await inTurn(
        bench,
        [first, second],
        async (system, phones, side): Promise<Cost> => {
          await registerAt(system, phones, localPort);
          const callee = { prefix: 'one', count: side === first ? few : many };
          return callCost(system, [{ phones, port: system.port('udp'), callee }], bench.sizes);
        },
      );
      return [
        {
          part: 'identities',
          what,
          unit: 'us of CPU per call',
          ours: ofMany.map(({ cpuUs }) => cpuUs),
          other: { name: `of ${few}`, numbers: ofFew.map(({ cpuUs }) => cpuUs) },
          target: { atMost: 1.1 },
          notes: [
            `${many} identities, each registered, called at random, ${bench.sizes.rate} calls/s; ${busyNote([...ofFew, ...ofMany].map(({ busy }) => busy))}`,
          ],
        },
      ];
    } finally {
      for (const directory of directories) await rm(directory, { recursive: true });
    }
  },
};
