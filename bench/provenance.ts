import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { encodeBase32 } from '../src/base/index.ts';
import { AuditLog, type RecordDraft } from '../src/provenance/index.ts';
import { fingerprintOf, generateSigningKey, signingKeyFromSeed } from '../src/tokens/index.ts';

/**
 * The audit log by itself: what a record costs where a call is handled, how many become durable in a second, how long
 * a large log takes to open and to prove a record. `--records 10000000 --dir DIR --keep` in several runs of `--add`
 * makes the largest one; it needs about 2 kB of disk a record.
 */
const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    add: { type: 'string' },
    dir: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const wanted = Number(values.records);
const directory = values.dir ?? mkdtempSync(join(tmpdir(), 'tibet-sip-bench-'));
const bytesPerRecord = 2_000;
const maxBehind = 30_000;
const identities = Array.from({ length: 10_000 }, (_, at) => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, at + 1);
  return encodeBase32(bytes);
});
const checkpointKey = signingKeyFromSeed(new Uint8Array(32).fill(7));

function openLog(): Promise<AuditLog> {
  const nodeKey = generateSigningKey();
  return AuditLog.open({
    directory: join(directory, 'log'),
    indexDirectory: join(directory, 'index'),
    nodeKey,
    nodeFingerprint: fingerprintOf(nodeKey.publicKey),
    checkpointKey,
    origin: 'bench.example/calls',
  });
}

/** A call's records as the gateway writes them. */
function draft(number: number): RecordDraft {
  const call = `call-${number >> 1}`;
  const [caller = '', callee = ''] = [identities[number % 9_973], identities[(number * 7) % 9_967]];
  return {
    erin: {
      event: number % 2 === 0 ? 'call.attempt' : 'call.end',
      callId: `${call}@phone.example`,
      caller: `jis:person-${number % 9_973}`,
      callee: `jis:person-${(number * 7) % 9_967}`,
      requestUri: 'sip:bob@example.com',
      from: 'sip:alice@example.com',
      to: 'sip:bob@example.com',
      assurance: 3,
      signedBy: 'device',
    },
    eraan: { parents: [], tokens: ['3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'] },
    eromheen: { software: 'tibet-sip/bench', transport: 'ws', flow: 'ws-1', source: '192.0.2.1:5060' },
    erachter: 'callback, ticket 4711',
    parties: [
      {
        fingerprint: caller,
        role: 'caller',
        owns: { erin: ['caller', 'from', 'callId'], eromheen: ['flow', 'source'] },
      },
      { fingerprint: callee, role: 'callee', owns: { erin: ['callee', 'to', 'requestUri'] } },
    ],
  };
}

interface Cost {
  readonly records: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Within `append` alone. */
  readonly callPathMs: number;
}

/** Records appended so far, whether the tree has them or not. */
let next = 0;

/** Appends in batches, as bursts of calls would, and waits until the last is durable. */
async function append(log: AuditLog, count: number, batch = 1_024): Promise<Cost> {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  let callPathMs = 0;
  let number = next;
  for (let done = 0; done < count; ) {
    const now = Math.min(batch, count - done);
    // The log refuses when the tree is too far behind: the rate that is measured is the tree's.
    while (number - log.size > maxBehind) await new Promise((resolve) => setTimeout(resolve, 2));
    const drafts = Array.from({ length: now }, () => draft(number++));
    const beforeMs = performance.now();
    let last: ReturnType<AuditLog['append']> | undefined;
    for (const one of drafts) last = log.append(one);
    callPathMs += performance.now() - beforeMs;
    const state = await new Promise((resolve) => last?.durability.whenSettled(resolve));
    if (state !== 'durable') throw new Error(`a batch ${String(state)}`);
    done += now;
  }
  next = number;
  const { user, system } = process.cpuUsage(cpu);
  return { records: count, wallMs: performance.now() - startMs, cpuMs: (user + system) / 1_000, callPathMs };
}

function say(what: string, cost: Cost): void {
  const perSecond = Math.round((cost.records / cost.wallMs) * 1_000);
  const perCore = Math.round((cost.records / cost.cpuMs) * 1_000);
  console.log(
    `${what}: ${cost.records} durable records, ${perSecond}/s; ${perCore}/s and core, all threads; ` +
      `${((cost.callPathMs / cost.records) * 1_000).toFixed(1)} us in append, ` +
      `${((cost.cpuMs / cost.records) * 1_000).toFixed(1)} us of CPU in all`,
  );
}

const { bavail, bsize } = statfsSync(directory);
if (bavail * bsize < (wanted + 100_000) * bytesPerRecord * 1.2)
  throw new Error(`not enough room in ${directory} for ${wanted} records`);
try {
  const log = await openLog();
  next = log.size;
  await append(log, 20_000);
  say('batches of 1,024', await append(log, 100_000));
  const missing = Math.max(0, Math.min(wanted - log.size, Number(values.add ?? wanted)));
  if (missing > 0) say('filling', await append(log, missing, 8_192));
  await log.close();

  const openMs = performance.now();
  const again = await openLog();
  console.log(`open: ${again.size} records in ${Math.round(performance.now() - openMs)} ms`);
  const times: number[] = [];
  for (let round = 0; round < 200; round++) {
    const position = Math.floor((again.size - 1) * ((round * 0.618_034) % 1));
    let id = '';
    for await (const record of again.query({ after: position, limit: 1 })) id = record.id;
    const proveMs = performance.now();
    await again.prove(id);
    times.push(performance.now() - proveMs);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(2);
  console.log(
    `prove: median ${at(0.5)} ms, 95 of 100 within ${at(0.95)} ms, worst ${times.at(-1)?.toFixed(2)} ms`,
  );
  await again.close();
} finally {
  if (!values.keep) rmSync(directory, { recursive: true, force: true });
}
