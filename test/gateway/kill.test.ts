import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callChains, chainFaults, readCheckpoint, readTrail, verifyTrail } from '../support/audit-trail.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { freePort } from '../support/free-port.ts';
import { cpuSecondsOf } from '../support/process-usage.ts';
import { type GatewayProcess, startGateway } from '../support/processes.ts';
import { type SippResult, sipp, udpBound } from '../support/sipp.ts';
import { addStockPhones, type StockPhone } from '../support/stock-phones.ts';

/** What a start may cost, the recovery of the log included; in processor time, for other tests run beside it. */
const maxStartCpuSeconds = 2;

/** How long the gateway lets requests that are under way find their answer. */
const drainMs = 3_000;

const data = dataDirectory();
const answering = new AbortController();
let answered: Promise<unknown>;
let gateway: GatewayProcess;
let alice: StockPhone;
let listen = '';
let bobPort = 0;
let callsSeen = 0;

beforeAll(async () => {
  const [caller, bob] = await addStockPhones(data.path, ['alice', 'bob']);
  if (caller === undefined || bob === undefined) throw new Error('no phones');
  alice = caller;
  gateway = await startGateway({ dataDir: data.path, set: ['log.level=error'] });
  listen = `listen=${gateway.addresses.filter((address) => !address.startsWith('http')).join(',')}`;
  bobPort = await freePort();
  const gatewayPort = gateway.port('udp');
  await sipp({ scenario: 'uac-register', gatewayPort, localPort: bobPort, phone: bob });
  answered = sipp({
    scenario: 'uas-answer',
    gatewayPort,
    localPort: bobPort,
    calls: 1_000_000,
    timeoutSeconds: 300,
    signal: answering.signal,
  });
  await udpBound(bobPort);
});
afterAll(async () => {
  answering.abort();
  await answered;
  await gateway.kill();
  data.remove();
});

/** Alice's phone calls Bob's, which registered once, before the first gateway was killed. */
async function call(load: {
  readonly calls: number;
  readonly holdMs?: number;
  readonly timeoutSeconds?: number;
}): Promise<SippResult> {
  return sipp({
    scenario: 'uac-call',
    gatewayPort: gateway.port('udp'),
    localPort: await freePort(),
    phone: alice,
    callee: 'bob',
    callsPerSecond: 100,
    ...load,
  });
}

describe('kill -9 under 100 calls a second', () => {
  it.each([
    { moment: 'as the first calls arrive', killAfterMs: 350, holdMs: 500 },
    { moment: 'while calls are up and others ring', killAfterMs: 1_100, holdMs: 400 },
    { moment: 'while calls begin and end at the same rate', killAfterMs: 1_600, holdMs: 0 },
  ])(
    '$moment: every attempt gets one closing record, and phones stay reachable',
    { timeout: 30_000 },
    async ({ killAfterMs, holdMs }) => {
      const load = call({ calls: 200, holdMs, timeoutSeconds: 3 });
      await after(killAfterMs);
      const checkpoint = await readCheckpoint(data.path);
      await gateway.kill();
      const killed = await verifyTrail(data.path);
      expect(killed, 'as the crash left it').toMatchObject({ problems: [], valid: true });

      gateway = await startGateway({ dataDir: data.path, set: ['log.level=error', listen] });
      expect(cpuSecondsOf(gateway.pid)).toBeLessThan(maxStartCpuSeconds);
      const { successful } = await load;

      const again = await call({ calls: 1 });
      expect({ code: again.code, successful: again.successful }, again.err).toEqual({
        code: 0,
        successful: 1,
      });
      await gateway.stop();
      const trail = await readTrail(data.path);
      expect(chainFaults(trail)).toEqual([]);
      // What was answered to the caller was on disk before: no call that SIPp saw succeed may be missing.
      callsSeen += successful + again.successful;
      expect(callChains(trail).size).toBeGreaterThanOrEqual(callsSeen);
      expect(rootAt(data.path, checkpoint)).toBe(checkpoint.split('\n')[2]);
      expect(await verifyTrail(data.path)).toMatchObject({ problems: [], valid: true, openCalls: 0 });
      gateway = await startGateway({ dataDir: data.path, set: ['log.level=error', listen] });
    },
  );
});

describe('Ctrl-C under 100 calls a second', () => {
  it('ends within the time to drain, with one closing record for every attempt', {
    timeout: 30_000,
  }, async () => {
    const load = call({ calls: 200, holdMs: 300, timeoutSeconds: 3 });
    await after(1_000);
    const startedMs = performance.now();
    expect(await gateway.stop()).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(drainMs + 1_000);
    expect(gateway.log()).not.toContain('"level":50');
    const { successful } = await load;
    callsSeen += successful;

    const trail = await readTrail(data.path);
    expect(chainFaults(trail)).toEqual([]);
    expect(callChains(trail).size).toBeGreaterThanOrEqual(callsSeen);
    expect(await verifyTrail(data.path)).toMatchObject({ problems: [], valid: true, openCalls: 0 });
  });
});

/** The RFC 6962 §2.1 root over as many entries as the checkpoint speaks of, computed anew from what lies on disk. */
function rootAt(dataDir: string, checkpoint: string): string {
  const size = Number(checkpoint.split('\n')[1]);
  const leaves = entriesOf(join(dataDir, 'log/public/tile/entries'))
    .slice(0, size)
    .map((entry) => hash(Uint8Array.of(0), entry));
  return merkleRoot(leaves).toString('base64');
}

function merkleRoot(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (only === undefined) return hash();
  if (leaves.length === 1) return only;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return hash(Uint8Array.of(1), merkleRoot(leaves.slice(0, split)), merkleRoot(leaves.slice(split)));
}

function hash(...parts: readonly Uint8Array[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}

/** C2SP tlog-tiles entry bundles below 256,000 entries: `000`, `001` … and the widest of `002.p/17`. */
function entriesOf(directory: string): Buffer[] {
  const names = readdirSync(directory).toSorted();
  const bundles = names.map((name) => {
    if (!name.endsWith('.p')) return join(directory, name);
    // What a full bundle has replaced may still lie beside it.
    if (names.includes(name.slice(0, -2))) return undefined;
    const widest = Math.max(...readdirSync(join(directory, name)).map(Number));
    return join(directory, name, String(widest));
  });
  return bundles.flatMap((path) => (path === undefined ? [] : splitBundle(readFileSync(path))));
}

function splitBundle(bundle: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at < bundle.length; ) {
    const end = at + 2 + bundle.readUInt16BE(at);
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
