import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeBase32 } from '../../src/base/index.ts';
import { type AuditLog, openAuditReader, verifyLog } from '../../src/provenance/index.ts';
import type { CborValue } from '../../src/tokens/index.ts';
import { parseTrust, verifyFile } from '../../src/verify/index.ts';
import { withExtra } from '../verify/proof-support.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { alice, attempt, bob, closing, draft, openLog, scratch, settled } from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
let disk: SimulatedDisk;
let log: AuditLog;
beforeEach(async () => {
  directory = scratch();
  disk = new SimulatedDisk();
  log = await openLog(directory.path, { storage: disk, limits: { checkpointDelayMs: 1 } });
  for (const id of ['one', 'two', 'three'])
    for (const one of [attempt(id), closing(id)]) await settled(log.append(one));
});
afterEach(async () => {
  await log.close();
  directory.dispose();
});

describe('property 10 (complete per identity): a committed head', () => {
  test('gives away a list that lacks its tail, with nothing but a proof file and the key', async () => {
    await log.commitHeads();
    for (const one of [attempt('later'), closing('later')]) await settled(log.append(one));
    await expect.poll(() => log.size).toBe(10);
    const proof = await log.prove({ identity: alice }, { committedHead: true });
    const trust = parseTrust(log.vkey);
    const report = verifyFile(proof, trust);
    expect(report.verdict, report.summary).toBe('UNWITNESSED');
    expect(report.proved.join()).toContain('record 6 of the identity was its newest one when the log had 7');
    // Without its record 6, and without the ones after it: what is left has no hole, and lacks its end.
    const cut = withExtra(proof, (extra) => {
      const others = extra.get(6);
      extra.set(6, Array.isArray(others) ? others.filter((_, at) => at < 4 || at > 6) : []);
    });
    expect(verifyFile(cut, trust)).toMatchObject({ verdict: 'GAP' });
    expect(verifyFile(cut, trust).findings.join()).toContain('its last ones are missing here');
    const without = withExtra(cut, (extra) => extra.delete(9));
    expect(verifyFile(without, trust).verdict).toBe('UNWITNESSED');
  });

  test('cannot be passed off for an earlier one, for somebody else, or for one that was never committed to', async () => {
    await log.commitHeads();
    await expect.poll(() => log.size).toBe(8);
    const proof = await log.prove({ identity: alice }, { committedHead: true });
    const forged = (at: number, value: (old: CborValue) => CborValue): string =>
      withExtra(proof, (extra) => {
        const head = extra.get(9);
        if (!Array.isArray(head)) throw new Error('no head');
        const fields: readonly CborValue[] = head;
        extra.set(9, fields.with(at, value(fields[at] ?? null)));
      });
    const flipped = (old: CborValue): CborValue =>
      old instanceof Uint8Array ? Uint8Array.from(old, (byte, at) => (at === 0 ? byte ^ 1 : byte)) : null;
    for (const file of [
      forged(0, () => 3),
      forged(1, () => 5),
      forged(2, flipped),
      forged(3, flipped),
      forged(4, () => 1),
      forged(5, () => []),
      withExtra(proof, (extra) => extra.set(8, ['identity', new Uint8Array(32).fill(2)])),
    ])
      expect(verifyFile(file, parseTrust(log.vkey))).toMatchObject({ verdict: 'INVALID' });
  });

  test('is proved from the files alone as well, with an index and without one', async () => {
    await log.commitHeads();
    await settled(log.append(draft('later', { parties: [{ fingerprint: alice, role: 'subject' }] })));
    await log.close();
    const indexed = { storage: disk, directory: '', indexDirectory: join(directory.path, 'index') };
    for (const options of [indexed, { ...indexed, indexDirectory: join(directory.path, 'none') }]) {
      const reader = await openAuditReader(options);
      for (const identity of [alice, bob]) {
        const proof = await reader.prove({ identity }, { committedHead: true });
        expect(verifyFile(proof, parseTrust(log.vkey)).proved.join()).toContain('None is missing at the end');
      }
      await reader.close();
    }
  });

  test('is checked by audit verify against all records before it, also when others came between', async () => {
    const committed = log.commitHeads();
    const between = log.append(draft('between'));
    await Promise.all([committed, settled(between)]);
    await log.commitHeads();
    await log.close();
    expect(await verifyLog({ directory: '', storage: disk, vkey: log.vkey })).toMatchObject({
      valid: true,
      problems: [],
    });
  });

  test('stands for identities that came in any order, while others come, whatever the index has written', async () => {
    const identity = (number: number): string =>
      encodeBase32(new Uint8Array(32).fill((number * 101) % 256, 0, 31).fill(number, 31));
    const record = (number: number): ReturnType<typeof log.append> =>
      log.append(draft('x', { parties: [{ fingerprint: identity(number), role: 'subject' }] }));
    for (let round = 0; round < 4; round++) {
      for (let number = round * 100; number < round * 100 + 300; number++) record(number % 256);
      const committed = log.commitHeads();
      // These come while the commitment is under way, and are not part of it.
      for (let number = 0; number < 40; number++) {
        await settled(record(number));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await committed;
      if (round % 2 === 0) await log.close();
      if (round % 2 === 0)
        log = await openLog(directory.path, { storage: disk, limits: { checkpointDelayMs: 1 } });
    }
    await expect.poll(() => log.size).toBeGreaterThan(1_300);
    const proof = await log.prove({ identity: identity(7) }, { committedHead: true });
    expect(verifyFile(proof, parseTrust(log.vkey)).proved.join()).toContain('None is missing at the end');
    await log.close();
    const { problems } = await verifyLog({ directory: '', storage: disk, vkey: log.vkey });
    expect(problems).toEqual([]);
  });

  test('that is wrong is a problem; one with parties that were erased since is said to be so', async () => {
    await settled(
      log.append({
        erin: {
          event: 'audit.heads',
          size: 7,
          identities: 2,
          nonce: new Uint8Array(16),
          root: new Uint8Array(32),
        },
        eraan: { parents: [] },
        eromheen: {},
        erachter: 'lie',
        parties: [],
      }),
    );
    await log.close();
    const { problems } = await verifyLog({ directory: '', storage: disk, vkey: log.vkey });
    expect(problems.map(({ kind }) => kind)).toEqual(['heads']);
  });

  test('of an erased party takes nobody else along', async () => {
    await log.commitHeads();
    await log.erase(alice);
    await expect(log.prove({ identity: bob }, { committedHead: true })).rejects.toMatchObject({
      code: 'head-unproved',
    });
    await log.commitHeads();
    await expect.poll(() => log.size).toBe(10);
    const proof = await log.prove({ identity: bob }, { committedHead: true });
    expect(verifyFile(proof, parseTrust(log.vkey))).toMatchObject({ verdict: 'REDACTED' });
    await log.close();
    const { valid, notes } = await verifyLog({ directory: '', storage: disk, vkey: log.vkey });
    expect(valid).toBe(true);
    expect(notes.join()).toContain('erased since');
  });
});
