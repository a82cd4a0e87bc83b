import { createHash, generateKeyPairSync, sign } from 'node:crypto';

/**
 * A fixed piece of work of the kind that a call is made of: texts taken apart and put together, objects kept for a
 * while, hashes, one signature. It uses nothing of ours, so that only the machine decides what it costs.
 */
const steps = 1_500;
const kept = 20_000;
const hashesEach = 12;

const { privateKey } = generateKeyPairSync('ed25519');
const memory = new Map<string, { readonly lines: readonly string[]; readonly digest: string }>();
let serial = 0;

/** Microseconds of this process for one step. */
export function referenceStepUs(): number {
  const before = process.cpuUsage();
  for (let at = 0; at < steps; at++) step();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / steps;
}

function step(): void {
  const id = `call-${++serial}`;
  const text = Array.from({ length: 12 }, (_, at) => `Header-${at}: value ${at} of ${id};tag=${serial}`).join(
    '\r\n',
  );
  const lines = Buffer.from(text, 'latin1').toString('latin1').split('\r\n');
  const fields = Object.fromEntries(lines.map((line) => [line.slice(0, 9), line.slice(10)]));
  let digest = JSON.stringify(JSON.parse(JSON.stringify(fields)));
  for (let at = 0; at < hashesEach; at++) digest = createHash('sha256').update(digest).digest('base64url');
  sign(null, Buffer.from(digest), privateKey);
  memory.set(id, { lines, digest });
  memory.delete(`call-${serial - kept}`);
}
