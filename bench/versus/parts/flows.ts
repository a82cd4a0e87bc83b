import { setTimeout as delay } from 'node:timers/promises';
import type { Finding } from '../finding.ts';
import { startOurs } from '../gateway.ts';
import { startKamailio } from '../kamailio.ts';
import { type Bench, inTurn, once, type Part, type Side, VoidRun } from '../part.ts';
import { Phones } from '../phones/phones.ts';
import type { WireTransport } from '../phones/wire.ts';
import { maxDescriptors, memoryBytes, namesOf, peerAddress, type System } from '../system.ts';
import { registerCallee } from './calls.ts';

/** What a process needs besides its phones' connections. */
const otherDescriptors = 300;
/** The collector of a process that has become idle needs a while, also after its start. */
const settleMs = 30_000;

/** As many as asked for, and as a process may open here. */
function possible(wanted: number): { readonly count: number; readonly note: string } {
  const most = maxDescriptors() - otherDescriptors;
  const count = Math.min(wanted, most);
  return {
    count,
    note:
      count < wanted
        ? `${count} of ${wanted}: a process may open ${maxDescriptors()} files here`
        : `${count}`,
  };
}

async function registerAll(
  bench: Bench,
  system: System,
  phones: Phones,
  transport: WireTransport,
  count: number,
): Promise<number> {
  const result = await phones.ask('register', {
    transport,
    port: system.port(transport),
    prefix: 'phone',
    count,
  });
  bench.say(`${system.name}: ${result.registered} over ${transport} in ${result.seconds.toFixed(1)} s`);
  if (result.failed > 0) throw new VoidRun(`${result.failed} of ${count} did not register`);
  return result.seconds;
}

/** Memory that one more idle registered phone takes, in kB. */
function flowsPart(transport: 'tcp' | 'tls' | 'ws', most: number | undefined): Part {
  const name = `memory-${transport}`;
  const what = `memory per registered idle ${{ tcp: 'TCP', tls: 'TLS', ws: 'WebSocket' }[transport]} flow`;
  return {
    name,
    what,
    measure: async (bench) => {
      const { count, note } = possible(bench.sizes.flows);
      const sides: readonly [Side, Side] = [
        { name: 'kamailio', start: () => startKamailio({ streams: true }) },
        {
          name: 'tibet-sip',
          start: () => startOurs({ phones: namesOf('phone', count), tls: transport === 'tls' }),
        },
      ];
      const [theirs, ours] = await inTurn(
        bench,
        sides,
        async (system, phones) => {
          await delay(settleMs);
          const before = memoryBytes(system);
          await registerAll(bench, system, phones, transport, count);
          await delay(settleMs);
          return (memoryBytes(system) - before) / count / 1_000;
        },
        1,
      );
      const common = { part: name, unit: 'kB', ours, notes: [`${note} flows, ${settleMs / 1_000} s idle`] };
      const findings: Finding[] = [
        { ...common, what, other: { name: 'kamailio', numbers: theirs }, target: { atMost: 1.5 } },
      ];
      if (most !== undefined)
        findings.push({ ...common, what: `${what}, by itself`, target: { atMost: most } });
      return findings;
    },
  };
}

const stormCallsPerSecond = 20;
const stormSeconds = 25;
const slowestBackSeconds = 20;
const slowestCallMs = 500;

const storm: Part = {
  name: 'storm',
  what: 'reconnect storm: all WebSocket phones lose their connection at once and register again',
  measure: async (bench) => {
    const { count, note } = possible(bench.sizes.phones);
    const start = (): Promise<System> => startOurs({ phones: ['callee', ...namesOf('phone', count)] });
    const result = await once(bench, { name: 'tibet-sip', start }, async (system, crowd) => {
      const others = new Phones();
      try {
        const port = system.port('udp');
        await registerCallee(system, others);
        await registerAll(bench, system, crowd, 'ws', count);
        const calls = others.ask('call', {
          ...{ port, from: peerAddress, callee: { prefix: 'callee' }, rate: stormCallsPerSecond },
          calls: stormCallsPerSecond * stormSeconds,
        });
        await delay(1_000);
        bench.say('all connections are cut');
        const back = await crowd.ask('reconnect', { port: system.port('ws') });
        return { back, calls: await calls };
      } finally {
        await others.stop();
      }
    });
    const { back, calls } = result;
    const refused =
      calls.failed > 0
        ? `; ${calls.failed} of ${calls.calls} calls failed: ${JSON.stringify(calls.statuses)}`
        : '; no call failed';
    const notes = [
      `${note} phones, no pause between them; ${back.failed} did not come back; load generator busy ${(back.busy * 100).toFixed(0)} % of a core`,
      `${stormCallsPerSecond} calls/s over UDP meanwhile${refused}`,
    ];
    return [
      {
        ...{ part: 'storm', unit: 's', notes, target: { atMost: slowestBackSeconds } },
        what: 'reconnect storm: all phones are back',
        ours: [back.failed > 0 ? Number.POSITIVE_INFINITY : back.seconds],
      },
      {
        ...{ part: 'storm', unit: 'ms', notes, target: { atMost: slowestCallMs } },
        what: 'reconnect storm: 99 of 100 calls placed meanwhile are answered',
        ours: [calls.failed * 100 > calls.calls ? Number.POSITIVE_INFINITY : calls.setup.p99],
      },
    ];
  },
};

export const flowParts: readonly Part[] = [
  flowsPart('tcp', 8),
  flowsPart('tls', undefined),
  flowsPart('ws', 12),
  storm,
];
