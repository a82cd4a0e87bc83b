import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { overlayRecord } from '../../src/overlay/index.ts';
import { AuditLog, type StoredRecord } from '../../src/provenance/index.ts';
import { generateSigningKey } from '../../src/tokens/index.ts';
import { at, ownDevice as deviceOf, type MovingDevice } from './moving-device.ts';
import { OverlayFixture } from './overlay-fixture.ts';
import { sampleBinding, sampleIdentity } from './samples.ts';

// Each test carries the number of the statement that it shows.

let fixture: OverlayFixture;
beforeEach(() => {
  fixture = new OverlayFixture();
});
afterEach(() => fixture.dispose());

const ownDevice = (name: string): MovingDevice => deviceOf(name, () => fixture.clock.now());

describe('the problems of the table and the use cases', () => {
  it('seed 10: shared address: each device behind it is somebody', async () => {
    const { overlay } = fixture;
    for (let port = 40_000; port < 40_020; port++) await overlay.register(`sensor-${port}`, at(port));
    const holders = await overlay.findByCapability('mqtt');
    expect(new Set(holders.map(({ identity }) => identity.fingerprint)).size).toBe(20);
    expect(new Set(holders.map(({ endpoint }) => endpoint)).size).toBe(20);
  });

  it('seed 10: address change: the identity persists with its key, name and trust', async () => {
    const { overlay } = fixture;
    const before = await overlay.register('sensor-01', at(44_321));
    await overlay.verify('jis:sensor-01');
    await overlay.updateEndpoint(
      await overlay.signEndpoint('jis:sensor-01', { ip: '198.51.100.9', port: 9 }),
    );
    const after = await overlay.lookup('jis:sensor-01');
    expect(after?.fingerprint).toBe(before.identity.fingerprint);
    expect(after?.trust.verified).toBe(1);
    expect((await overlay.resolve('jis:sensor-01')).endpoint).toBe('198.51.100.9:9');
  });

  it('seed 10: spoofing: the address of another proves nothing', async () => {
    const { overlay } = fixture;
    const victim = ownDevice('jis:victim');
    await overlay.register('victim', at(44_321), victim);
    const attacker = ownDevice('jis:attacker');
    await overlay.register('attacker', at(44_321), attacker);
    const { fingerprint } = (await overlay.lookup('jis:victim')) ?? { fingerprint: '' };
    overlay.attachProver(fingerprint, attacker);
    expect(await overlay.verify('jis:victim')).toMatchObject({ verified: false });
  });

  it('seed 10: audit trail: the record says which identity did what where', async () => {
    await fixture.overlay.register('sensor-01', at(44_321));
    const event = fixture.events.find(({ kind }) => kind === 'registration');
    expect(event && overlayRecord(event).erin).toMatchObject({
      event: 'overlay.registration',
      identity: 'jis:sensor-01',
      endpoint: '203.0.113.1:44321',
    });
  });

  it('seed 11: overlapping subnets: one private address, many identities, each on its own flow', async () => {
    const { overlay } = fixture;
    const flows = await Promise.all(
      ['jis:plant-a', 'jis:plant-b'].map(async (name) => {
        const enrolled = await overlay.enrol(sampleIdentity(name).token);
        if (enrolled.kind !== 'enrolled') throw enrolled.error;
        const { fingerprint } = enrolled.identity;
        const binding = sampleBinding({ contactUri: 'sip:phone@10.0.0.7:5060', flowId: `flow of ${name}` });
        await overlay.saveBindings(fingerprint, [{ kind: 'added', binding }]);
        return (await overlay.bindings(fingerprint))[0]?.flowId;
      }),
    );
    expect(flows).toEqual(['flow of jis:plant-a', 'flow of jis:plant-b']);
  });

  it('seed 11: roaming: the newest flow comes first; several endpoints of one identity all count', async () => {
    const { overlay } = fixture;
    const enrolled = await overlay.enrol(sampleIdentity('jis:alice').token);
    if (enrolled.kind !== 'enrolled') throw enrolled.error;
    const { fingerprint } = enrolled.identity;
    const bind = (id: string, flowId: string): Promise<void> =>
      overlay.saveBindings(fingerprint, [{ kind: 'added', binding: sampleBinding({ id, flowId }) }]);
    await bind('desk', 'ethernet');
    await bind('mobile', 'wifi');
    await bind('mobile', 'lte');
    await bind('desk', 'ethernet-2');
    const bindings = await overlay.bindings(fingerprint);
    expect(bindings.map(({ id, flowId }) => `${id} ${flowId}`)).toEqual(['desk ethernet-2', 'mobile lte']);
  });
});

describe('TIBET', () => {
  it('seed 12: registration, verification and resolution each leave one record with all four layers', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tibet-audit-'));
    const node = sampleIdentity('jis:gateway');
    const log = await AuditLog.open({
      directory: join(directory, 'log'),
      indexDirectory: join(directory, 'index'),
      nodeKey: node.key,
      nodeFingerprint: node.token.fingerprint,
      checkpointKey: generateSigningKey(),
      origin: 'example.com/overlay',
    });
    const { overlay } = fixture;
    await overlay.register('sensor-01', at(44_321));
    await overlay.verify('jis:sensor-01');
    await overlay.resolve('jis:sensor-01');
    await overlay.register('sensor-01', at(6_666)).catch(() => undefined);
    await overlay.verify('jis:nobody');
    await overlay.resolve('jis:nobody');
    const ids = new Set(fixture.events.map((event) => log.append(overlayRecord(event)).id));
    const records: StoredRecord[] = [];
    await expect
      .poll(async () => {
        records.length = 0;
        for await (const record of log.query()) if (ids.has(record.id)) records.push(record);
        return records.length;
      })
      .toBe(ids.size);
    const outcomes = records
      .map(({ erin }) => `${String(erin['event'])} ${String(erin['outcome'])}`)
      .toSorted();
    expect(outcomes).toEqual([
      'overlay.enrolment done',
      'overlay.enrolment refused',
      'overlay.registration done',
      'overlay.registration refused',
      'overlay.resolution done',
      'overlay.resolution refused',
      'overlay.verification done',
      'overlay.verification refused',
    ]);
    for (const record of records) {
      expect(record.erachter).not.toBe('');
      expect(record.eraan['tokens']).toBeInstanceOf(Array);
      expect(record.eromheen['node']).toBeDefined();
    }
    await log.close();
    rmSync(directory, { recursive: true, force: true });
  });
});
