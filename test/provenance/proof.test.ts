import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AuditLog, verifyProof } from '../../src/provenance/index.ts';
import { formatTlogProof, parseTlogProof } from '../../src/provenance/tlog-proof.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { attempt, draft, openLog, scratch, settled } from './support/test-log.ts';

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

async function filled(count: number): Promise<string[]> {
  const results = Array.from({ length: count }, (_, at) => log.append(draft(`event ${at}`)));
  await Promise.all(results.map(settled));
  clock.advance(500);
  await expect.poll(() => log.size).toBe(count + 1);
  return results.map(({ id }) => id);
}

describe('C2SP tlog-proof of a record', () => {
  test('verifies offline with nothing but the file and the verifier key, and opens the record', async () => {
    const ids = await filled(300);
    for (const id of [ids[0], ids[254], ids[255], ids[256], ids[299]]) {
      const proof = await log.prove(id ?? '');
      expect(verifyProof(proof, log.vkey)).toMatchObject({ valid: true, record: { id }, size: 301 });
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
    expect(verifyProof(closed, log.vkey)).toMatchObject({ valid: true, record: undefined, position: 1 });
  });

  test('a flipped byte anywhere in it is refused', async () => {
    const [id = ''] = await filled(3);
    const bytes = Buffer.from(await log.prove(id));
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      if (verifyProof(changed.toString(), log.vkey).valid) expect.fail(`byte ${at}`);
    }
  });

  test('names what is wrong: other key, other record, altered layers', async () => {
    const [one = '', two = ''] = await filled(2);
    const proof = await log.prove(one);
    expect(verifyProof(proof, `${log.vkey}x`)).toMatchObject({ valid: false, fault: 'vkey' });
    expect(verifyProof(proof.replace(/^index 1$/m, 'index 2'), log.vkey)).toMatchObject({
      fault: 'inclusion',
    });
    expect(verifyProof('rubbish', log.vkey)).toMatchObject({ fault: 'malformed' });
    expect(verifyProof(proof.slice(0, -10), log.vkey)).toMatchObject({ fault: 'checkpoint' });
    const other = parseTlogProof(await log.prove(two));
    const mixed = formatTlogProof({ ...parseTlogProof(proof), extra: other.extra });
    expect(verifyProof(mixed, log.vkey)).toMatchObject({ fault: 'inclusion' });
  });

  test('is not given for a record that is unknown, or under no checkpoint yet', async () => {
    await filled(1);
    const pending = log.append(attempt('c1'));
    await settled(pending);
    await expect(log.prove(pending.id)).rejects.toMatchObject({ code: 'record-pending' });
    await expect(log.prove('b'.repeat(52))).rejects.toMatchObject({ code: 'record-unknown' });
  });
});
