import { freePort, type SippResult, sipp, udpBound } from '../../test/support/sipp.ts';
import { peerAddress } from './gateway.ts';
import type { System } from './system.ts';

export interface Cost {
  /** Microseconds of processor time of the system under test, all its processes and threads. */
  readonly cpuUs: number;
}

/** Thrown when a run does not count: a call failed, or a message had to be sent again. */
export class VoidRun extends Error {}

/** Calls from a peer to the registered callee over UDP: INVITE, 100, 180, 200, ACK, BYE, 200. */
export async function callCost(
  system: System,
  load: { readonly callsPerSecond: number; readonly seconds: number },
): Promise<Cost> {
  const { port: gatewayPort, phones } = system;
  const [callerPort, calleePort] = [await freePort(), await freePort()];
  const callee = { gatewayPort, localPort: calleePort };
  requireClean(
    await sipp({
      ...callee,
      scenario: system.challenges ? 'uac-register' : 'uac-plain-register',
      phone: phones.callee,
    }),
  );
  const warm = load.callsPerSecond * warmSeconds;
  const calls = load.callsPerSecond * load.seconds;
  const timeoutSeconds = load.seconds + 60;
  const answering = sipp({ ...callee, scenario: 'uas-answer', calls: warm + calls, timeoutSeconds });
  await udpBound(calleePort);
  const place = (count: number): Promise<SippResult> =>
    sipp({
      scenario: 'uac-plain-call',
      gatewayPort,
      localAddress: peerAddress,
      localPort: callerPort,
      phone: phones.caller,
      callee: phones.callee.user,
      calls: count,
      callsPerSecond: load.callsPerSecond,
      concurrent: 5_000,
      timeoutSeconds,
    });
  requireClean(await place(warm));
  const before = system.cpuSeconds();
  requireClean(await place(calls));
  const spent = system.cpuSeconds() - before;
  requireClean(await answering);
  return { cpuUs: (spent / calls) * 1e6 };
}

/** REGISTER with digest, two rounds, of many phones in turn. */
export async function registerCost(
  system: System,
  load: { readonly callsPerSecond: number; readonly seconds: number },
): Promise<Cost> {
  const localPort = await freePort();
  const register = (calls: number): Promise<SippResult> =>
    sipp({
      scenario: 'uac-register-many',
      gatewayPort: system.port,
      localPort,
      lines: system.crowd.map(
        ({ user, password }) => `${user};[authentication username=${user} password=${password}]`,
      ),
      calls,
      callsPerSecond: load.callsPerSecond,
      timeoutSeconds: load.seconds + 60,
    });
  requireClean(await register(load.callsPerSecond * warmSeconds));
  const calls = load.callsPerSecond * load.seconds;
  const before = system.cpuSeconds();
  requireClean(await register(calls));
  return { cpuUs: ((system.cpuSeconds() - before) / calls) * 1e6 };
}

/** Long enough for a compiler at run time to see what is hot. */
const warmSeconds = 3;

function requireClean(result: SippResult): void {
  if (result.code !== 0 || result.failed > 0)
    throw new VoidRun(`${result.failed} failed: ${result.err.slice(0, 300)}`);
  if (result.retransmissions > 0) throw new VoidRun(`${result.retransmissions} messages were sent again`);
}
