/** This gateway beside Kamailio on the same machine in the same run, in turn: see `--help`. */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import {
  type Finding,
  measuredValue,
  number,
  numbers,
  targetText,
  verdictOf,
  verdictText,
} from './finding.ts';
import { kamailioVersion } from './kamailio.ts';
import type { Part, Sizes } from './part.ts';
import { callParts } from './parts/calls.ts';
import { capacityParts } from './parts/capacity.ts';
import { endurance } from './parts/endurance.ts';
import { floorParts } from './parts/floor.ts';
import { flowParts } from './parts/flows.ts';
import { identities } from './parts/identities.ts';
import { processes } from './parts/processes.ts';
import { registrationParts } from './parts/registrations.ts';
import { tableOf } from './table.ts';

const parts: readonly Part[] = [
  ...callParts,
  ...floorParts,
  ...registrationParts,
  ...capacityParts,
  ...flowParts,
  identities,
  endurance,
  processes,
];

const usual: Sizes = {
  ...{ rate: 500, seconds: 6, warm: 15, rounds: 3 },
  ...{ flows: 20_000, phones: 20_000, identities: 1_000_000, minutes: 4 },
};
const quick: Sizes = {
  ...{ rate: 200, seconds: 2, warm: 3, rounds: 1 },
  ...{ flows: 1_000, phones: 1_000, identities: 20_000, minutes: 2 },
};

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;
const { values } = parseArgs({
  options: {
    part: { type: 'string', multiple: true, default: [] },
    ...{ rate: text, seconds: text, warm: text, rounds: text },
    ...{ flows: text, phones: text, identities: text, minutes: text },
    ...{ quick: flag, json: flag, help: flag },
  },
});

if (values.help) {
  console.log(help());
  process.exit(0);
}
const base = values.quick ? quick : usual;
const size = (name: keyof Sizes): number => Number(values[name] ?? base[name]);
const sizes: Sizes = {
  ...{ rate: size('rate'), seconds: size('seconds'), warm: size('warm'), rounds: size('rounds') },
  ...{
    flows: size('flows'),
    phones: size('phones'),
    identities: size('identities'),
    minutes: size('minutes'),
  },
};
const wrong = [
  ...values.part.filter((name) => !parts.some((part) => part.name === name)).map((name) => `no part ${name}`),
  ...Object.entries(sizes)
    .filter(([, value]) => !Number.isInteger(value) || value < 1)
    .map(([name]) => `--${name} is a whole number above 0`),
];
if (wrong.length > 0) {
  console.error(`bench: ${wrong.join('; ')}\n\n${help()}`);
  process.exit(2);
}

// Whatever was started ends with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const began = performance.now();
/** What a person sees; with `--json` it leaves standard output alone. */
const print = (line: string): void => (values.json ? console.error(line) : console.log(line));
const say = (line: string): void => {
  process.stderr.write(`  ${((performance.now() - began) / 1_000).toFixed(0).padStart(4)} s  ${line}\n`);
};

const versions = {
  'tibet-sip': process.env['npm_package_version'] ?? 'checkout',
  node: process.version,
  kamailio: await kamailioVersion(),
};
const [cpu] = cpus();
print(`tibet-sip ${versions['tibet-sip']} on node ${versions.node}; ${versions.kamailio}`);
print(`${cpus().length} x ${cpu?.model ?? 'processor'}; load ${loadavg()[0]?.toFixed(1)} before the run`);
print(
  'ours: the defaults, recording; theirs: bench/versus/kamailio.cfg, one worker for UDP, one for streams',
);
print(`in turn, ${sizes.rounds} rounds; medians; runs with failed or repeated messages are made again\n`);

const findings: Finding[] = [];
for (const part of parts) {
  if (values.part.length > 0 && !values.part.includes(part.name)) continue;
  say(part.name);
  const found = await part
    .measure({ sizes, say, before: findings })
    .catch((error: unknown) => [notMeasured(part, error)]);
  found.forEach(printFinding);
  findings.push(...found);
}
print(`${tableOf(findings)}\n`);
const met = findings.filter((finding) => verdictOf(finding) === 'met').length;
const aims = findings.filter(({ target }) => target !== undefined).length;
print(`${met} of ${aims} targets met, ${((performance.now() - began) / 60_000).toFixed(0)} minutes`);
if (values.json)
  console.log(
    JSON.stringify({
      versions,
      sizes,
      findings: findings.map((finding) => ({
        ...finding,
        value: measuredValue(finding),
        verdict: verdictOf(finding),
      })),
    }),
  );

function notMeasured({ name, what }: Part, error: unknown): Finding {
  return { part: name, what, unit: '', ours: [], target: { atMost: Number.NaN }, notes: [String(error)] };
}

function printFinding(finding: Finding): void {
  const { what, unit, ours, other, notes = [] } = finding;
  print(`${finding.part}: ${what}`);
  print(
    `  ${finding.target === undefined ? 'bare' : 'tibet-sip'} ${numbers(ours)} ${unit}${other === undefined ? '' : `; ${other.name} ${numbers(other.numbers)}`}`,
  );
  for (const note of notes) print(`  ${note}`);
  const value = other === undefined ? '' : `ratio ${number(measuredValue(finding))}, `;
  print(`  ${value}target ${targetText(finding)}: ${verdictText(finding)}\n`);
}

function help(): string {
  const shown = (sizes: Sizes): string =>
    Object.entries(sizes)
      .map(([name, value]) => `--${name} ${value}`)
      .join(' ');
  return `npm run bench -- [--part NAME]... [sizes] [--quick] [--json]
This gateway beside Kamailio on the same machine in the same run. Without --part: all of it, half an hour or more.

parts
${parts.map(({ name, what }) => `  ${name.padEnd(17)} ${what}`).join('\n')}

sizes, as they are by default and with --quick (some minutes); calls over UDP come at twice the rate
  ${shown(usual)}
  ${shown(quick)}

--json prints one object on standard output when all is done, and the rest on standard error.

Example: npm run bench -- --part calls --part calls-tcp --rate 300 --seconds 10 --rounds 3`;
}
