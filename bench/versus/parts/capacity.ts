import { median } from '../finding.ts';
import { startOurs } from '../gateway.ts';
import { startKamailio } from '../kamailio.ts';
import { type Bench, busyNote, inTurn, type Part, type Side, VoidRun } from '../part.ts';
import type { CallResult } from '../phones/calling.ts';
import type { Busy } from '../phones/commands.ts';
import type { Phones } from '../phones/phones.ts';
import { peerAddress, type System } from '../system.ts';
import { registerCallee } from './calls.ts';

const sides: readonly [Side, Side] = [
  { name: 'kamailio', start: () => startKamailio() },
  { name: 'tibet-sip', start: () => startOurs() },
];

/** From the lowest rate upwards by `coarse` until calls fail, then between by halves. */
const lowest = 200;
const coarse = 1.5;
const refinements = 2;
const secondsEach = 3;
/** Whatever else the machine does must not decide: a rate is too high when it failed so often. */
const triesEach = 2;

type Place = (rate: number, seconds?: number) => Promise<CallResult & Busy>;

async function prepared({ sizes }: Bench, system: System, phones: Phones): Promise<Place> {
  const port = system.port('udp');
  await registerCallee(system, phones);
  const place: Place = (rate, seconds = secondsEach) =>
    phones.ask('call', {
      ...{ port, from: peerAddress, callee: { prefix: 'callee' } },
      rate,
      calls: Math.round(rate * seconds),
    });
  await place(sizes.rate, sizes.warm);
  return place;
}

/** The highest rate found at which no call failed and nothing was sent again. */
async function highestRate(
  bench: Bench,
  system: System,
  phones: Phones,
): Promise<{ readonly rate: number; readonly busy: number }> {
  const place = await prepared(bench, system, phones);
  let busy = 0;
  const stands = async (rate: number): Promise<boolean> => {
    for (let left = triesEach; left > 0; left--) {
      const result = await place(rate);
      busy = Math.max(busy, result.busy);
      bench.say(
        `${system.name}: ${rate} calls/s: ${result.failed} failed, ${result.retransmissions} messages again`,
      );
      if (result.failed === 0 && result.retransmissions === 0) return true;
    }
    return false;
  };
  let [good, bad] = [0, lowest];
  while (await stands(bad)) [good, bad] = [bad, Math.round(bad * coarse)];
  for (let left = refinements; left > 0 && good > 0; left--) {
    const between = Math.round((good + bad) / 2);
    if (await stands(between)) good = between;
    else bad = between;
  }
  return { rate: good, busy };
}

const capacity = 'highest calls/s without a failed call, one process each';

export const capacityParts: readonly Part[] = [
  {
    name: 'capacity',
    what: capacity,
    measure: async (bench) => {
      const rounds = Math.min(2, bench.sizes.rounds);
      const [theirs, ours] = await inTurn(
        bench,
        sides,
        (system, phones) => highestRate(bench, system, phones),
        rounds,
      );
      return [
        {
          part: 'capacity',
          what: capacity,
          unit: 'calls/s',
          ours: ours.map(({ rate }) => rate),
          other: { name: 'kamailio, one worker', numbers: theirs.map(({ rate }) => rate) },
          target: { atLeast: 1.5 },
          notes: [busyNote([...theirs, ...ours].map(({ busy }) => busy))],
        },
      ];
    },
  },
  {
    name: 'latency',
    what: 'time from INVITE in to INVITE out at half load',
    measure: async (bench) => {
      const found = bench.before.find(({ part }) => part === 'capacity');
      const highest = found && Math.min(median(found.ours), median(found.other?.numbers ?? []));
      const rate = Math.round(highest === undefined ? bench.sizes.rate / 2 : highest / 2);
      const [theirs, ours] = await inTurn(bench, sides, async (system, phones) => {
        const result = await (await prepared(bench, system, phones))(rate, bench.sizes.seconds);
        if (result.failed > 0) throw new VoidRun(`${result.failed} calls failed`);
        return result;
      });
      const load = highest === undefined ? '' : ', half of what the slower one takes';
      const notes = [
        `${rate} calls/s for both${load}; as the load generator sees it, its own delays included; ${busyNote([...theirs, ...ours].map(({ busy }) => busy))}`,
      ];
      return (['p50', 'p99'] as const).map((share) => ({
        part: 'latency',
        what: `INVITE in to INVITE out at half load, ${share}`,
        unit: 'ms',
        ours: ours.map(({ through }) => through[share]),
        other: { name: 'kamailio', numbers: theirs.map(({ through }) => through[share]) },
        target: { atMost: 1 },
        notes,
      }));
    },
  },
];
