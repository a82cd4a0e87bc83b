import type { Finding } from './finding.ts';
import { Phones } from './phones/phones.ts';
import type { System } from './system.ts';

/** How much is measured: from the command line. */
export interface Sizes {
  readonly rate: number;
  readonly seconds: number;
  /** Seconds of the same load before each measurement: what compiles at run time has then seen what is hot. */
  readonly warm: number;
  readonly rounds: number;
  readonly flows: number;
  readonly phones: number;
  readonly identities: number;
  readonly minutes: number;
}

export interface Bench {
  readonly sizes: Sizes;
  /** Tells whoever waits what is going on. */
  say(text: string): void;
  /** Findings of the parts before, for those that build on them. */
  readonly before: readonly Finding[];
}

/** One command: `npm run bench -- --part NAME`. */
export interface Part {
  readonly name: string;
  readonly what: string;
  measure(bench: Bench): Promise<readonly Finding[]>;
}

/** Thrown when a run does not count: a call failed, or a message had to be sent again. */
export class VoidRun extends Error {}

/** Above this share of a core the load generator may be what limits the result. */
const busyLimit = 0.9;

/** What a load generator said of a run; throws VoidRun when that does not count. */
export function requireClean(result: {
  readonly failed: number;
  readonly retransmissions: number;
  readonly busy: number;
  readonly statuses?: Readonly<Record<string, number>>;
}): void {
  const { failed, retransmissions, busy, statuses = {} } = result;
  if (failed > 0) throw new VoidRun(`${failed} failed ${JSON.stringify(statuses)}`);
  if (retransmissions > 0) throw new VoidRun(`${retransmissions} messages were sent again`);
  if (busy > busyLimit) throw new VoidRun(`the load generator was ${(busy * 100).toFixed(0)} % busy`);
}

/** A side of a comparison: how it is started, what is measured of it. */
export interface Side<Started extends System = System> {
  readonly name: string;
  readonly start: () => Promise<Started>;
}

const tries = 5;

/** Both sides in turn, A B A B; `measure` gets a fresh system and a fresh load generator each time. */
export async function inTurn<Result, Started extends System = System>(
  bench: Bench,
  sides: readonly [Side<Started>, Side<Started>],
  measure: (system: Started, phones: Phones, side: Side<Started>) => Promise<Result>,
  rounds: number = bench.sizes.rounds,
): Promise<readonly [readonly Result[], readonly Result[]]> {
  const results: [Result[], Result[]] = [[], []];
  for (let round = 1; round <= rounds; round++)
    for (const [at, side] of sides.entries()) {
      bench.say(`round ${round} of ${rounds}: ${side.name}`);
      results[at === 0 ? 0 : 1].push(await once(bench, side, measure));
    }
  return results;
}

/** A run in which something was lost or sent again says nothing about cost: it is made once more. */
export async function once<Result, Started extends System = System>(
  bench: Bench,
  side: Side<Started>,
  measure: (system: Started, phones: Phones, side: Side<Started>) => Promise<Result>,
): Promise<Result> {
  for (let left = tries - 1; ; left--) {
    const system = await side.start();
    const phones = new Phones();
    try {
      return await measure(system, phones, side);
    } catch (error) {
      if (!(error instanceof VoidRun) || left === 0) throw error;
      bench.say(`${side.name}: void, ${error.message}; once more`);
    } finally {
      await phones.stop();
      await system.stop();
    }
  }
}

export const busyNote = (busy: readonly number[]): string =>
  `load generator busy ${(Math.max(...busy) * 100).toFixed(0)} % of a core at most`;
