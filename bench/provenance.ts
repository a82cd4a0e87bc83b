import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { encodeBase32 } from '../src/base/index.ts';
import { AuditLog, ProvenanceError, type RecordDraft, type RecordQuery } from '../src/provenance/index.ts';
import { fingerprintOf, generateSigningKey, signingKeyFromSeed } from '../src/tokens/index.ts';

/**
 * The audit log by itself, each aim with its verdict: what a record costs where a call is handled and in all threads, how
 * many become durable in a second, how far the checkpoint is behind, how long a large log takes to open, also after it was
 * killed in the middle of it all, to prove a record, and to answer questions. `--records 10000000` makes the log of the
 * aims: a quarter of an hour on two quiet cores, and about 2.3 kB of disk a record. `--dir DIR --keep` keeps it.
 */
const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    dir: { type: 'string' },
    keep: { type: 'boolean', default: false },
    /** What the process does that is killed. */
    victim: { type: 'boolean', default: false },
  },
});
const wanted = Number(values.records);
const directory = values.dir ?? mkdtempSync(join(tmpdir(), 'tibet-sip-bench-'));
const bytesPerRecord = 2_300;
const batchRecords = 1_024;
/** Drafts that wait for `append`: in a gateway each is gone with its message; a thousand at once outlive collections. */
const draftsAtOnce = 64;
const warmUpRecords = 100_000;
/** At least. */
const measuredRecords = 100_000;
/** What the process writes that is killed in the middle of it. */
const victimRecords = 60_000;
/** How many records are proved, half of them with their files in the kernel's cache; more are read in between than is kept. */
const proofs = 200;
const readBetween = 400;
/** What files and the collector take of a record, in other threads, where nothing was deleted. */
const filesUs = 14;
/** Records that may wait for the tree. */
const keptBehind = 6_144;
const progressMs = 10_000;
const checkpointKey = signingKeyFromSeed(new Uint8Array(32).fill(7));
const identities = Array.from({ length: 10_000 }, (_, at) => fingerprintAt(at));

/** As spread as fingerprints are. */
function fingerprintAt(number: number): string {
  return encodeBase32(createHash('sha256').update(String(number)).digest());
}

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

/** One batch begins calls, the next one ends them. */
function callNumber(number: number): number {
  return Math.floor(number / (2 * batchRecords)) * batchRecords + (number % batchRecords);
}

function begins(number: number): boolean {
  return Math.floor(number / batchRecords) % 2 === 0;
}

/** Beyond all numbers of the runs before, which begin as far ahead of their records. */
function firstNumber(log: AuditLog): number {
  const round = 2 * batchRecords;
  return Math.ceil((log.size + 8 * round) / round) * round;
}

/** A call's first and last record as the gateway writes them. */
function draft(number: number): RecordDraft {
  const call = callNumber(number);
  const [caller = '', callee = ''] = [identities[call % 9_973], identities[(call * 7) % 9_967]];
  const id = `call-${call}`;
  const opens = begins(number);
  return {
    erin: {
      event: opens ? 'call.attempt' : 'call.end',
      ...(opens ? {} : { outcome: call % failing === 0 ? 'failed' : 'answered', talkedMs: 61_000 }),
      call: id,
      callId: `${id}@phone.example`,
      caller: `jis:person-${call % 9_973}`,
      callee: `jis:person-${(call * 7) % 9_967}`,
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
    call: { id, phase: opens ? 'attempt' : 'close' },
  };
}

interface Cost {
  readonly records: number;
  readonly wallMs: number;
  /** Of CPU, in all threads, without what the bench itself takes to make its drafts. */
  readonly cpuMs: number;
  /** Of CPU, what it takes. */
  readonly draftsMs: number;
  readonly mainMs: number;
  /** Of CPU, within `append` alone. */
  readonly callPathMs: number;
  /** The longest time from a durable record to a signed checkpoint over it. */
  readonly behindMs: number;
}

/** The number of the next record; a run begins with a whole batch of new calls. */
let next = 0;

/**
 * Appends in batches, as bursts of calls would, each when the one before is durable, and as fast as the tree follows: the
 * rate that is measured is one that the log keeps up with.
 */
async function append(log: AuditLog, count: number, maxBehind: number = keptBehind): Promise<Cost> {
  const cpu = process.cpuUsage();
  const main = process.threadCpuUsage();
  const startMs = performance.now();
  const start = next;
  const size = log.size;
  let draftsMs = 0;
  let callPathMs = 0;
  let behindMs = 0;
  let said = startMs;
  const uncovered: { readonly end: number; readonly atMs: number }[] = [];
  for (let done = 0; done < count; done += batchRecords) {
    while (next - start - (log.size - size) > maxBehind)
      await new Promise((resolve) => setTimeout(resolve, 2));
    let last: ReturnType<AuditLog['append']> | undefined;
    for (let made = 0; made < batchRecords; made += draftsAtOnce) {
      const undrafted = process.threadCpuUsage();
      const drafts = Array.from({ length: draftsAtOnce }, () => draft(next++));
      draftsMs += sinceMs(process.threadCpuUsage(undrafted));
      for (let at = 0; at < drafts.length; ) {
        const before = process.threadCpuUsage();
        try {
          for (; at < drafts.length; at++) last = log.append(drafts[at] ?? draft(next));
          callPathMs += sinceMs(process.threadCpuUsage(before));
        } catch (error) {
          if (!(error instanceof ProvenanceError) || error.code !== 'unhealthy') throw error;
          callPathMs += sinceMs(process.threadCpuUsage(before));
          // The log refuses while it is too far behind.
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      }
    }
    const state = await new Promise((resolve) => last?.durability.whenSettled(resolve));
    if (state !== 'durable') throw new Error(`a batch ${String(state)}`);
    const nowMs = performance.now();
    uncovered.push({ end: size + next - start, atMs: nowMs });
    for (let first = uncovered[0]; first && first.end <= log.size; first = uncovered[0]) {
      behindMs = Math.max(behindMs, nowMs - first.atMs);
      uncovered.shift();
    }
    if (nowMs - said > progressMs) {
      said = nowMs;
      const perSecond = Math.round(((done + batchRecords) / (nowMs - startMs)) * 1_000);
      console.log(`  ${log.size} records in the log, ${perSecond}/s so far`);
    }
  }
  const wallMs = performance.now() - startMs;
  const mainMs = sinceMs(process.threadCpuUsage(main)) - draftsMs;
  const cpuMs = sinceMs(process.cpuUsage(cpu)) - draftsMs;
  return { records: count, wallMs, cpuMs, draftsMs, mainMs, callPathMs, behindMs };
}

function sinceMs({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1_000;
}

const verdicts: string[] = [];

function judge(aim: string, measured: string, met: boolean): void {
  verdicts.push(`${met ? 'met    ' : 'NOT MET'}  ${aim}: ${measured}`);
  console.log(`${aim}: ${measured}`);
}

function judgeCost(what: string, cost: Cost): void {
  const { records, wallMs, cpuMs, draftsMs, mainMs, callPathMs, behindMs } = cost;
  const perCore = Math.round((records / cpuMs) * 1_000);
  const each = (ms: number): number => (ms / records) * 1_000;
  console.log(
    `${what}: ${records} durable records, ${Math.round((records / wallMs) * 1_000)}/s, ` +
      `${each(mainMs).toFixed(1)} us of CPU each in the main thread, ${each(cpuMs - mainMs).toFixed(1)} in others; ` +
      `${each(draftsMs).toFixed(1)} us more make the drafts`,
  );
  if (each(cpuMs - mainMs) > filesUs)
    console.log(
      '  others take more than they should: was much deleted in this file system just now? ext4 without a journal looks at ' +
        'all that was for each new file, for one to six minutes; run this again then, or with --dir on another one',
    );
  judge(
    '20,000 durable records per second of one core, all threads counted',
    `${perCore}`,
    perCore >= 20_000,
  );
  judge('at most 50 us of CPU a record, all threads', `${each(cpuMs).toFixed(1)} us`, each(cpuMs) <= 50);
  judge('at most 10 us within append', `${each(callPathMs).toFixed(1)} us`, each(callPathMs) <= 10);
  judge('checkpoint at most a second behind', `${Math.round(behindMs)} ms at worst`, behindMs <= 1_000);
}

interface Spread {
  readonly median: number;
  readonly most: number;
  readonly text: string;
}

/** How long each of many takes; the first ones find nothing in memory. */
async function time(what: string, rounds: number, once: (round: number) => Promise<number>): Promise<Spread> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await once(round));
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? 0;
  const text = `median ${at(0.5).toFixed(2)} ms, 95 of 100 within ${at(0.95).toFixed(2)} ms, worst ${times.at(-1)?.toFixed(2)} ms`;
  console.log(`${what}: ${text}`);
  return { median: at(0.5), most: at(0.95), text };
}

async function ask(log: AuditLog, query: RecordQuery): Promise<number> {
  const beganMs = performance.now();
  for await (const record of log.query(query)) if (record.position < 0) throw new Error('no such place');
  return performance.now() - beganMs;
}

async function timedOpen(): Promise<{ readonly log: AuditLog; readonly ms: number }> {
  const beganMs = performance.now();
  const log = await openLog();
  return { log, ms: performance.now() - beganMs };
}

/** Opens the log in another process, lets it write as fast as it can, and kills it. */
async function killedUnderLoad(): Promise<void> {
  const self = fileURLToPath(import.meta.url);
  const victim: ChildProcess = spawn(process.execPath, [self, '--victim', '--dir', directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    victim.stdout?.on('data', () => victim.kill('SIGKILL'));
    victim.on('error', reject);
    victim.on('exit', (code, signal) =>
      signal === 'SIGKILL' ? resolve() : reject(new Error(`the writer ended by itself: ${code}`)),
    );
  });
}

/** Asks the kernel to forget what it has of a log's file, where coreutils are there to say so. */
function forget(path: string): void {
  const file = join(directory, 'log', path);
  if (existsSync(file)) execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' });
}

function indexPath(number: number): string {
  let text = String(number % 1_000).padStart(3, '0');
  for (let rest = Math.floor(number / 1_000); rest > 0; rest = Math.floor(rest / 1_000))
    text = `x${String(rest % 1_000).padStart(3, '0')}/${text}`;
  return text;
}

function forgetRecord(position: number): void {
  const bundle = indexPath(Math.floor(position / 256));
  for (const part of ['openings', 'public/tile/entries', 'public/tile/0']) forget(`${part}/${bundle}`);
  forget(`public/tile/1/${indexPath(Math.floor(position / 65_536))}`);
}

async function victim(): Promise<never> {
  const log = await openLog();
  next = firstNumber(log);
  for (let done = 0; ; done += 10 * batchRecords) {
    await append(log, 10 * batchRecords, Number.POSITIVE_INFINITY);
    // From here on it may be killed at any moment.
    if (done > victimRecords) process.stdout.write('.');
  }
}

async function fill(): Promise<void> {
  const log = await openLog();
  next = firstNumber(log);
  await append(log, warmUpRecords);
  judgeCost('batches of 1,024', await append(log, Math.max(measuredRecords, wanted - log.size)));
  await log.close();
}

async function proveAndAsk(again: AuditLog): Promise<void> {
  // Else the answers wait for what the filling has left the kernel to write, which tells of the disk.
  execFileSync('sync', ['-f', directory]);
  const somewhere = (round: number): number => Math.floor((again.size - 2) * ((round * 0.618_034) % 1));
  // Who proves a record has not just read it: what the log keeps of files that were read lately is that of others then.
  const found: { readonly id: string; readonly position: number }[] = [];
  for (let round = 0; round < proofs + readBetween; round++)
    for await (const { id, position } of again.query({ after: somewhere(round), limit: 1 }))
      found.push({ id, position });
  const proof = (cold: boolean): ((round: number) => Promise<number>) => {
    return async (round) => {
      const record = found[cold ? proofs - 1 - round : round];
      if (!record) throw new Error('no such record');
      if (cold) forgetRecord(record.position);
      const beganMs = performance.now();
      await again.prove(record.id);
      return performance.now() - beganMs;
    };
  };
  const warm = await time('prove, files in the kernel cache', proofs / 2, proof(false));
  judge('a proof in under 5 ms', warm.text, warm.most < 5);
  const cold = await time('prove, files from the disk', proofs / 2, proof(true));
  judge('a proof in under 5 ms, nothing cached', cold.text, cold.most < 5);
  const page = { newestFirst: true, limit: 20 };
  const questions: Readonly<Record<string, (round: number) => RecordQuery>> = {
    'an identity, its newest 20': (round) => ({ ...page, identity: identities[(round * 37) % 9_000] ?? '' }),
    'an identity, its first 20': (round) => ({ limit: 20, identity: identities[(round * 37) % 9_000] ?? '' }),
    'an identity that never called': (round) => ({ identity: fingerprintAt(-1 - round) }),
    'a SIP Call-ID': (round) => ({ callId: `call-${callNumber(somewhere(round))}@phone.example` }),
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
}

async function measure(): Promise<void> {
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize < (wanted + 400_000) * bytesPerRecord * 1.2)
    throw new Error(`not enough room in ${directory} for ${wanted} records`);
  const beganMs = performance.now();
  await fill();
  await killedUnderLoad();
  const killed = await timedOpen();
  judge(
    'opens in two seconds after kill -9 under full load',
    `${killed.log.size} records in ${Math.round(killed.ms)} ms`,
    killed.ms < 2_000,
  );
  await killed.log.close();
  const { log, ms } = await timedOpen();
  judge('opens in two seconds', `${log.size} records in ${Math.round(ms)} ms`, ms < 2_000);
  await proveAndAsk(log);
  await log.close();
  console.log(`\n${Math.round((performance.now() - beganMs) / 1_000)} s; ${log.size} records`);
  for (const verdict of verdicts) console.log(verdict);
}

if (values.victim) await victim();
try {
  await measure();
} finally {
  if (!values.keep) rmSync(directory, { recursive: true, force: true });
}
