import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeBase32 } from '../../src/base/index.ts';
import { type AuditLog, openAuditReader, verifyLog } from '../../src/provenance/index.ts';
import { fingerprintBytes } from '../../src/tokens/index.ts';
import { parseTrust, verifyFile } from '../../src/verify/index.ts';
import { SimulatedDisk, seeded } from './support/simulated-disk.ts';
import { alice, bob, collect, draft, openLog, scratch, settled } from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
beforeEach(() => {
  directory = scratch();
});
afterEach(() => directory.dispose());

const carol = encodeBase32(new Uint8Array(32).fill(3));
const limits = { checkpointDelayMs: 1, healDelayMs: 1, healProbeBytes: 512 };
const names = { [alice]: 'alice-a-name', [bob]: 'bob-a-name', [carol]: 'carol-a-name' } as const;

function call(id: string, caller: string, callee: string): Parameters<AuditLog['append']>[0] {
  return draft('call.attempt', {
    erin: { event: 'call.attempt', caller: names[caller], callee: names[callee], callId: `${id}@${caller}` },
    eromheen: { source: '192.0.2.7', transport: 'udp' },
    erachter: `voice call to ${names[callee]}`,
    parties: [
      { fingerprint: caller, role: 'caller', owns: { erin: ['caller', 'callId'], eromheen: ['source'] } },
      { fingerprint: callee, role: 'callee', owns: { erin: ['callee'] } },
    ],
    call: { id, phase: 'attempt' },
  });
}

async function filled(disk: SimulatedDisk): Promise<{ log: AuditLog; ids: string[] }> {
  const log = await openLog(directory.path, { storage: disk, limits });
  const ids: string[] = [];
  for (const [at, [caller, callee]] of [
    [alice, bob],
    [bob, alice],
    [bob, carol],
    [alice, bob],
  ].entries()) {
    const written = log.append(call(`c${at}`, caller ?? '', callee ?? ''));
    await settled(written);
    ids.push(written.id);
  }
  await expect.poll(() => log.size).toBe(5);
  return { log, ids };
}

/** Every byte that is anywhere on the disk, in one piece. */
async function everything(disk: SimulatedDisk): Promise<Buffer> {
  return Buffer.concat(
    await Promise.all(disk.files().map(async (path) => (await disk.read(path)) ?? Buffer.alloc(0))),
  );
}

describe('property 12 (erasable): erasing one party', () => {
  test('destroys what the log says about it, leaves what it says about others, and every proof holds', async () => {
    const disk = new SimulatedDisk();
    const { log, ids } = await filled(disk);
    expect((await collect(log.query({ intent: 'bob-a-name' }))).length).toBe(2);
    expect((await collect(log.query({ callId: `c0@${alice}` }))).length).toBe(1);
    const before = await Promise.all(ids.map((id) => log.prove(id)));
    const { record, records } = await log.erase(alice, 'asked for by letter 17');
    expect(records).toBe(3);
    expect(await collect(log.query({ identity: alice }))).toEqual([]);
    expect(await collect(log.query({ intent: 'bob-a-name' }))).toEqual([]);
    expect(await collect(log.query({ callId: `c0@${alice}` }))).toEqual([]);
    expect((await collect(log.query({ callId: 'c0' }))).length).toBe(1);
    const [first, , third] = await Promise.all(ids.map((id) => log.get(id)));
    expect(first).toMatchObject({ event: 'call.attempt', erin: { callee: names[bob] } });
    expect(first?.parties).toMatchObject([{ fingerprint: bob, seq: 1 }]);
    expect(first?.redacted).toEqual(['erachter', 'party 0']);
    expect(JSON.stringify(first)).not.toContain(names[alice]);
    expect(JSON.stringify(first)).not.toContain('192.0.2.7');
    expect(third).toMatchObject({ redacted: [], erachter: `voice call to ${names[carol]}` });
    await expect.poll(() => log.size).toBe(6);
    for (const [at, id] of ids.entries()) {
      const report = verifyFile(await log.prove(id), parseTrust(log.vkey));
      expect(report).toMatchObject({
        verdict: at === 2 ? 'UNWITNESSED' : 'REDACTED',
        records: [{ id, position: at + 1 }, ...(at === 2 ? [] : [{ id: record }])],
      });
      expect(verifyFile(before[at] ?? '', parseTrust(log.vkey)).verdict).toBe('UNWITNESSED');
    }
    expect(await log.get(record)).toMatchObject({
      event: 'audit.redaction',
      parties: [],
      erachter: 'asked for by letter 17',
    });
    await log.close();
    const verdict = await verifyLog({ directory: '', storage: disk, vkey: log.vkey });
    expect(verdict).toMatchObject({ valid: true, problems: [], redacted: 3, identities: 2 });
    // Nothing on the disk leads from the fingerprint to a record any more.
    expect((await everything(disk)).includes(Buffer.from(fingerprintBytes(alice)))).toBe(false);
  });

  test('of both leaves commitments only', async () => {
    const disk = new SimulatedDisk();
    const { log, ids } = await filled(disk);
    await log.erase(alice);
    await log.erase(bob);
    expect(await log.get(ids[0] ?? '')).toMatchObject({
      event: 'redacted',
      erin: {},
      parties: [],
      redacted: ['erin', 'eraan', 'eromheen', 'erachter', 'party 0', 'party 1'],
    });
    await expect.poll(() => log.size).toBe(7);
    expect(verifyFile(await log.prove(ids[0] ?? ''), parseTrust(log.vkey)).verdict).toBe('REDACTED');
    await log.close();
    expect(await verifyLog({ directory: '', storage: disk, vkey: log.vkey })).toMatchObject({
      valid: true,
      redacted: 4,
    });
  });

  test('begins its sequence anew when it comes back, also while records of it are under way', async () => {
    const disk = new SimulatedDisk();
    const { log } = await filled(disk);
    const underWay = log.append(call('c8', alice, bob));
    const erased = log.erase(alice);
    const after = log.append(call('c9', carol, bob));
    await Promise.all([settled(underWay), erased, settled(after)]);
    await settled(log.append(call('c10', bob, alice)));
    await settled(log.append(call('c11', alice, carol)));
    const records = await collect(log.query({ identity: alice }));
    expect(
      records.flatMap(({ parties }) => parties.filter(({ fingerprint }) => fingerprint === alice)),
    ).toMatchObject([
      { seq: 1, prev: undefined },
      { seq: 2, prev: records[0]?.id },
    ]);
    await log.close();
    expect((await verifyLog({ directory: '', storage: disk, vkey: log.vkey })).problems).toEqual([]);
    const again = await openLog(directory.path, { storage: disk, limits });
    expect((await collect(again.query({ identity: alice }))).length).toBe(2);
    await again.close();
  });

  test('leaves alone what comes back at every moment of the erasure', async () => {
    const disk = new SimulatedDisk();
    const { log } = await filled(disk);
    let erased = false;
    const erasure = log.erase(alice).finally(() => {
      erased = true;
    });
    const written: ReturnType<AuditLog['append']>[] = [];
    for (let at = 0; !erased; at++) {
      if (at < 1_000) written.push(log.append(call(`back-${at}`, alice, bob)));
      await (at % 50 < 49 ? undefined : new Promise((resolve) => setImmediate(resolve)));
    }
    await erasure;
    await Promise.all(written.map(settled));
    await settled(log.append(call('afterwards', alice, bob)));
    const hers = (await collect(log.query())).filter(({ parties }) =>
      parties.some(({ fingerprint }) => fingerprint === alice),
    );
    expect(hers.length).toBeGreaterThan(1);
    expect((await collect(log.query({ identity: alice }))).map(({ id }) => id)).toEqual(
      hers.map(({ id }) => id),
    );
    await log.close();
    expect((await verifyLog({ directory: '', storage: disk, vkey: log.vkey })).problems).toEqual([]);
  });

  test('who called itself leaves nothing of what it declared', async () => {
    const disk = new SimulatedDisk();
    const log = await openLog(directory.path, { storage: disk, limits });
    const { id, durability } = log.append({
      ...call('c1', alice, alice),
      erachter: 'a call to my other phone',
    });
    await settled({ id, durability });
    expect(await log.get(id)).toMatchObject({ erachter: 'a call to my other phone', redacted: [] });
    await expect.poll(() => log.size).toBe(2);
    expect((await everything(disk)).includes('my other phone')).toBe(false);
    await log.erase(alice);
    expect((await log.get(id))?.redacted).toContain('erachter');
    await log.close();
  });

  test('of somebody whom the log does not know is refused', async () => {
    const { log } = await filled(new SimulatedDisk());
    await expect(log.erase(encodeBase32(new Uint8Array(32).fill(9)))).rejects.toMatchObject({
      code: 'identity-unknown',
    });
    await log.close();
  });

  test('holds for readers of the files, and for an index that is built again', async () => {
    const log = await openLog(directory.path, { limits });
    await settled(log.append(call('c1', alice, bob)));
    await log.erase(alice);
    await log.close();
    for (const indexDirectory of [join(directory.path, 'index'), join(directory.path, 'none')]) {
      const reader = await openAuditReader({ directory: join(directory.path, 'log'), indexDirectory });
      expect(await collect(reader.query({ identity: alice }))).toEqual([]);
      expect(await collect(reader.query({ identity: bob }))).toMatchObject([
        { redacted: ['erachter', 'party 0'] },
      ]);
      await reader.close();
    }
  });

  test('a key that is gone without a redaction record is a problem, and so is one that came back', async () => {
    const disk = new SimulatedDisk();
    const { log } = await filled(disk);
    await log.close();
    const kept = Buffer.from((await disk.read('party-keys')) ?? []);
    const vanished = disk.afterKill();
    vanished.tamper('party-keys', (bytes) => {
      bytes.fill(0, 16, 88);
      bytes[16] = 3;
      return bytes;
    });
    expect((await verifyLog({ directory: '', storage: vanished, vkey: log.vkey })).problems).toContainEqual(
      expect.objectContaining({ kind: 'party-key', message: expect.stringContaining('no redaction record') }),
    );
    const again = await openLog(directory.path, { storage: disk, limits });
    await again.erase(alice);
    await again.close();
    disk.tamper('party-keys', () => kept);
    expect((await verifyLog({ directory: '', storage: disk, vkey: log.vkey })).problems).toContainEqual(
      expect.objectContaining({ kind: 'party-key', message: expect.stringContaining('is not') }),
    );
  });
});

describe('property 14 (crash-safe): an erasure that is cut at any write, sync or rename', () => {
  test.each([
    ['kill -9', (disk: SimulatedDisk): SimulatedDisk => disk.afterKill()],
    [
      'power cut',
      (disk: SimulatedDisk, step: number): SimulatedDisk => disk.afterPowerCut(seeded(step * 7919)),
    ],
  ])(
    '%s: is finished at the next start, or never began',
    async (_, survive) => {
      let finished = 0;
      for (let step = 1; step < 80; step++) {
        directory.dispose();
        directory = scratch();
        const disk = new SimulatedDisk();
        const { log, ids } = await filled(disk);
        disk.crashAt = disk.operations + step;
        const done = await log.erase(alice).then(
          () => true,
          () => false,
        );
        await log.close().catch(() => undefined);
        const survivor = survive(disk, step);
        // The index is what the crash left of it.
        const again = await openLog(directory.path, { storage: survivor, limits });
        const left = await collect(again.query({ identity: alice }));
        expect([0, 3], `step ${step}`).toContain(left.length);
        if (done) expect(left.length, `step ${step}: what was reported erased is back`).toBe(0);
        if (left.length === 0) finished += 1;
        for (const id of ids) expect((await again.get(id))?.id, `step ${step}`).toBe(id);
        await again.close();
        const verdict = await verifyLog({ directory: '', storage: survivor, vkey: again.vkey });
        expect(verdict.problems, `step ${step}`).toEqual([]);
        const hidden = !(await everything(survivor)).includes(Buffer.from(fingerprintBytes(alice)));
        expect(hidden, `step ${step}`).toBe(left.length === 0);
        if (done && disk.operations < disk.crashAt) break;
      }
      expect(finished).toBeGreaterThan(10);
    },
    60_000,
  );
});
