import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../test/support/free-port.ts';
import { addStockPhones } from '../../../test/support/stock-phones.ts';
import { startOurs } from '../gateway.ts';
import { type Bench, busyNote, type Part, VoidRun } from '../part.ts';
import { Phones } from '../phones/phones.ts';
import { storeIdentities } from '../stored-identities.ts';
import type { System } from '../system.ts';
import { type Cost, callCost } from './calls.ts';

const few = 1_000;
/**
 * Both gateways are up and loaded for so long at a time, as often as there are seconds in a round: from one minute to the
 * next a machine's speed differs by more than the two do. The first second of a turn does not count.
 */
const turnSeconds = 2;
const turnWarmSeconds = 1;
const triesEach = 5;
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

interface Loaded {
  readonly cost: (sizes: Pick<Bench['sizes'], 'rate' | 'seconds' | 'warm'>) => Promise<Cost>;
  readonly stop: () => Promise<void>;
}

/** A gateway with so many identities, warm. */
async function started(bench: Bench, count: number): Promise<Loaded> {
  const [udpPort, localPort] = [await freePort(), await freePort()];
  const dataDir = await populated(bench, count, udpPort, localPort);
  const system = await startOurs({ dataDir, udpPort });
  const phones = new Phones();
  const stop = async (): Promise<void> => {
    await phones.stop();
    await system.stop();
    await rm(dataDir, { recursive: true });
  };
  const callers = [{ phones, port: udpPort, callee: { prefix: 'one', count } }];
  const cost: Loaded['cost'] = async (sizes) => {
    for (let left = triesEach - 1; ; left--)
      try {
        return await callCost(system, callers, sizes);
      } catch (error) {
        if (!(error instanceof VoidRun) || left === 0) throw error;
        bench.say(`${count} identities: void, ${error.message}; once more`);
      }
  };
  try {
    await registerAt(system, phones, localPort);
    await cost(bench.sizes);
  } catch (error) {
    await stop();
    throw error;
  }
  return { cost, stop };
}

export const identities: Part = {
  name: 'identities',
  what,
  measure: async (bench) => {
    const { identities: many, rate, rounds, seconds } = bench.sizes;
    const turns = rounds * seconds;
    const gateways: Loaded[] = [];
    const costs: readonly [Cost[], Cost[]] = [[], []];
    try {
      for (const count of [few, many]) gateways.push(await started(bench, count));
      for (let turn = 0; turn < turns; turn++)
        for (const [at, gateway] of gateways.entries())
          costs[at === 0 ? 0 : 1].push(
            await gateway.cost({ rate, seconds: turnSeconds, warm: turnWarmSeconds }),
          );
    } finally {
      for (const gateway of gateways) await gateway.stop();
    }
    const [ofFew, ofMany] = costs;
    return [
      {
        part: 'identities',
        what,
        unit: 'us of CPU per call',
        ours: ofMany.map(({ cpuUs }) => cpuUs),
        other: { name: `of ${few}`, numbers: ofFew.map(({ cpuUs }) => cpuUs) },
        target: { atMost: 1.1 },
        notes: [
          `${many} identities, each registered, called at random, ${rate} calls/s, both gateways up and loaded by turns; ${busyNote([...ofFew, ...ofMany].map(({ busy }) => busy))}`,
        ],
      },
    ];
  },
};
