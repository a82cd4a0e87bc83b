import { startBare } from '../bare.ts';
import type { Finding } from '../finding.ts';
import { startKamailio } from '../kamailio.ts';
import { type Bench, busyNote, once, type Part, type Side, type Sizes } from '../part.ts';
import type { Phones } from '../phones/phones.ts';
import type { System } from '../system.ts';
import { type Cost, callCost, registerCallee, udpRate } from './calls.ts';
import { digestCost, keyCost } from './registrations.ts';

interface Measured {
  readonly part: string;
  readonly what: string;
  readonly side: Side;
  readonly cost: (bench: Bench, system: System, phones: Phones) => Promise<Cost>;
}

async function ofCall(bench: Bench, system: System, phones: Phones): Promise<Cost> {
  await registerCallee(system, phones);
  const caller = { phones, port: system.port('udp'), callee: { prefix: 'callee' } };
  return callCost(system, [caller], { ...bench.sizes, rate: udpRate(bench.sizes) });
}

/** One part: Kamailio first, then what a bare Node process takes for the same messages. */
function floorPart(
  unit: string,
  rateOf: (sizes: Sizes) => number,
  theirs: Measured,
  bare: readonly [Measured, ...Measured[]],
): Part {
  const [{ part: name, what }] = bare;
  return {
    name,
    what,
    measure: async (bench) => {
      const costs = new Map<Measured, Cost[]>();
      for (let round = 1; round <= bench.sizes.rounds; round++)
        for (const measured of [theirs, ...bare]) {
          bench.say(`round ${round} of ${bench.sizes.rounds}: ${measured.part}`);
          const cost = await once(bench, measured.side, (system, phones) =>
            measured.cost(bench, system, phones),
          );
          costs.set(measured, [...(costs.get(measured) ?? []), cost]);
        }
      const numbersOf = (measured: Measured): number[] =>
        (costs.get(measured) ?? []).map(({ cpuUs }) => cpuUs);
      const busy = [...costs.values()].flat().map((cost) => cost.busy);
      return bare.map(
        (measured): Finding => ({
          ...{ part: measured.part, what: measured.what, unit, ours: numbersOf(measured) },
          other: { name: 'kamailio', numbers: numbersOf(theirs) },
          notes: [`${rateOf(bench.sizes)}/s; no gateway: bench/versus/bare-process.ts; ${busyNote(busy)}`],
        }),
      );
    },
  };
}

const kamailio = (challenges: boolean): Side => ({
  name: 'kamailio',
  start: () => startKamailio({ challenges }),
});
const bare = (duty?: Parameters<typeof startBare>[0]): Side => ({
  name: 'bare',
  start: () => startBare(duty),
});

/** How near the targets can be come at all. */
export const floorParts: readonly Part[] = [
  floorPart(
    'us of CPU per call',
    udpRate,
    { part: 'kamailio', what: 'CPU per call', side: kamailio(false), cost: ofCall },
    [
      {
        part: 'floor',
        what: 'CPU per call of a Node process that sends on datagrams, and does nothing else',
        side: bare(),
        cost: ofCall,
      },
      {
        part: 'floor-signed',
        what: 'the same with one Ed25519 signature a call',
        side: bare('sign'),
        cost: ofCall,
      },
    ],
  ),
  floorPart(
    'us of CPU per registration',
    ({ rate }) => rate,
    { part: 'kamailio', what: 'CPU per digest REGISTER', side: kamailio(true), cost: digestCost },
    [
      {
        part: 'floor-register',
        what: 'CPU of a Node process that answers two REGISTERs, and neither checks nor keeps anything',
        side: bare('challenge'),
        cost: digestCost,
      },
      {
        part: 'floor-register-key',
        what: 'CPU of one that answers one REGISTER, and verifies an Ed25519 signature',
        side: bare('verify'),
        cost: async (...load) => (await keyCost(...load)).again,
      },
    ],
  ),
];
