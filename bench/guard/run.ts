/**
 * A guard against calls that have become dearer: `npm run guard`. A gateway carries signed, recorded calls; its CPU per
 * call, as a ratio to a fixed loop measured in between, must stay below one and a half times the ratio that
 * `kept.json` holds. CPU time, short alternating rounds, of which the cheaper ones count (what else runs only adds), and
 * a second try keep the noise of a busy machine out; another machine has another ratio, though not by half. After a change that lowers the cost:
 * `npm run guard -- --keep`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startOurs } from '../versus/gateway.ts';
import { Phones } from '../versus/phones/phones.ts';
import { cpuSeconds, peerAddress } from '../versus/system.ts';
import { referenceStepUs } from './reference-loop.ts';

const keptFile = new URL('kept.json', import.meta.url);
/** Worse by half. */
const allowance = 1.5;
const rounds = 11;
const callsEach = 300;
const warmCalls = 2_000;
/** The next call begins when one has ended: a slow machine makes the run longer, not the calls fail. */
const atOnce = 20;

const { values } = parseArgs({ options: { keep: { type: 'boolean', default: false } } });
const { ratio: kept } = JSON.parse(readFileSync(keptFile, 'utf8')) as { readonly ratio: number };
const limit = kept * allowance;

let ratio = await measuredRatio();
if (values.keep) writeFileSync(keptFile, `${JSON.stringify({ ratio: Number(ratio.toFixed(2)) })}\n`);
else {
  if (ratio > limit) {
    console.log('guard: once more');
    ratio = Math.min(ratio, await measuredRatio());
  }
  if (ratio > limit) {
    console.error(`guard: a call has become dearer by half: ratio ${ratio.toFixed(2)}, kept ${kept}`);
    process.exitCode = 1;
  }
}

async function measuredRatio(): Promise<number> {
  // A machine that is busy with something else makes the gateway slow, not overloaded.
  const gateway = await startOurs({ set: ['limits.overload.maxLagMs=60000'] });
  const phones = new Phones();
  try {
    const port = gateway.port('udp');
    await phones.ask('register', { transport: 'udp', port, prefix: 'callee' });
    const place = async (calls: number): Promise<number> => {
      const before = cpuSeconds(gateway);
      const load = { port, from: peerAddress, callee: { prefix: 'callee' }, atOnce };
      const { failed, statuses } = await phones.ask('call', { ...load, calls });
      if (failed > 0) console.log(`guard: ${failed} of ${calls} calls failed: ${JSON.stringify(statuses)}`);
      if (failed > 0) return Number.POSITIVE_INFINITY;
      return ((cpuSeconds(gateway) - before) / calls) * 1e6;
    };
    await place(warmCalls);
    referenceStepUs();
    const [calls, steps]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      calls.push(await place(callsEach));
      steps.push(referenceStepUs());
    }
    const [call, step] = [lowerQuartile(calls), lowerQuartile(steps)];
    const found = call / step;
    console.log(
      `guard: a call ${call.toFixed(0)} us of CPU, a step of the reference loop ${step.toFixed(1)} us: ratio ` +
        `${found.toFixed(2)}; kept ${kept}, fails above ${limit.toFixed(2)}`,
    );
    return found;
  } finally {
    await phones.stop();
    await gateway.stop();
  }
}

function lowerQuartile(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 2] ?? Number.NaN;
}
