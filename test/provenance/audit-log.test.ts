import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AuditLog, openAuditReader, type RecordDraft, verifyLog } from '../../src/provenance/index.ts';
import { IndexTables } from '../../src/provenance/index-tables.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import {
  alice,
  attempt,
  bob,
  closing,
  collect,
  draft,
  openLog,
  scratch,
  settled,
} from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
const open: AuditLog[] = [];
beforeEach(() => {
  directory = scratch();
});
afterEach(async () => {
  for (const log of open.splice(0)) await log.close();
  directory.dispose();
});

async function opened(options: Parameters<typeof openLog>[1] = {}): Promise<AuditLog> {
  const log = await openLog(directory.path, options);
  open.push(log);
  return log;
}

describe('appending', () => {
  test('gives an id at once and durability later, with all four layers readable', async () => {
    const log = await opened();
    const result = log.append(draft('call.attempt', { call: { id: 'c1', phase: 'attempt' } }));
    expect(result.id).toMatch(/^[a-z2-7]{52}$/);
    expect(result.durability.state).toBe('pending');
    expect(await settled(result)).toBe('durable');
    const record = await log.get(result.id.slice(0, 10));
    expect(record).toMatchObject({
      id: result.id,
      event: 'call.attempt',
      call: { id: 'c1', phase: 'attempt' },
      erin: { event: 'call.attempt', callId: 'sip-1@example.com' },
      eraan: { parents: [] },
      eromheen: { transport: 'udp', node: expect.any(String), time: expect.any(String) },
      erachter: 'voice call to jis:bob',
      parties: [
        { fingerprint: alice, role: 'caller', seq: 1, prev: undefined },
        { fingerprint: bob, role: 'callee', seq: 1, prev: undefined },
      ],
    });
  });

  test('numbers the records of each identity and names the one before', async () => {
    const log = await opened();
    const first = log.append(draft('one'));
    const second = log.append(draft('two', { parties: [{ fingerprint: alice, role: 'subject' }] }));
    await settled(log.append(draft('three')));
    const records = await collect(log.query({ identity: alice }));
    expect(records.map(({ parties }) => parties[0]?.seq)).toEqual([1, 2, 3]);
    expect(records.map(({ parties }) => parties[0]?.prev)).toEqual([undefined, first.id, second.id]);
  });

  test('refuses a record without a declared intent (ERACHTER), and layers that have no encoding', async () => {
    const log = await opened();
    expect(() => log.append(draft('x', { erachter: '  ' }))).toThrow(
      expect.objectContaining({ code: 'erachter-empty' }),
    );
    for (const bad of [1.5, Number.NaN, () => 1, 'lone \ud800', Symbol('x'), new Date(), new Map()])
      expect(() => log.append(draft('x', { eromheen: { bad } }))).toThrow(
        expect.objectContaining({ code: 'layer-invalid' }),
      );
    expect(() => log.append(draft('x', { eromheen: { big: 'x'.repeat(40_000) } }))).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    );
    const ok = log.append(
      draft('x', { eromheen: { text: 'ü'.repeat(300), list: [1, -1, null, true], left: undefined } }),
    );
    await settled(ok);
    expect((await log.get(ok.id))?.eromheen).toMatchObject({
      text: 'ü'.repeat(300),
      list: [1, -1, null, true],
    });
  });

  test('a call has one attempt and exactly one closing record', async () => {
    const log = await opened();
    const first = log.append(attempt('c1'));
    expect(() => log.append(attempt('c1'))).toThrow(expect.objectContaining({ code: 'call-open' }));
    const middle = log.append(draft('call.ringing', { call: { id: 'c1', phase: 'progress' } }));
    expect(log.openCalls()).toMatchObject([{ id: 'c1', attempt: first.id, lastRecord: middle.id }]);
    const last = log.append(closing('c1'));
    expect(log.openCalls()).toEqual([]);
    for (const phase of ['close', 'answer'] as const)
      expect(() => log.append(draft('late', { call: { id: 'c1', phase } }))).toThrow(
        expect.objectContaining({ code: 'call-closed' }),
      );
    await settled(last);
    expect((await log.get(last.id))?.eraan['previous']).toBe(middle.id);
  });

  test('an id may be asked for at once, in any order, when the record is durable, and when it has failed', async () => {
    const disk = new SimulatedDisk();
    const log = await opened({ storage: disk, limits: { commitIntervalMs: 0, maxBatchRecords: 2 } });
    const atOnce = log.append(attempt('c1'));
    const early = atOnce.id;
    const phases = ['progress', 'progress', 'answer', 'close'] as const;
    const results = phases.map((phase) => log.append(draft('next', { call: { id: 'c1', phase } })));
    const latest = results.at(-1)?.id;
    expect(await Promise.all(results.map(settled))).toEqual(results.map(() => 'durable'));
    expect([atOnce.id, results.at(-1)?.id]).toEqual([early, latest]);
    const ids = [atOnce, ...results].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [at, id] of ids.entries()) {
      const stored = await log.get(id);
      expect(stored).toMatchObject({ id, position: at + 1 });
      expect(stored?.eraan['previous']).toBe(ids[at - 1]);
      expect(stored?.parties.map(({ seq, prev }) => [seq, prev])).toEqual([
        [at + 1, ids[at - 1]],
        [at + 1, ids[at - 1]],
      ]);
    }
    disk.readOnly = true;
    const failed = Array.from({ length: 5 }, (_, at) => log.append(draft(`lost ${at}`)));
    const known = failed[2]?.id;
    expect(await Promise.all(failed.map(settled))).toEqual(failed.map(() => 'failed'));
    disk.readOnly = false;
    expect(failed[2]?.id).toBe(known);
    expect(new Set(failed.map(({ id }) => id)).size).toBe(5);
  });

  test('a draft that cannot be recorded leaves no trace between the others', async () => {
    const log = await opened({ limits: { maxRecordBytes: 2_048 } });
    const before = log.append(attempt('c1'));
    const refused: readonly [Partial<RecordDraft>, string][] = [
      [{ erachter: ' ' }, 'erachter-empty'],
      [{ erin: { event: 'x', half: 0.5 } }, 'layer-invalid'],
      [{ eromheen: { text: '\ud800' } }, 'layer-invalid'],
      [{ erin: { event: 'x', long: 'y'.repeat(2_048) } }, 'too-large'],
    ];
    for (const [more, code] of refused)
      expect(() => log.append({ ...closing('c1'), ...more })).toThrow(expect.objectContaining({ code }));
    const after = log.append(closing('c1'));
    expect(await settled(after)).toBe('durable');
    expect((await log.get(after.id))?.parties.map(({ seq, prev }) => [seq, prev])).toEqual([
      [2, before.id],
      [2, before.id],
    ]);
    expect(log.openCalls()).toEqual([]);
  });

  test('many records share one signature and one sync', async () => {
    const disk = new SimulatedDisk();
    const log = await opened({ storage: disk, limits: { checkpointDelayMs: 60_000 } });
    // The first record of a party also makes its key.
    await settled(log.append(draft('first')));
    const before = disk.operations;
    const results = Array.from({ length: 500 }, (_, at) => log.append(draft(`event ${at}`)));
    expect(await Promise.all(results.map(settled))).toEqual(results.map(() => 'durable'));
    // One write and one sync.
    expect(disk.operations - before).toBe(2);
  });

  test('partial tiles and bundles go once the full one is there, also those that a crash has left (C2SP tlog-tiles)', async () => {
    const clock = new FakeClock();
    let disk = new SimulatedDisk();
    const limits = { checkpointDelayMs: 60_000 };
    const partials = (): string[] =>
      [...disk.files()].filter((path) => path.includes('.p/')).map((path) => path.replace(/\.p.*/, ''));
    const write = async (count: number): Promise<AuditLog> => {
      const log = await openLog(directory.path, { clock, storage: disk, limits });
      try {
        for (let round = 0; round < 3; round++) {
          const results = Array.from({ length: count }, () => log.append(draft('event')));
          expect(new Set(await Promise.all(results.map(settled)))).toEqual(new Set(['durable']));
          await log.commitHeads();
          const last = String(Math.floor(log.size / 256)).padStart(3, '0');
          for (const path of partials())
            expect(path).toMatch(new RegExp(`(entries|tile/0)/${last}$|tile/1/000$`));
        }
        return log;
      } finally {
        await log.close().catch(() => undefined);
      }
    };
    await write(300);
    // Killed between the files of an extension and its checkpoint: what it left lies beyond that.
    disk.crashAt = disk.operations + 14;
    await expect(write(300)).rejects.toThrow();
    expect(disk.operations).toBeGreaterThanOrEqual(disk.crashAt);
    disk = disk.afterKill();
    rmSync(join(directory.path, 'index'), { recursive: true });
    const log = await write(200);
    expect((await verifyLog({ directory: '', storage: disk, vkey: log.vkey })).problems).toEqual([]);
  });

  test('the checkpoint follows within its delay', async () => {
    const clock = new FakeClock();
    const log = await opened({ clock, storage: new SimulatedDisk() });
    await settled(log.append(draft('x')));
    expect(log.size).toBe(0);
    clock.advance(500);
    await expect.poll(() => log.size).toBe(2);
    expect(log.checkpoint().split('\n')[1]).toBe('2');
  });
});

test('no more records are taken than a start after a crash would read again, until the index has followed', async () => {
  const maxUnindexedRecords = 6;
  const log = await opened({ limits: { maxUnindexedRecords, checkpointDelayMs: 1 } });
  const taken: ReturnType<AuditLog['append']>[] = [];
  const fill = (): void => {
    for (;;) taken.push(log.append(draft('registration')));
  };
  expect(fill).toThrow(expect.objectContaining({ code: 'unhealthy' }));
  expect(taken.length).toBeLessThanOrEqual(maxUnindexedRecords);
  await Promise.all(taken.map(settled));
  await expect.poll(() => log.size).toBe(1 + taken.length);
  await expect
    .poll(() => {
      try {
        return log.append(draft('registration')).id;
      } catch {
        return undefined;
      }
    })
    .toBeDefined();
});

describe('opening', () => {
  test('a second writer is refused with a clear message', async () => {
    await opened();
    await expect(openLog(directory.path)).rejects.toMatchObject({
      code: 'locked',
      message: /in use by another process/,
    });
  });

  test('keeps heads and open calls over a restart, also when the index is gone', async () => {
    const first = await openLog(directory.path);
    await settled(first.append(attempt('c1')));
    await first.close();
    for (const removeIndex of [false, true]) {
      if (removeIndex) {
        rmSync(join(directory.path, 'index'), { recursive: true });
      }
      const log = await openLog(directory.path);
      expect(log.openCalls()).toMatchObject([
        { id: 'c1', parties: [{ fingerprint: alice }, { fingerprint: bob }] },
      ]);
      await settled(log.append(draft('another')));
      await log.close();
    }
    const log = await opened();
    const seqs = (await collect(log.query({ identity: bob }))).map(({ parties }) => parties[1]?.seq);
    expect(seqs).toEqual([1, 2, 3]);
  });

  test('refuses a log that was put back to an earlier state', async () => {
    const disk = new SimulatedDisk();
    const log = await openLog(directory.path, { storage: disk });
    const earlier = disk.afterKill();
    await settled(log.append(draft('x')));
    await log.close();
    await expect(openLog(directory.path, { storage: earlier })).rejects.toMatchObject({
      code: 'rolled-back',
    });
  });

  test('refuses a log with other contents, another key or no checkpoint', async () => {
    const disk = new SimulatedDisk();
    const log = await openLog(directory.path, { storage: disk });
    await log.close();
    const other = scratch();
    const foreign = new SimulatedDisk();
    const second = await openLog(other.path, { storage: foreign });
    await settled(second.append(draft('x')));
    await second.close();
    await expect(openLog(directory.path, { storage: foreign })).rejects.toMatchObject({
      code: 'checkpoint-contradicted',
    });
    await expect(openLog(directory.path, { storage: disk, origin: 'example.com/other' })).rejects.toThrow(
      /is called \S+, not example\.com\/other.*audit\.origin=/,
    );
    disk.delete('public/checkpoint');
    await expect(openLog(directory.path, { storage: disk })).rejects.toMatchObject({
      code: 'checkpoint-missing',
    });
    other.dispose();
  });

  test('names no origin that a checkpoint could not carry', async () => {
    await expect(openLog(directory.path, { origin: 'with space' })).rejects.toMatchObject({ code: 'origin' });
  });
});

describe('queries', () => {
  test('by identity, call, event and time, in both orders, page by page, across bundle borders', async () => {
    const clock = new FakeClock(1_000_000);
    const log = await opened({ clock, storage: new SimulatedDisk() });
    const carol = bob.replace(/^./, 'c');
    for (let at = 0; at < 300; at++) {
      clock.advance(10);
      const result = log.append(
        draft(at % 2 ? 'odd' : 'even', {
          erin: { event: at % 2 ? 'odd' : 'even', callId: `sip-${at % 7}` },
          parties: [{ fingerprint: at % 3 ? alice : carol, role: 'subject' }],
        }),
      );
      if (at % 50 === 49) await settled(result);
    }
    clock.advance(500);
    await expect.poll(() => log.size).toBeGreaterThan(256);
    const positions = async (query: Parameters<AuditLog['query']>[0]): Promise<number[]> =>
      (await collect(log.query(query))).map(({ position }) => position);
    expect(await positions({ event: 'odd' })).toHaveLength(150);
    expect(await positions({ identity: carol })).toHaveLength(100);
    expect(await positions({ identity: carol, event: 'odd' })).toHaveLength(50);
    expect(await positions({ callId: 'sip-3' })).toHaveLength(43);
    expect(await positions({ sinceMs: 1_000_010, untilMs: 1_000_100 })).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
    expect(await positions({ sinceMs: 1_002_900, event: 'odd', newestFirst: true })).toEqual([
      300, 298, 296, 294, 292, 290,
    ]);
    const forwards = await positions({ event: 'even' });
    expect(await positions({ event: 'even', newestFirst: true })).toEqual(forwards.toReversed());
    const paged: number[] = [];
    for (;;) {
      const after = paged.at(-1);
      const page = await positions({ event: 'even', limit: 37, ...(after === undefined ? {} : { after }) });
      if (page.length === 0) break;
      paged.push(...page);
    }
    expect(paged).toEqual(forwards);
    expect(await positions({ event: 'even', newestFirst: true, after: 5, limit: 2 })).toEqual([3, 1]);
  });

  test('by outcome, words of the declared intent, and several identities, whether indexed yet or not', async () => {
    const clock = new FakeClock(1_000_000);
    const log = await opened({ clock, storage: new SimulatedDisk() });
    const carol = bob.replace(/^./, 'c');
    const outcomes = ['answered', 'busy', 'cancelled'];
    for (let at = 0; at < 200; at++) {
      const parties = [{ fingerprint: [alice, bob, carol][at % 3] ?? '', role: 'caller' as const }];
      const erachter = at % 10 ? 'voice call to jis:bob' : `Callback, TICKET ${at}`;
      log.append({ ...attempt(`c${at}`), parties, erachter });
      const erin = { event: 'call.end', outcome: outcomes[at % 3] };
      await settled(log.append({ ...closing(`c${at}`), parties, erachter, erin }));
      if (at === 150) {
        clock.advance(500);
        await expect.poll(() => log.size).toBeGreaterThan(256);
      }
    }
    expect(log.size).toBeLessThan(400);
    const busy = await collect(log.query({ outcome: 'busy' }));
    expect(busy).toHaveLength(67);
    expect(new Set(busy.map(({ event }) => event))).toEqual(new Set(['call.end']));
    expect(await collect(log.query({ intent: 'callback' }))).toHaveLength(20);
    expect((await collect(log.query({ intent: '170 ticket' }))).map(({ call }) => call)).toEqual([
      { id: 'c170', phase: 'attempt' },
    ]);
    expect(await collect(log.query({ intent: 'ticket tock' }))).toEqual([]);
    for (const newestFirst of [false, true]) {
      const both = await collect(log.query({ identity: [carol, alice], newestFirst }));
      const positions = both.map(({ position }) => position);
      expect(positions).toHaveLength(266);
      expect(positions).toEqual(positions.toSorted((a, b) => (newestFirst ? b - a : a - b)));
    }
    expect(await collect(log.query({ identity: bob, outcome: 'busy', limit: 5 }))).toHaveLength(5);
  });

  test('an index of an earlier release is made again from the log', async () => {
    const first = await openLog(directory.path);
    await settled(first.append(attempt('c1')));
    await first.close();
    const tables = new IndexTables(join(directory.path, 'index'), false);
    const state = Buffer.from(tables.root.get(Buffer.from('state')) ?? []);
    state.writeUInt32BE(1);
    tables.root.putSync(Buffer.from('state'), state);
    await tables.root.close();
    const reader = await openAuditReader({
      directory: join(directory.path, 'log'),
      indexDirectory: join(directory.path, 'index'),
    });
    expect(await collect(reader.query({ intent: 'voice bob' }))).toHaveLength(1);
    await reader.close();
    const log = await opened();
    expect(await collect(log.query({ intent: 'voice bob' }))).toHaveLength(1);
    expect(log.openCalls()).toHaveLength(1);
  });

  test('an unknown or ambiguous id prefix is told apart', async () => {
    const log = await opened();
    for (let at = 0; at < 40; at++) log.append(draft('x'));
    await settled(log.append(draft('x')));
    expect(await log.get('a'.repeat(52))).toBeUndefined();
    await expect(log.get('')).rejects.toMatchObject({ code: 'record-ambiguous' });
  });
});

describe('reading from another process', () => {
  test('sees what the writer has made durable, integrated or not, and after it is gone', async () => {
    const log = await opened({ limits: { checkpointDelayMs: 60_000 } });
    const options = { directory: join(directory.path, 'log'), indexDirectory: join(directory.path, 'index') };
    const reader = await openAuditReader(options);
    const first = log.append(attempt('c1'));
    await settled(first);
    expect((await collect(reader.query({ callId: 'c1' }))).map(({ id }) => id)).toEqual([first.id]);
    const last = log.append(closing('c1'));
    await settled(last);
    expect((await collect(reader.query({ identity: alice, newestFirst: true }))).map(({ id }) => id)).toEqual(
      [last.id, first.id],
    );
    const live = await verifyLog({ directory: options.directory, vkey: log.vkey });
    expect(live).toMatchObject({ valid: true, journaled: 3 });
    expect(live.notes.join()).toContain('being written to');
    await log.close();
    expect((await reader.get(last.id))?.event).toBe('call.end');
    expect((await collect(reader.query({ callId: 'c1' }))).map(({ id }) => id)).toEqual([first.id, last.id]);
    await reader.close();
    expect(await verifyLog({ directory: options.directory, vkey: log.vkey })).toMatchObject({
      valid: true,
      size: 3,
    });
  });

  test('a directory without a log is said to be one', async () => {
    await expect(
      openAuditReader({ directory: directory.path, indexDirectory: directory.path }),
    ).rejects.toMatchObject({
      code: 'checkpoint-missing',
    });
  });
});
