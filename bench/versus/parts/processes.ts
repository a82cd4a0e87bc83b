import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from '../../../test/overlay/redis-server.ts';
import { addStockPhones } from '../../../test/support/stock-phones.ts';
import { startOurs } from '../gateway.ts';
import { busyNote, inTurn, type Part, type Side } from '../part.ts';
import { Phones } from '../phones/phones.ts';
import type { System } from '../system.ts';
import { type Cost, callCost, registerCallee } from './calls.ts';

const what = 'calls per CPU second: two processes that share a store against one';
const secret = 'overlay.node.secret=two gateways on one machine';

/** One system of several gateways. */
interface Pair extends System {
  readonly gateways: readonly System[];
}

async function startOne(): Promise<Pair> {
  const gateway = await startOurs();
  return { ...gateway, gateways: [gateway] };
}

/** Two gateways and the Redis through which they share identities and bindings; its cost counts as theirs. */
async function startTwo(): Promise<Pair> {
  const redis = await startRedis();
  const scratch = await mkdtemp(join(tmpdir(), 'tibet-sip-bench-'));
  await addStockPhones(scratch, ['callee-0', 'callee-1'], undefined, { kind: 'redis', url: redis.url });
  const set = [`overlay.store=${redis.url}`, secret];
  const gateways = [await startOurs({ set, phones: [] }), await startOurs({ set, phones: [] })];
  return {
    name: 'two gateways and Redis',
    port: () => Number.NaN,
    challenges: true,
    pids: () => [...gateways.flatMap((gateway) => gateway.pids()), redis.pid],
    gateways,
    stop: async () => {
      for (const gateway of gateways) await gateway.stop();
      await redis.stop();
      await rm(scratch, { recursive: true });
    },
  };
}

const sides: readonly [Side<Pair>, Side<Pair>] = [
  { name: 'one gateway', start: startOne },
  { name: 'two gateways', start: startTwo },
];

export const processes: Part = {
  name: 'processes',
  what,
  measure: async (bench) => {
    const rate = Math.round(bench.sizes.rate / 2);
    const [one, two] = await inTurn(bench, sides, async (system, phones): Promise<Cost> => {
      // A load generator for each gateway, as a balancer that sends each callee's calls to where its phone is.
      const generators = system.gateways.map((_, at) => (at === 0 ? phones : new Phones()));
      try {
        const callers = await Promise.all(
          system.gateways.map(async (gateway, at) => {
            const generator = generators[at] ?? phones;
            const prefix = system.gateways.length === 1 ? 'callee' : `callee-${at}`;
            await registerCallee(gateway, generator, 'udp', prefix);
            return { phones: generator, port: gateway.port('udp'), callee: { prefix } };
          }),
        );
        return await callCost(system, callers, { ...bench.sizes, rate });
      } finally {
        for (const generator of generators.slice(1)) await generator.stop();
      }
    });
    const perSecond = (costs: readonly Cost[]): readonly number[] => costs.map(({ cpuUs }) => 1e6 / cpuUs);
    return [
      {
        part: 'processes',
        what,
        unit: 'calls per CPU second',
        ours: perSecond(two),
        other: { name: 'one', numbers: perSecond(one) },
        target: { atLeast: 0.9 },
        notes: [
          `${rate} calls/s for each process; two gateways share a Redis, whose CPU counts; each callee's calls come to its own gateway; the one has the embedded store`,
          busyNote([...one, ...two].map(({ busy }) => busy)),
        ],
      },
    ];
  },
};
