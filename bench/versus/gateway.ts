import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuSecondsOf } from '../../test/support/process-usage.ts';
import { startGateway } from '../../test/support/processes.ts';
import { addStockPhones } from '../../test/support/stock-phones.ts';
import { crowdNames, type System } from './system.ts';

/** From here the caller calls: a named peer, known by its address as Kamailio knows everybody. */
export const peerAddress = '127.0.0.2';

/** A gateway on its defaults, with durable records; `set` adds to its configuration. */
export async function startOurs(name: string, set: readonly string[] = []): Promise<System> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tibet-sip-bench-'));
  const [caller, callee, ...crowd] = await addStockPhones(dataDir, ['caller', 'callee', ...crowdNames]);
  if (caller === undefined || callee === undefined) throw new Error('no phones');
  const config = join(dataDir, 'bench.yaml');
  const target = `udp://${peerAddress}:5060`;
  await writeFile(
    config,
    `peers: [{name: load, match: [${peerAddress}], target: "${target}", role: trunk, probe: {intervalMs: 0}}]\n`,
  );
  const gateway = await startGateway({ dataDir, config, set: ['log.level=warn', ...set] });
  return {
    name,
    port: gateway.port('udp'),
    phones: { caller, callee },
    crowd,
    challenges: true,
    cpuSeconds: () => cpuSecondsOf(gateway.pid),
    stop: async () => {
      await gateway.stop();
      await rm(dataDir, { recursive: true });
    },
  };
}
