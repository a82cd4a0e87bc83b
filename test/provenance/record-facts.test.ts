import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeBase32 } from '../../src/base/index.ts';
import { splitBundle } from '../../src/provenance/bundle.ts';
import { decodeEntry } from '../../src/provenance/entry.ts';
import { ProvenanceError } from '../../src/provenance/error.ts';
import { splitOpenings } from '../../src/provenance/openings-file.ts';
import { PartyKeySnapshot } from '../../src/provenance/party-keys.ts';
import { openRecord, readRecord } from '../../src/provenance/record.ts';
import { factsOf, type SealedRecord } from '../../src/provenance/record-facts.ts';
import { bundlePath } from '../../src/provenance/tile-layout.ts';
import { TokenError } from '../../src/tokens/index.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { alice, attempt, bob, closing, draft, openLog, scratch, settled } from './support/test-log.ts';

const carol = `${'c'.repeat(51)}a`;

let directory: ReturnType<typeof scratch>;
beforeEach(() => {
  directory = scratch();
});
afterEach(() => directory.dispose());

test('what a start after a crash takes from a record is what reading all of it gives, also of erased ones', async () => {
  const disk = new SimulatedDisk();
  const log = await openLog(directory.path, { storage: disk });
  log.append({
    ...attempt('call-1'),
    parties: [
      {
        fingerprint: alice,
        role: 'caller',
        owns: { erin: ['callId'], eromheen: ['transport'] },
        details: { device: 'desk phone', floors: [1, 2], 'called before': true },
      },
      { fingerprint: bob, role: 'callee' },
    ],
  });
  log.append(draft('call.answer', { call: { id: 'call-1', phase: 'answer' } }));
  log.append({ ...closing('call-1'), erin: { event: 'call.end', outcome: 'answered', talkedMs: 70_000 } });
  log.append({ ...attempt('call-2'), erachter: 'um Rückruf wird gebeten, '.repeat(20) });
  log.append(draft('registration', { parties: [{ fingerprint: carol, role: 'subject' }] }));
  log.append(draft('to nobody', { parties: [] }));
  log.append({ ...attempt('call-3'), parties: [{ fingerprint: bob, role: 'caller' }] });
  await settled(log.append(draft('last')));
  await log.erase(bob);
  await log.erase(carol);
  await log.close();

  const keys = await PartyKeySnapshot.read(disk);
  const { size } = log;
  const entries = splitBundle((await disk.read(bundlePath(0, size))) ?? Buffer.alloc(0), 2);
  const openings = splitOpenings((await disk.read('openings/000')) ?? Buffer.alloc(0));
  let opened = 0;
  for (const [position, entry] of entries.entries()) {
    const opening = openings[position] ?? Buffer.alloc(0);
    const { statement, receipt } = decodeEntry(entry);
    const { facts, sipCallId } = factsOf({ statement, opening, receipt: () => receipt }, keys);
    const sealed = openRecord({ position, entry, opening }, keys);
    const { id, timeMs, event, call, erin, erachter, parties } = readRecord(sealed);
    expect({ ...facts, idBytes: encodeBase32(facts.idBytes), opensNode: undefined, sipCallId }).toEqual({
      idBytes: id,
      timeMs,
      event,
      call,
      parties: parties.map((party) => ({ ...party, prev: undefined, slot: expect.any(Number) })),
      opensNode: undefined,
      outcome: erin['outcome'],
      intent: call?.phase === 'attempt' ? erachter : undefined,
      sipCallId: erin['callId'],
    });
    expect(facts.opensNode !== undefined).toBe(event === 'node.start');
    for (const { slot } of facts.parties) expect(sealed.slots).toContain(slot);
    opened += facts.parties.length;
  }
  expect(entries).toHaveLength(11);
  expect(opened).toBe(5);
});

test('bytes that are no record raise ProvenanceError or TokenError, and nothing else', () => {
  const none = { keyIn: () => new Uint8Array(32) };
  const cborLike = fc
    .array(fc.constantFrom(0x80, 0x83, 0x87, 0xa1, 0x41, 0x50, 0x61, 0x18, 0x1b, 0xf6, 0x01), {
      maxLength: 60,
    })
    .map((bytes) => Uint8Array.from(bytes));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), cborLike), (opening) => {
      const record: SealedRecord = { statement: opening, opening, receipt: () => opening };
      try {
        factsOf(record, none);
      } catch (error) {
        if (!(error instanceof ProvenanceError || error instanceof TokenError)) throw error;
      }
    }),
    { numRuns: 2_000 },
  );
});
