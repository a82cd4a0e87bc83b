/**
 * Calls of stock phones over UDP through a real gateway, made by SIPp: how many were lost, what they cost, whether
 * each left one complete chain of records, and whether memory grows.
 *
 *   node bench/calls.ts --rate 500 --seconds 60
 *   node bench/calls.ts --rate 2000 --seconds 10 --concurrent 40      as fast as it goes
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openAuditReader, verifyLog } from '../src/provenance/index.ts';
import { freePort } from '../test/support/free-port.ts';
import { startGateway } from '../test/support/processes.ts';
import { sipp, udpBound } from '../test/support/sipp.ts';
import { addStockPhones } from '../test/support/stock-phones.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '60' },
    concurrent: { type: 'string', default: '2000' },
    set: { type: 'string', multiple: true, default: [] },
  },
});
const rate = Number(values.rate);
const seconds = Number(values.seconds);
const calls = rate * seconds;
const [callerPort, calleePort] = [await freePort(), await freePort()];

const dataDir = await mkdtemp(join(tmpdir(), 'tibet-sip-bench-'));
const [caller, callee] = await addStockPhones(dataDir, ['caller', 'callee']);
if (caller === undefined || callee === undefined) throw new Error('no phones');
const gateway = await startGateway({ dataDir, set: ['log.level=warn', ...values.set] });
const gatewayPort = gateway.port('udp');

try {
  await check(
    'callee registers',
    sipp({ scenario: 'uac-register', gatewayPort, localPort: calleePort, phone: callee }),
  );
  const answering = sipp({
    scenario: 'uas-answer',
    gatewayPort,
    localPort: calleePort,
    calls,
    timeoutSeconds: seconds + 60,
  });
  await udpBound(calleePort);
  const before = await cpuSeconds(gateway.pid);
  const mappedBefore = await memoryMb(gateway.pid, 'RssFile');
  const memory: number[] = [];
  const resident: number[] = [];
  const sampler = setInterval(() => {
    void memoryMb(gateway.pid).then((mb) => memory.push(mb));
    void memoryMb(gateway.pid, 'VmRSS').then((mb) => resident.push(mb));
  }, 1000);
  await check(
    `${calls} calls at ${rate}/s`,
    sipp({
      scenario: 'uac-call',
      gatewayPort,
      localPort: callerPort,
      phone: caller,
      callee: callee.user,
      calls,
      callsPerSecond: rate,
      concurrent: Number(values.concurrent),
      timeoutSeconds: seconds + 30,
    }),
  );
  clearInterval(sampler);
  console.log(`mapped files: ${mappedBefore} MB before, ${await memoryMb(gateway.pid, 'RssFile')} MB after`);
  const spent = (await cpuSeconds(gateway.pid)) - before;
  await check('callee saw every call end', answering);
  console.log(
    `cpu ${((spent / calls) * 1e6).toFixed(0)} us per call (${((spent / seconds) * 100).toFixed(0)} % of a core)`,
  );
  for (const [what, each] of Object.entries({ 'resident memory': resident, 'private memory': memory })) {
    const [early, late] = [median(each.slice(9, 15)), median(each.slice(-6))];
    console.log(
      `${what} ${early} MB after ten seconds, ${late} MB at the end; each second: ${each.join(' ')}`,
    );
  }
} finally {
  console.log(`gateway exit ${await gateway.stop()}`);
  process.stderr.write(gateway.log().slice(-2000));
}
await checkRecords();
await rm(dataDir, { recursive: true });

async function check(what: string, run: ReturnType<typeof sipp>): Promise<void> {
  const { code, out, err } = await run;
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${what}`);
  if (code !== 0) throw new Error(`${out.slice(-3000)}\n${err.slice(0, 4000)}`);
}

async function checkRecords(): Promise<void> {
  const directory = join(dataDir, 'log');
  const started = performance.now();
  const reader = await openAuditReader({ directory, indexDirectory: join(dataDir, 'index') });
  const chains = new Map<string, string[]>();
  for await (const record of reader.query()) {
    if (record.call === undefined) continue;
    const chain = chains.get(record.call.id) ?? [];
    chain.push(record.event);
    chains.set(record.call.id, chain);
  }
  await reader.close();
  const shapes = new Map<string, number>();
  for (const chain of chains.values()) shapes.set(chain.join(' '), (shapes.get(chain.join(' ')) ?? 0) + 1);
  console.log('chains of records:', Object.fromEntries(shapes));
  const vkey = (await readFile(join(directory, 'public', 'vkey'), 'utf8')).trim();
  const verdict = await verifyLog({ directory, vkey });
  console.log(
    `log of ${verdict.size} records ${verdict.valid ? 'verifies' : 'IS DAMAGED'} (${((performance.now() - started) / 1000).toFixed(1)} s)`,
  );
  if (chains.size !== calls || !verdict.valid) process.exitCode = 1;
}

async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Memory of its own (`RssAnon`), mapped files (`RssFile`), or both (`VmRSS`). */
async function memoryMb(pid: number, kind: 'RssAnon' | 'RssFile' | 'VmRSS' = 'RssAnon'): Promise<number> {
  const line = (await readFile(`/proc/${pid}/status`, 'utf8'))
    .split('\n')
    .find((text) => text.startsWith(kind));
  return Math.round((Number(line?.split(/\s+/)[1]) * 1024) / 1e6);
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;
}
