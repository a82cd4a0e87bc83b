import { startOurs } from '../gateway.ts';
import { startKamailio } from '../kamailio.ts';
import { type Bench, busyNote, inTurn, type Part, requireClean, type Side } from '../part.ts';
import type { Phones } from '../phones/phones.ts';
import { cpuSeconds, namesOf, type System } from '../system.ts';
import type { Cost } from './calls.ts';

/** Phones that register in turn. */
const crowd = 500;

const kamailio: Side = { name: 'kamailio', start: () => startKamailio({ challenges: true }) };
const ours: Side = { name: 'tibet-sip', start: () => startOurs({ phones: namesOf('phone', crowd) }) };

/** REGISTER with digest, two rounds, of many phones in turn over UDP. */
export async function digestCost(bench: Bench, system: System, phones: Phones): Promise<Cost> {
  const { rate, seconds, warm } = bench.sizes;
  const load = { transport: 'udp', port: system.port('udp'), prefix: 'phone', names: crowd, rate } as const;
  await phones.ask('register', { ...load, count: rate * warm });
  return spent(system, rate * seconds, () => phones.ask('register', { ...load, count: rate * seconds }));
}

/** One round trip each: phones that the gateway has never seen, then the same phones again. */
export async function keyCost(
  bench: Bench,
  system: System,
  phones: Phones,
): Promise<{ readonly first: Cost; readonly again: Cost }> {
  const { rate, seconds, warm } = bench.sizes;
  const load = { port: system.port('udp'), rate };
  const before = { ...load, count: rate * warm };
  await phones.ask('registerKeys', { ...before, again: false });
  await phones.ask('registerKeys', { ...before, again: true });
  const count = rate * seconds;
  const first = await spent(system, count, () =>
    phones.ask('registerKeys', { ...load, count, again: false }),
  );
  const again = await spent(system, count, () => phones.ask('registerKeys', { ...load, count, again: true }));
  return { first, again };
}

async function spent(
  system: System,
  count: number,
  work: () => Promise<Parameters<typeof requireClean>[0]>,
): Promise<Cost> {
  const before = cpuSeconds(system);
  const result = await work();
  const cpuUs = ((cpuSeconds(system) - before) / count) * 1e6;
  requireClean(result);
  return { cpuUs, busy: result.busy };
}

const digest = 'CPU per digest REGISTER, two rounds, UDP';

export const registrationParts: readonly Part[] = [
  {
    name: 'register',
    what: digest,
    measure: async (bench) => {
      const [theirs, mine] = await inTurn(bench, [kamailio, ours], (system, phones) =>
        digestCost(bench, system, phones),
      );
      return [
        {
          part: 'register',
          what: digest,
          unit: 'us of CPU per registration',
          ours: mine.map(({ cpuUs }) => cpuUs),
          other: { name: 'kamailio', numbers: theirs.map(({ cpuUs }) => cpuUs) },
          target: { atMost: 1 },
          notes: [
            `${bench.sizes.rate} registrations/s; ${busyNote([...theirs, ...mine].map(({ busy }) => busy))}`,
          ],
        },
      ];
    },
  },
  {
    name: 'register-key',
    what: "CPU per key-proof REGISTER, first and refresh, UDP, against Kamailio's digest REGISTER",
    measure: async (bench) => {
      const theirs: Cost[] = [];
      const mine: { readonly first: Cost; readonly again: Cost }[] = [];
      await inTurn(bench, [kamailio, ours], async (system, phones, side) => {
        if (side === kamailio) theirs.push(await digestCost(bench, system, phones));
        else mine.push(await keyCost(bench, system, phones));
      });
      const other = { name: "kamailio's digest", numbers: theirs.map(({ cpuUs }) => cpuUs) };
      const unit = 'us of CPU per registration';
      const busy = [...theirs, ...mine.flatMap(({ first, again }) => [first, again])].map(
        (cost) => cost.busy,
      );
      const notes = [`${bench.sizes.rate} registrations/s; ${busyNote(busy)}`];
      return [
        {
          ...{ part: 'register-key', what: 'CPU per key-proof REGISTER, first', unit, other, notes },
          ours: mine.map(({ first }) => first.cpuUs),
          target: { atMost: 3 },
        },
        {
          ...{ part: 'register-key', what: 'CPU per key-proof REGISTER, refresh', unit, other, notes },
          ours: mine.map(({ again }) => again.cpuUs),
          target: { atMost: 1 },
        },
      ];
    },
  },
];
