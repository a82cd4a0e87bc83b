import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { encodeBase32 } from '../src/base/index.ts';
import { AuditLog, type RecordDraft, type RecordQuery } from '../src/provenance/index.ts';
import { fingerprintOf, generateSigningKey, signingKeyFromSeed } from '../src/tokens/index.ts';

/**
 * The audit log by itself: what a record costs where a call is handled, how many become durable in a second, how long
 * a large log takes to open, to prove a record and to answer questions. `--records 10000000 --dir DIR --keep`, if need be
 * in several runs of `--add`, makes the largest one; it needs about 2.2 kB of disk a record.
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
const bytesPerRecord = 2_200;
const maxBehind = 30_000;
const progressEvery = 500_000;
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

/** Of a thousand calls one fails. */
const failing = 1_000;

function callId(number: number): string {
  return `call-${number >> 1}`;
}

/** A call's first and last record as the gateway writes them. */
function draft(number: number): RecordDraft {
  const [caller = '', callee = ''] = [identities[number % 9_973], identities[(number * 7) % 9_967]];
  const opens = number % 2 === 0;
  const outcome = (number >> 1) % failing === 0 ? 'failed' : 'answered';
  return {
    erin: {
      event: opens ? 'call.attempt' : 'call.end',
      ...(opens ? {} : { outcome, talkedMs: 61_000 }),
      call: callId(number),
      callId: `${callId(number)}@phone.example`,
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
    call: { id: callId(number), phase: opens ? 'attempt' : 'close' },
  };
}

interface Cost {
  readonly records: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Within `append` alone. */
  readonly callPathMs: number;
}

/** Records appended so far, whether the tree has them or not; even, so that a call begins. */
let next = 0;

/** Appends in batches, as bursts of calls would, and waits until the last is durable. */
async function append(log: AuditLog, count: number, batch = 1_024): Promise<Cost> {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  let callPathMs = 0;
  let number = next;
  let nextSign = progressEvery;
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
    if (done >= nextSign) {
      nextSign += progressEvery;
      const perSecond = Math.round((done / (performance.now() - startMs)) * 1_000);
      console.log(`  ${log.size} records in the log, ${perSecond}/s so far`);
    }
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

/** How long each of many takes; the first ones find nothing in memory. */
async function time(what: string, rounds: number, once: (round: number) => Promise<number>): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await once(round));
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(2);
  console.log(
    `${what}: median ${at(0.5)} ms, 95 of 100 within ${at(0.95)} ms, worst ${times.at(-1)?.toFixed(2)} ms`,
  );
}

async function ask(log: AuditLog, query: RecordQuery): Promise<number> {
  const beganMs = performance.now();
  for await (const record of log.query(query)) if (record.position < 0) throw new Error('no such place');
  return performance.now() - beganMs;
}

const { bavail, bsize } = statfsSync(directory);
if (bavail * bsize < (wanted + 100_000) * bytesPerRecord * 1.2)
  throw new Error(`not enough room in ${directory} for ${wanted} records`);
try {
  const log = await openLog();
  next = log.size + (log.size % 2);
  await append(log, 20_000);
  say('batches of 1,024', await append(log, 100_000));
  const missing = Math.max(0, Math.min(wanted - log.size, Number(values.add ?? wanted)));
  if (missing > 0) say('filling', await append(log, missing, 8_192));
  await log.close();

  const openMs = performance.now();
  const again = await openLog();
  console.log(`open: ${again.size} records in ${Math.round(performance.now() - openMs)} ms`);
  const newest = (again.size - 2) & ~1;
  const somewhere = (round: number): number => Math.floor(newest * ((round * 0.618_034) % 1));
  await time('prove', 200, async (round) => {
    let id = '';
    for await (const record of again.query({ after: somewhere(round), limit: 1 })) id = record.id;
    const beganMs = performance.now();
    await again.prove(id);
    return performance.now() - beganMs;
  });
  const page = { newestFirst: true, limit: 20 };
  const questions: Readonly<Record<string, (round: number) => RecordQuery>> = {
    'an identity, its newest 20': (round) => ({ ...page, identity: identities[(round * 37) % 9_000] ?? '' }),
    'an identity, its first 20': (round) => ({ limit: 20, identity: identities[(round * 37) % 9_000] ?? '' }),
    'an identity that never called': (round) => ({
      identity: encodeBase32(new Uint8Array(32).fill(round + 1)),
    }),
    'a SIP Call-ID': (round) => ({ callId: `${callId(somewhere(round))}@phone.example` }),
    'calls that failed, newest 20': () => ({ ...page, outcome: 'failed' }),
    'calls that failed, 20 from anywhere': (round) => ({
      outcome: 'failed',
      after: somewhere(round),
      limit: 20,
    }),
  };
  for (const [what, query] of Object.entries(questions))
    await time(what, 100, (round) => ask(again, query(round)));
  const moments: number[] = [];
  for (let round = 0; round < 50; round++)
    for await (const { timeMs } of again.query({ after: somewhere(round), limit: 1 })) moments.push(timeMs);
  await time('a second somewhere, first 20', 50, (round) => {
    const sinceMs = moments[round] ?? 0;
    return ask(again, { sinceMs, untilMs: sinceMs + 1_000, limit: 20 });
  });
  await time('an identity within ten seconds', 50, (round) => {
    const sinceMs = moments[round] ?? 0;
    const identity = identities[(round * 37) % 9_000] ?? '';
    return ask(again, { sinceMs, untilMs: sinceMs + 10_000, identity, limit: 20 });
  });
  await again.close();
} finally {
  if (!values.keep) rmSync(directory, { recursive: true, force: true });
}
