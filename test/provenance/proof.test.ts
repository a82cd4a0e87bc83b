import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AuditLog } from '../../src/provenance/index.ts';
import { formatTlogProof, parseTlogProof } from '../../src/provenance/tlog-proof.ts';
import { noteKey, parseTrust, type Report, verifyFile } from '../../src/verify/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { attempt, draft, nodeKey, openLog, scratch, settled } from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
let log: AuditLog;
const clock = new FakeClock();
beforeEach(async () => {
  directory = scratch();
  log = await openLog(directory.path, { storage: new SimulatedDisk(), clock });
});
afterEach(async () => {
  await log.close();
  directory.dispose();
});

function verified(proof: string): Report {
  return verifyFile(proof, parseTrust(log.vkey));
}

async function filled(count: number): Promise<string[]> {
  const results = Array.from({ length: count }, (_, at) => log.append(draft(`event ${at}`)));
  await Promise.all(results.map(settled));
  clock.advance(500);
  await expect.poll(() => log.size).toBe(count + 1);
  return results.map(({ id }) => id);
}

describe('C2SP tlog-proof of a record', () => {
  test('property 1 (offline): verifies offline with nothing but the file and the verifier key, and opens the record', async () => {
    const ids = await filled(300);
    for (const id of [ids[0], ids[254], ids[255], ids[256], ids[299]]) {
      const proof = await log.prove(id ?? '');
      expect(verified(proof)).toMatchObject({
        verdict: 'UNWITNESSED',
        records: [{ id }],
        log: { size: 301 },
      });
    }
  });

  test('has the lines that the specification asks for', async () => {
    const [id = ''] = await filled(1);
    const lines = (await log.prove(id)).split('\n');
    expect(lines[0]).toBe('c2sp.org/tlog-proof@v1');
    expect(lines[1]).toMatch(/^extra [A-Za-z0-9+/]+=*$/);
    expect(lines[2]).toBe('index 1');
    expect(lines[3]).toMatch(/^[A-Za-z0-9+/]{43}=$/);
    expect(lines.slice(4)).toEqual(['', ...log.checkpoint().split('\n')]);
  });

  test('withholds the layers when asked to, and proves the record all the same', async () => {
    const [id = ''] = await filled(1);
    const open = await log.prove(id);
    const closed = await log.prove(id, { discloseLayers: false });
    expect(closed.length).toBeLessThan(open.length);
    expect(verified(closed)).toMatchObject({
      verdict: 'REDACTED',
      records: [{ id, opened: undefined, position: 1 }],
    });
  });

  test('a flipped byte anywhere in it is refused', async () => {
    const [id = ''] = await filled(3);
    const bytes = Buffer.from(await log.prove(id));
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      if (verified(changed.toString()).verdict !== 'INVALID') expect.fail(`byte ${at}`);
    }
  }, 60_000);

  test('names what is wrong: other key, other record, altered layers', async () => {
    const [one = '', two = ''] = await filled(2);
    const proof = await log.prove(one);
    expect(() => parseTrust(`${log.vkey}x`)).toThrow(expect.objectContaining({ code: 'vkey' }));
    const other = parseTlogProof(await log.prove(two));
    const mixed = formatTlogProof({ ...parseTlogProof(proof), extra: other.extra });
    const key = noteKey('example.com/calls', 'ed25519', nodeKey.publicKey);
    expect(verifyFile(proof, { logs: [key], policy: undefined }).checks.at(-1)).toMatchObject({
      name: 'Signed by the operator',
      ok: false,
    });
    const table: readonly (readonly [string, string])[] = [
      [proof.replace(/^index 1$/m, 'index 2'), 'In the log'],
      ['rubbish', 'Readable'],
      [proof.slice(0, -10), 'Signed by the operator'],
      [mixed, 'In the log'],
    ];
    for (const [file, name] of table) {
      const { verdict, checks } = verified(file);
      expect(verdict).toBe('INVALID');
      expect(checks.at(-1)).toMatchObject({ name, ok: false });
    }
  });

  test('is not given for a record that is unknown, or under no checkpoint yet', async () => {
    await filled(1);
    const pending = log.append(attempt('c1'));
    await settled(pending);
    await expect(log.prove(pending.id)).rejects.toMatchObject({ code: 'record-pending' });
    await expect(log.prove('b'.repeat(52))).rejects.toMatchObject({ code: 'record-unknown' });
  });
});
