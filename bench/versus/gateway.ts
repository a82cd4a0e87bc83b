import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestAuthority } from '../../test/support/certificates.ts';
import { startGateway } from '../../test/support/processes.ts';
import { addStockPhones } from '../../test/support/stock-phones.ts';
import { peerAddress, type System } from './system.ts';

export interface OursOptions {
  readonly name?: string;
  /** TLS besides UDP, TCP and WebSocket. */
  readonly tls?: boolean;
  /** Names of stock phones that have credentials. */
  readonly phones?: readonly string[];
  /** What its configuration says besides; all else is as by default. */
  readonly set?: readonly string[];
  /** Where identities are already; it is left as it is. */
  readonly dataDir?: string;
  /** Any, by default: a flow over UDP is known again only at the same one. */
  readonly udpPort?: number;
}

/** A gateway on its defaults, with durable records. */
export async function startOurs(options: OursOptions = {}): Promise<System> {
  const { name = 'tibet-sip', phones = ['callee'], set = [], udpPort = 0 } = options;
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'tibet-sip-bench-')));
  if (options.dataDir === undefined) await addStockPhones(dataDir, phones);
  const authority = options.tls === true ? new TestAuthority() : undefined;
  const files = authority?.issue({ commonName: 'localhost' });
  const config = join(dataDir, 'bench.yaml');
  const target = `udp://${peerAddress}:5060`;
  await writeFile(
    config,
    `peers: [{name: load, match: [${peerAddress}], target: "${target}", role: trunk, probe: {intervalMs: 0}}]\n`,
  );
  const gateway = await startGateway({
    dataDir,
    config,
    set: [
      'log.level=warn',
      `listen=udp://127.0.0.1:${udpPort}, tcp://127.0.0.1:0, ws://127.0.0.1:0${files === undefined ? '' : ', tls://127.0.0.1:0'}`,
      ...(files === undefined ? [] : [`tls.cert=${files.cert}`, `tls.key=${files.key}`]),
      ...set,
    ],
  });
  return {
    name,
    port: (transport) => gateway.port(transport),
    challenges: true,
    pids: () => [gateway.pid],
    stop: async () => {
      await gateway.stop();
      authority?.remove();
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true });
    },
  };
}
