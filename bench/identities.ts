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
import { systemRandom } from '../src/base/index.ts';
import type { RegisteredBinding } from '../src/overlay/index.ts';
import { applyBindingChanges, EmbeddedStore, IdentityOverlay, noBindings } from '../src/overlay/index.ts';
import { fingerprintFromBytes, sha256, unpackIdentityToken } from '../src/tokens/index.ts';

const count = Number(process.argv[2] ?? 1_000_000);
const measured = process.argv[3];
const lookups = 200_000;
const bindings = 200_000;
const batch = 1_000;
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
  const now = Math.floor(Date.now() / 1_000);
  const times = { notBefore: now - 60, expires: now + 31_536_000, issuedAt: now };
  await inBatches(count, async (at) => {
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
  await store.close();
}

/** Own memory counts; pages of the mapped store are the kernel's, and leave when others need the room. */
function reportMemory(when: string): void {
  globalThis.gc?.();
  const status = readFileSync('/proc/self/status', 'utf8');
  const megabytes = (name: string): string =>
    `${Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1_024)} MiB`;
  const { heapUsed, external } = process.memoryUsage();
  const live = `${Math.round((heapUsed + external) / 2 ** 20)} MiB live`;
  report(`memory ${when}: own, mapped`, `${megabytes('RssAnon')} (${live}), ${megabytes('RssFile')}`);
}

async function measure(directory: string): Promise<void> {
  const overlay = new IdentityOverlay({ store: EmbeddedStore.open({ directory }), node: 'bench' });
  const times = new Float64Array(lookups);
  for (let at = 0; at < lookups; at++) {
    const who = Math.floor(Math.random() * count);
    const before = performance.now();
    const { resolved } = await overlay.resolve(at % 2 ? nameOf(who) : fingerprintAt(who));
    times[at] = performance.now() - before;
    if (!resolved) throw new Error(`${nameOf(who)} was not found`);
  }
  times.sort();
  const shares = [0.5, 0.99, 0.999].map((share) =>
    ((times[Math.floor(lookups * share)] ?? 0) * 1_000).toFixed(0),
  );
  report('resolve at random, p50 / p99 / p99.9', `${shares.join(' / ')} us`);
  reportMemory('after look-ups');
  const before = process.cpuUsage();
  await inBatches(Math.min(count, bindings), async (at) => {
    const identity = await overlay.lookup(nameOf(at));
    if (identity === undefined) throw new Error(`${nameOf(at)} was not found`);
    await overlay.saveBindings(identity.fingerprint, [{ kind: 'refreshed', binding: bindingOf(at) }]);
  });
  const { user, system } = process.cpuUsage(before);
  report(
    'CPU to bind a known identity again',
    `${((user + system) / Math.min(count, bindings)).toFixed(0)} us`,
  );
  reportMemory('after binding');
  await overlay.close();
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
    execFileSync(process.execPath, ['--expose-gc', import.meta.filename, String(count), directory], {
      stdio: 'inherit',
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
