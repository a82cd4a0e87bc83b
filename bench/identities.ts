/**
 * A million identities in one embedded store: what they take on disk and in memory, how long a look-up takes, and
 * what it costs to bind a known identity again. The documents are written as the overlay writes them; the tokens have
 * random bytes where their signatures would be: signing a million would take longer than all else. Another process then
 * opens the store, as a gateway does at its start. Run: node bench/identities.ts [COUNT]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { systemRandom } from '../src/base/index.ts';
import type { RegisteredBinding } from '../src/overlay/index.ts';
import { applyBindingChanges, EmbeddedStore, IdentityOverlay, noBindings } from '../src/overlay/index.ts';
import { fingerprintFromBytes, sha256, unpackIdentityToken } from '../src/tokens/index.ts';

const count = Number(process.argv[2] ?? 1_000_000);
const measured = process.argv[3];
const lookups = 200_000;
const bindings = 200_000;
const batch = 1_000;
const sampleEvery = 500;
/** What is aimed at (docs/overlay.md); resident: 1 GB. */
const aims = { resolveUs: 1_000, bindUs: 100, residentMib: 953 } as const;
/** Issuer and two signatures. */
const packedTokenBytes = 160;

const nameOf = (at: number): string => `jis:device-${at}`;
const hashOf = (at: number): Uint8Array => sha256(new TextEncoder().encode(nameOf(at)));
const fingerprintAt = (at: number): string => fingerprintFromBytes(hashOf(at));

function bindingOf(at: number): RegisteredBinding {
  return {
    id: 'contact',
    contactUri: `sip:device-${at}@192.0.2.1:5060`,
    contactParams: [],
    instanceId: undefined,
    regId: undefined,
    flowId: `udp-${at}`,
    transport: 'udp',
    observed: { address: '203.0.113.1', port: 1_024 + (at % 60_000) },
    callId: `call-${at}`,
    cseq: 1,
    expiresAtMs: Date.now() + 3_600_000,
    qValue: 1_000,
    path: [],
    userAgent: undefined,
    registeredAtMs: Date.now(),
    refreshedAtMs: Date.now(),
  };
}

function report(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(44)} ${value}\n`);
}

/** In batches, so that the queue of writes stays short. */
async function inBatches(total: number, work: (at: number) => Promise<unknown>): Promise<void> {
  for (let start = 0; start < total; start += batch)
    await Promise.all(Array.from({ length: Math.min(batch, total - start) }, (_, at) => work(start + at)));
}

async function build(directory: string): Promise<void> {
  const store = EmbeddedStore.open({ directory });
  const phase = new Phase('writing');
  const now = Math.floor(Date.now() / 1_000);
  const times = { notBefore: now - 60, expires: now + 31_536_000, issuedAt: now };
  await inBatches(count, async (at) => {
    if (at % sampleEvery === 0) phase.sample();
    const fingerprint = fingerprintAt(at);
    const publicKey = hashOf(-at);
    const known = { fingerprint, subject: nameOf(at), publicKey, ...times };
    const token = unpackIdentityToken(systemRandom.bytes(packedTokenBytes), known);
    if (token === undefined) throw new Error('not a token');
    const base = { aliases: [], createdAtMs: Date.now(), status: 'active', custody: 'device' } as const;
    const identity = { ...base, ...times, fingerprint, name: nameOf(at), publicKey, token } as const;
    const bound = applyBindingChanges(noBindings, [{ kind: 'added', binding: bindingOf(at) }], () => ({
      assurance: 3,
      capabilities: [],
      node: 'bench',
    }));
    await Promise.all([
      store.update('identity', fingerprint, () => identity),
      store.update('name', nameOf(at), () => ({ fingerprint, publicKey })),
      store.update('bindings', fingerprint, () => bound),
    ]);
  });
  phase.end();
  await store.close();
}

/** As the kernel counts it, in MiB: all of it, its own, and mapped files. */
const memoryFields = ['VmRSS', 'RssAnon', 'RssFile'] as const;
type Memory = Record<(typeof memoryFields)[number], number>;

function memoryNow(): Memory {
  const status = readFileSync('/proc/self/status', 'utf8');
  const [VmRSS = 0, RssAnon = 0, RssFile = 0] = memoryFields.map((name) =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1_024),
  );
  return { VmRSS, RssAnon, RssFile };
}

/** The most that was seen of each in a phase. */
class Phase {
  readonly #name: string;
  #most: Memory = { VmRSS: 0, RssAnon: 0, RssFile: 0 };

  constructor(name: string) {
    this.#name = name;
  }

  sample(): void {
    const now = memoryNow();
    for (const field of memoryFields) this.#most[field] = Math.max(this.#most[field], now[field]);
  }

  /** Tells the end and the most, and answers the most that was resident. */
  end(): number {
    this.sample();
    const now = memoryNow();
    const shown = memoryFields.map((field) => `${field} ${now[field]}`).join(', ');
    const { heapUsed, external } = process.memoryUsage();
    report(`memory after ${this.#name}, MiB`, `${shown} (JavaScript ${mib(heapUsed + external)})`);
    report('  most during it', memoryFields.map((field) => `${field} ${this.#most[field]}`).join(', '));
    return this.#most.VmRSS;
  }
}

const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);

/** As requests come: each in a turn of the event loop of its own, and what else happens in that turn it waits for. */
async function lookUp(
  overlay: IdentityOverlay,
): Promise<{ readonly p99Us: number; readonly memory: number }> {
  const phase = new Phase('look-ups');
  const times = new Float64Array(lookups);
  for (let at = 0; at < lookups; at++) {
    const who = Math.floor(Math.random() * count);
    if (at % sampleEvery === 0) phase.sample();
    const before = performance.now();
    await turn();
    const { resolved } = await overlay.resolve(at % 2 ? nameOf(who) : fingerprintAt(who));
    times[at] = performance.now() - before;
    if (!resolved) throw new Error(`${nameOf(who)} was not found`);
  }
  times.sort();
  const [p50 = 0, p99 = 0, p999 = 0] = [0.5, 0.99, 0.999].map(
    (share) => (times[Math.floor(lookups * share)] ?? 0) * 1_000,
  );
  report(
    'resolve at random, p50 / p99 / p99.9',
    `${[p50, p99, p999].map((us) => us.toFixed(0)).join(' / ')} us`,
  );
  return { p99Us: p99, memory: phase.end() };
}

/** Known identities at random, as a phone's token or its address names them, each up to its stored binding. */
async function bindAgain(
  overlay: IdentityOverlay,
): Promise<{ readonly cpuUs: number; readonly memory: number }> {
  const phase = new Phase('binding again');
  const before = process.cpuUsage();
  await inBatches(bindings, async (at) => {
    if (at % sampleEvery === 0) phase.sample();
    const who = Math.floor(Math.random() * count);
    const identity = await overlay.lookup(at % 2 ? nameOf(who) : fingerprintAt(who));
    if (identity === undefined) throw new Error(`${nameOf(who)} was not found`);
    await overlay.saveBindings(identity.fingerprint, [{ kind: 'refreshed', binding: bindingOf(who) }]);
  });
  const { user, system } = process.cpuUsage(before);
  const cpuUs = (user + system) / bindings;
  report('CPU to bind a known identity again', `${cpuUs.toFixed(0)} us`);
  return { cpuUs, memory: phase.end() };
}

async function measure(directory: string): Promise<void> {
  const overlay = new IdentityOverlay({ store: EmbeddedStore.open({ directory }), node: 'bench' });
  const found = await lookUp(overlay);
  const bound = await bindAgain(overlay);
  await overlay.close();
  const most = Math.max(found.memory, bound.memory);
  verdict('resolve, p99', found.p99Us, aims.resolveUs, 'us');
  verdict('bind again, CPU', bound.cpuUs, aims.bindUs, 'us');
  verdict('resident, at most', most, aims.residentMib, 'MiB');
}

function verdict(what: string, value: number, aim: number, unit: string): void {
  report(`${value < aim ? 'met' : 'MISSED'}: ${what}`, `${value.toFixed(0)} ${unit}, aim below ${aim}`);
}

if (measured !== undefined) await measure(measured);
else {
  const directory = mkdtempSync(join(tmpdir(), 'tibet-bench-identities-'));
  try {
    const began = performance.now();
    await build(directory);
    report('identities', count.toLocaleString('en'));
    report('written in', `${((performance.now() - began) / 1_000).toFixed(0)} s`);
    const blocks = readdirSync(directory).map((name) => statSync(join(directory, name)).blocks);
    report('disk', `${Math.round((blocks.reduce((sum, each) => sum + each, 0) * 512) / 2 ** 20)} MiB`);
    execFileSync(process.execPath, [import.meta.filename, String(count), directory], {
      stdio: 'inherit',
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
