import { startOurs } from '../gateway.ts';
import { startKamailio } from '../kamailio.ts';
import {
  type Bench,
  busyNote,
  inTurn,
  type Part,
  requireClean,
  type Side,
  type Sizes,
  VoidRun,
} from '../part.ts';
import type { CallResult } from '../phones/calling.ts';
import type { Busy } from '../phones/commands.ts';
import type { Phones } from '../phones/phones.ts';
import type { WireTransport } from '../phones/wire.ts';
import { cpuSeconds, peerAddress, type System } from '../system.ts';

export interface Cost {
  /** Microseconds of processor time of the system under test, all its processes and threads. */
  readonly cpuUs: number;
  readonly busy: number;
}

/** Who places calls, at which of the system's ports, and whom they are for. */
export interface Caller {
  readonly phones: Phones;
  readonly port: number;
  readonly callee: { readonly prefix: string; readonly count?: number };
}

/** Calls from a peer over UDP to registered phones, `rate` from each caller: INVITE, 100, 180, 200, ACK, BYE, 200. */
export async function callCost(
  system: System,
  callers: readonly Caller[],
  { rate, seconds, warm }: Pick<Sizes, 'rate' | 'seconds' | 'warm'>,
): Promise<Cost> {
  const place = (calls: number): Promise<readonly (CallResult & Busy)[]> =>
    Promise.all(
      callers.map(({ phones, port, callee }) =>
        phones.ask('call', { port, from: peerAddress, rate, callee, calls }),
      ),
    );
  await place(rate * warm);
  const before = cpuSeconds(system);
  const results = await place(rate * seconds);
  const spent = cpuSeconds(system) - before;
  results.forEach(requireClean);
  const calls = rate * seconds * callers.length;
  return { cpuUs: (spent / calls) * 1e6, busy: Math.max(...results.map(({ busy }) => busy)) };
}

/** One phone that is called. */
export async function registerCallee(
  system: System,
  phones: Phones,
  transport: WireTransport = 'udp',
  prefix = 'callee',
): Promise<void> {
  const { failed } = await phones.ask('register', { transport, port: system.port(transport), prefix });
  if (failed > 0) throw new VoidRun(`${prefix} could not register`);
}

/** Calls over UDP come faster than others: nearer to the 2,000/s that the targets mean, and still no gateway's limit. */
export function udpRate({ rate }: Pick<Sizes, 'rate'>): number {
  return 2 * rate;
}

/** Kamailio's plain record-routed call is what each is compared with. */
function callsPart(
  name: string,
  options: {
    readonly what: string;
    readonly target: number;
    readonly transport?: WireTransport;
    readonly set?: readonly string[];
  },
): Part {
  const { what, target, transport = 'udp', set = [] } = options;
  const sides: readonly [Side, Side] = [
    { name: 'kamailio', start: () => startKamailio({ streams: transport !== 'udp' }) },
    { name: 'tibet-sip', start: () => startOurs({ set, tls: transport === 'tls' }) },
  ];
  return {
    name,
    what,
    measure: async (bench: Bench) => {
      const rate = transport === 'udp' ? udpRate(bench.sizes) : bench.sizes.rate;
      const [theirs, ours] = await inTurn(bench, sides, async (system, phones) => {
        await registerCallee(system, phones, transport);
        const caller = { phones, port: system.port('udp'), callee: { prefix: 'callee' } };
        return callCost(system, [caller], { ...bench.sizes, rate });
      });
      return [
        {
          part: name,
          what,
          unit: 'us of CPU per call',
          ours: ours.map(({ cpuUs }) => cpuUs),
          other: { name: 'kamailio', numbers: theirs.map(({ cpuUs }) => cpuUs) },
          target: { atMost: target },
          notes: [
            `${rate} calls/s; ours: ${set.join(', ') || 'defaults'}; ${busyNote([...theirs, ...ours].map(({ busy }) => busy))}`,
          ],
        },
      ];
    },
  };
}

export const callParts: readonly Part[] = [
  callsPart('calls', {
    what: 'CPU per call, UDP to UDP: routed by identity, intent signed, record durable',
    target: 0.45,
  }),
  callsPart('calls-unrecorded', {
    what: 'CPU per call, UDP to UDP, without record (signed all the same)',
    target: 0.25,
    set: ['audit.enabled=false'],
  }),
  callsPart('calls-tcp', { what: 'CPU per call, callee over TCP', target: 0.6, transport: 'tcp' }),
  callsPart('calls-tls', { what: 'CPU per call, callee over TLS', target: 0.6, transport: 'tls' }),
  callsPart('calls-ws', { what: 'CPU per call, callee over WebSocket', target: 0.6, transport: 'ws' }),
];
