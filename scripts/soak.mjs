// npm run soak -- [--minutes 10] [--workers 16] [--seed 1]: a gateway under phones that register, call, give up, die
// without a word, stall, lie, guess passwords and come back elsewhere, over UDP, TCP, TLS, WS and WSS. Afterwards its
// heap, descriptors, handles, timers, flows, transactions and calls must be where they were, by its own timers: what
// stalls is left standing. Ends with 1 when something stayed, when an honest phone was treated wrongly, or when the log
// does not verify.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { soak } from '../test/soak/soak.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    workers: { type: 'string', default: '16' },
    seed: { type: 'string' },
  },
});
const [minutes, workers] = [Number(values.minutes), Number(values.workers)];
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
if (!(minutes > 0) || !Number.isInteger(workers) || workers < 1 || !Number.isInteger(seed)) {
  console.error('soak: --minutes is a number above 0; --workers and --seed are whole numbers');
  process.exit(2);
}

const maxFaultsShown = 20;
const loadMs = minutes * 60_000;
const startedMs = performance.now();
const report = (line) =>
  console.log(`${String(Math.round((performance.now() - startedMs) / 1_000)).padStart(5)} s  ${line}`);

const dataDir = mkdtempSync(join(tmpdir(), 'tibet-sip-soak-'));
console.log(`seed ${seed}`);
try {
  const { faults, played } = await soak({
    dataDir,
    loadMs,
    warmUpMs: Math.min(60_000, loadMs / 2),
    workers,
    seed,
    collects: true,
    // What the warm-up does not bring: compiled code (about 3 MB), flow tokens that are remembered (2,048, 1 MB), nonces
    // that were answered in the last five minutes (160 bytes each), buffers.
    allowance: { heapBytes: 12e6, descriptors: 8 },
    report,
  });
  for (const fault of faults.slice(0, maxFaultsShown)) console.log(`  ${fault}`);
  console.log(`${played} scenes: ${faults.length === 0 ? 'nothing leaked' : `${faults.length} faults`}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
