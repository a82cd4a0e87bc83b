import { startBare } from '../bare.ts';
import type { Finding } from '../finding.ts';
import { startKamailio } from '../kamailio.ts';
import { type Bench, busyNote, once, type Part, type Side } from '../part.ts';
import { callCost, registerCallee } from './calls.ts';

const sides = {
  kamailio: { name: 'kamailio', start: () => startKamailio() },
  bare: { name: 'bare', start: () => startBare() },
  signed: { name: 'bare and signed', start: () => startBare({ signs: true }) },
} satisfies Record<string, Side>;

/** How near the targets of a call can be come at all. */
export const floor: Part = {
  name: 'floor',
  what: 'CPU per call of a Node process that sends on datagrams, and does nothing else',
  measure: async (bench: Bench) => {
    const measured = { kamailio: [] as number[], bare: [] as number[], signed: [] as number[] };
    const busy: number[] = [];
    for (let round = 1; round <= bench.sizes.rounds; round++)
      for (const which of ['kamailio', 'bare', 'signed'] as const) {
        bench.say(`round ${round} of ${bench.sizes.rounds}: ${sides[which].name}`);
        const cost = await once(bench, sides[which], async (system, phones) => {
          await registerCallee(system, phones);
          const caller = { phones, port: system.port('udp'), callee: { prefix: 'callee' } };
          return callCost(system, [caller], bench.sizes);
        });
        measured[which].push(cost.cpuUs);
        busy.push(cost.busy);
      }
    const finding = (part: string, what: string, ours: readonly number[]): Finding => ({
      part,
      what,
      unit: 'us of CPU per call',
      ours,
      other: { name: 'kamailio', numbers: measured.kamailio },
      notes: [`${bench.sizes.rate} calls/s; no gateway: bench/versus/bare-process.ts; ${busyNote(busy)}`],
    });
    return [
      finding('floor', floor.what, measured.bare),
      finding('floor-signed', 'the same with one Ed25519 signature a call', measured.signed),
    ];
  },
};
