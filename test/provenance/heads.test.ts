import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeBase32, encodeBase32 } from '../../src/base/index.ts';
import { type AuditLog, headHolds, verifyLog } from '../../src/provenance/index.ts';
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
let disk: SimulatedDisk;
let log: AuditLog;
beforeEach(async () => {
  directory = scratch();
  disk = new SimulatedDisk();
  log = await openLog(directory.path, { storage: disk });
  for (const id of ['one', 'two', 'three'])
    for (const one of [attempt(id), closing(id)]) await settled(log.append(one));
});
afterEach(async () => {
  await log.close();
  directory.dispose();
});

describe('property 10 (complete per identity): a committed head', () => {
  test('gives away a list that lacks its tail, with nothing but the proof of one record', async () => {
    const { record, head } = await log.commitHeads(alice);
    if (!head) throw new Error('no head');
    const root = (await log.get(record))?.erin['root'];
    if (!(root instanceof Uint8Array)) throw new Error('no root');
    expect(headHolds(head, root)).toBe(true);
    const list = await collect(log.query({ identity: alice }));
    const isComplete = (records: typeof list): boolean =>
      records.length === head.seq && records.at(-1)?.id === encodeBase32(head.record);
    expect(isComplete(list)).toBe(true);
    expect(isComplete(list.slice(0, -1))).toBe(false);
    // An earlier head cannot be passed off as the committed one.
    const earlier = list.at(-2);
    const [party] = earlier?.parties ?? [];
    expect(
      headHolds(
        { ...head, seq: party?.seq ?? 0, record: decodeBase32(earlier?.id ?? '') ?? head.record },
        root,
      ),
    ).toBe(false);
    expect(headHolds({ ...head, fingerprint: bob }, root)).toBe(false);
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
    await log.commitHeads();
    await log.close();
    const { valid, notes } = await verifyLog({ directory: '', storage: disk, vkey: log.vkey });
    expect(valid).toBe(true);
    expect(notes.join()).toContain('erased since');
  });
});
