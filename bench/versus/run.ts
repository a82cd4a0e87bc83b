/**
 * This gateway beside Kamailio on the same machine in the same run, in turn: A B A B. Prints medians, ratios and
 * verdicts; CPU is the sum over all processes of the system under test, from the kernel's accounting.
 *
 *   npm run bench                                    all parts
 *   npm run bench -- --part calls --rate 300 --seconds 10 --rounds 3
 */
import { parseArgs } from 'node:util';
import { startOurs } from './gateway.ts';
import { kamailioVersion, startKamailio } from './kamailio.ts';
import { callCost, registerCost, VoidRun } from './load.ts';
import type { System } from './system.ts';

interface Part {
  readonly name: string;
  readonly what: string;
  /** Highest ratio ours / Kamailio's that meets the aim. */
  readonly target: number;
  readonly ours: () => Promise<System>;
  readonly theirs: () => Promise<System>;
  readonly cost: (system: System) => Promise<{ readonly cpuUs: number }>;
}

const { values } = parseArgs({
  options: {
    part: { type: 'string', multiple: true, default: [] },
    rate: { type: 'string', default: '300' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
  },
});
const load = { callsPerSecond: Number(values.rate), seconds: Number(values.seconds) };
const rounds = Number(values.rounds);

const parts: readonly Part[] = [
  {
    name: 'calls',
    what: 'CPU per call, UDP to UDP: routed by identity, intent signed, record durable',
    target: 0.45,
    ours: () => startOurs('tibet-sip'),
    theirs: () => startKamailio({ challenges: false, children: 1 }),
    cost: (system) => callCost(system, load),
  },
  {
    name: 'calls-unrecorded',
    what: 'the same without record',
    target: 0.25,
    ours: () => startOurs('tibet-sip without record', ['audit.enabled=false']),
    theirs: () => startKamailio({ challenges: false, children: 1 }),
    cost: (system) => callCost(system, load),
  },
  {
    name: 'register',
    what: 'CPU per digest REGISTER, two rounds, UDP',
    target: 1,
    ours: () => startOurs('tibet-sip'),
    theirs: () => startKamailio({ challenges: true, children: 1 }),
    cost: (system) => registerCost(system, load),
  },
];

const chosen = parts.filter(({ name }) => values.part.length === 0 || values.part.includes(name));
if (chosen.length === 0 || !(rounds >= 1) || !(load.callsPerSecond > 0) || !(load.seconds > 0)) {
  console.error(`bench: --part is one of ${parts.map(({ name }) => name).join(', ')}; numbers are above 0`);
  process.exit(2);
}
console.log(`node ${process.version}; ${await kamailioVersion()}, configuration bench/versus/kamailio.cfg`);
console.log(`${load.callsPerSecond} per second, ${load.seconds} s, ${rounds} rounds in turn; medians\n`);
for (const part of chosen) {
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let round = 1; round <= rounds; round++) {
    theirs.push(await measured(part, part.theirs));
    ours.push(await measured(part, part.ours));
  }
  const ratio = median(ours) / median(theirs);
  const verdict = ratio <= part.target ? 'met' : 'NOT MET';
  console.log(`${part.name}: ${part.what}`);
  console.log(`  tibet-sip ${list(ours)} us   kamailio ${list(theirs)} us`);
  console.log(`  ratio ${ratio.toFixed(2)}, aim <= ${part.target}: ${verdict}\n`);
}

async function measured(part: Part, start: () => Promise<System>): Promise<number> {
  // A run in which something was lost or sent again says nothing about cost: it is made once more.
  for (let left = 2; ; left--) {
    const system = await start();
    try {
      return (await part.cost(system)).cpuUs;
    } catch (error) {
      if (!(error instanceof VoidRun) || left === 0) throw error;
      console.log(`  (${system.name}: void, ${error.message})`);
    } finally {
      await system.stop();
    }
  }
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

function list(numbers: readonly number[]): string {
  return `${median(numbers).toFixed(0)} (${numbers.map((number) => number.toFixed(0)).join(', ')})`;
}
