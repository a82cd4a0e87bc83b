import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AuditLog, addressParty, verifyLog } from '../../src/provenance/index.ts';
import { isFingerprint } from '../../src/tokens/index.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { alice, collect, draft, openLog, scratch, settled } from './support/test-log.ts';

describe('a party without identity', () => {
  test('is the same one however its number is written, and whoever’s gateway stands behind it', () => {
    const number = addressParty('+49301234567');
    expect(isFingerprint(number)).toBe(true);
    for (const same of [
      '49301234567',
      'sip:+49301234567@trunk.test',
      'tel:+49-30-1234567',
      '+49(30)1234567@a.b',
    ])
      expect(addressParty(same), same).toBe(number);
    expect(addressParty('sip:Bob@Example.org')).toBe(addressParty('bob@example.org'));
    for (const other of ['+49301234568', 'bob@example.org', 'bob@example.com', 'bob', '', '+', '-'])
      expect(addressParty(other), other).not.toBe(number);
    expect(addressParty('1007@one.test')).not.toBe(addressParty('1008@one.test'));
  });
});

describe('property 12 (erasable): a number that is nobody’s identity', () => {
  let directory: ReturnType<typeof scratch>;
  let disk: SimulatedDisk;
  let log: AuditLog;
  beforeEach(async () => {
    directory = scratch();
    disk = new SimulatedDisk();
    log = await openLog(directory.path, { storage: disk });
  });
  afterEach(async () => {
    await log.close();
    directory.dispose();
  });

  test('is erased like one: no file of the log holds it any more, and the log stays whole', async () => {
    const number = '+49301234567';
    for (let call = 0; call < 3; call++)
      await settled(
        log.append(
          draft('call.attempt', {
            erin: {
              event: 'call.attempt',
              caller: `${number}@trunk.test by peer carrier`,
              callee: 'jis:alice',
            },
            parties: [
              { fingerprint: addressParty(number), role: 'caller', owns: { erin: ['caller'] } },
              { fingerprint: alice, role: 'callee', owns: { erin: ['callee'] } },
            ],
          }),
        ),
      );
    const before = await collect(log.query({ identity: addressParty(number) }));
    expect(before.map(({ parties }) => parties[0]?.seq)).toEqual([1, 2, 3]);
    expect((await log.erase(addressParty(number))).records).toBe(3);
    const after = await collect(log.query({ identity: alice }));
    expect(after.map(({ erin }) => erin['caller'])).toEqual([undefined, undefined, undefined]);
    expect(after.map(({ erin }) => erin['callee'])).toEqual(['jis:alice', 'jis:alice', 'jis:alice']);
    await log.close();
    expect(await verifyLog({ directory: '', storage: disk, vkey: log.vkey })).toMatchObject({ problems: [] });
  });
});
