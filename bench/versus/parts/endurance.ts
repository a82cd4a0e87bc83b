import { median } from '../finding.ts';
import { startOurs } from '../gateway.ts';
import { once, type Part, requireClean } from '../part.ts';
import { memoryBytes, peerAddress } from '../system.ts';
import { registerCallee } from './calls.ts';

const hourMinutes = 60;
/** Of each minute, the samples at its end. */
const lateSamples = 15;
const sampleMs = 1_000;

const what = 'memory at the end of the load against after the first minute';

export const endurance: Part = {
  name: 'endurance',
  what,
  measure: async (bench) => {
    const { rate, minutes } = bench.sizes;
    let again = 0;
    const megabytes = await once(
      bench,
      { name: 'tibet-sip', start: () => startOurs() },
      async (system, phones) => {
        const port = system.port('udp');
        await registerCallee(system, phones);
        const each: number[] = [];
        again = 0;
        for (let minute = 1; minute <= minutes; minute++) {
          const samples: number[] = [];
          const sampling = setInterval(() => samples.push(memoryBytes(system) / 1e6), sampleMs);
          const load = { port, from: peerAddress, callee: { prefix: 'callee' }, rate };
          try {
            const result = await phones.ask('call', { ...load, calls: rate * 60 });
            again += result.retransmissions;
            // Memory does not mind a message that was sent again, and an hour would be lost for it.
            requireClean({ ...result, retransmissions: 0 });
          } finally {
            clearInterval(sampling);
          }
          each.push(median(samples.slice(-lateSamples)));
          bench.say(`minute ${minute} of ${minutes}: ${each.at(-1)?.toFixed(0)} MB`);
        }
        return each;
      },
    );
    const [first = Number.NaN, last = Number.NaN] = [megabytes[0], megabytes.at(-1)];
    const shorter =
      minutes < hourMinutes ? `, not the hour that the target means: --minutes ${hourMinutes}` : '';
    return [
      {
        part: 'endurance',
        what,
        unit: 'MB',
        ours: [last],
        other: { name: 'after the first minute', numbers: [first] },
        target: { atMost: 1.05 },
        notes: [
          `${minutes} minutes at ${rate} calls/s, ${again} messages sent again${shorter}`,
          `MB at the end of each minute: ${megabytes.map((each) => each.toFixed(0)).join(' ')}`,
        ],
      },
    ];
  },
};
