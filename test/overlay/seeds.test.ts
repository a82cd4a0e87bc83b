import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Challenge,
  type Device,
  type EndpointOptions,
  localDevice,
  overlayRecord,
  signEndpointRecord,
  trustScore,
} from '../../src/overlay/index.ts';
import { AuditLog, type StoredRecord } from '../../src/provenance/index.ts';
import { generateSigningKey } from '../../src/tokens/index.ts';
import { OverlayFixture } from './overlay-fixture.ts';
import { sampleBinding, sampleIdentity, startMs } from './samples.ts';

// Each test carries the number of the statement that it shows.

const shared = '203.0.113.1';
const at = (port: number, more: Partial<EndpointOptions> = {}): EndpointOptions => ({
  ip: shared,
  port,
  behindNat: true,
  capabilities: ['mqtt'],
  ...more,
});

let fixture: OverlayFixture;
beforeEach(() => {
  fixture = new OverlayFixture();
});
afterEach(() => fixture.dispose());

/** A device with its own key under a name, and a way to sign endpoint records as it moves. */
function ownDevice(
  name: string,
): Device & { move(sequence: bigint, port: number, seconds?: number): Uint8Array } {
  const { key, token } = sampleIdentity(name);
  return {
    ...localDevice(token.bytes, key),
    move: (sequence, port, seconds = 3_600) => {
      const issuedAt = Math.floor(fixture.clock.now() / 1000);
      return signEndpointRecord(key, {
        fingerprint: token.fingerprint,
        sequence,
        issuedAt,
        expires: issuedAt + seconds,
        address: shared,
        port,
        behindNat: true,
        capabilities: ['mqtt'],
      });
    },
  };
}

describe('tibet-overlay', () => {
  it('seed 1: register makes a key pair, gives jis:<name>, stores the endpoint and leaves a record', async () => {
    const { overlay } = fixture;
    const { id, identity, endpoint } = await overlay.register('sensor-01', at(44_321));
    expect(id).toBe('jis:sensor-01');
    expect(identity.publicKey).toHaveLength(32);
    expect(endpoint).toBe('203.0.113.1:44321');
    expect((await overlay.resolve('jis:sensor-01')).endpoint).toBe('203.0.113.1:44321');
    expect(fixture.takeEvents()).toContain('registration done');
  });

  it('seed 1: register asks a device that brings a key to prove it', async () => {
    const { overlay } = fixture;
    const { key, token } = sampleIdentity('jis:sensor-01');
    let challenged = 0;
    const honest: Device = {
      ...localDevice(token.bytes, key),
      prove: async ({ message }) => {
        challenged++;
        return key.sign(message);
      },
    };
    expect((await overlay.register('sensor-01', at(44_321), honest)).identity.custody).toBe('device');
    expect(challenged).toBe(1);
    const stolenToken = sampleIdentity('jis:sensor-02');
    const thief = localDevice(stolenToken.token.bytes, generateSigningKey());
    await expect(overlay.register('sensor-02', at(44_322), thief)).rejects.toMatchObject({
      code: 'proof-failed',
    });
    expect(await overlay.lookup('jis:sensor-02')).toBeUndefined();
  });

  it('seed 2: two devices on one address get distinct keys and ids, and both resolve', async () => {
    const { overlay } = fixture;
    const one = await overlay.register('sensor-01', at(44_321));
    const two = await overlay.register('sensor-02', at(44_322));
    expect(one.identity.fingerprint).not.toBe(two.identity.fingerprint);
    expect(one.identity.publicKey).not.toEqual(two.identity.publicKey);
    expect((await overlay.resolve(one.id)).endpoint).toBe('203.0.113.1:44321');
    expect((await overlay.resolve(two.id)).endpoint).toBe('203.0.113.1:44322');
  });

  it('seed 3: verify runs a fresh challenge each time; a wrong key and a replay fail', async () => {
    const { overlay } = fixture;
    const { key, token } = sampleIdentity('jis:sensor-01');
    const asked: Challenge[] = [];
    await overlay.register('sensor-01', at(44_321), localDevice(token.bytes, key));
    const answers = (sign: (message: Uint8Array) => Uint8Array | undefined): void =>
      overlay.attachProver(token.fingerprint, {
        prove: async (challenge) => {
          asked.push(challenge);
          return sign(challenge.message);
        },
      });
    let recorded: Uint8Array | undefined;
    answers((message) => {
      recorded = key.sign(message);
      return recorded;
    });
    expect(await overlay.verify('jis:sensor-01')).toMatchObject({ verified: true });
    answers(() => recorded);
    expect(await overlay.verify('jis:sensor-01')).toMatchObject({ verified: false, fault: 'signature' });
    const wrongKey = generateSigningKey();
    answers((message) => wrongKey.sign(message));
    expect(await overlay.verify('jis:sensor-01')).toMatchObject({ verified: false, fault: 'signature' });
    answers(() => undefined);
    expect(await overlay.verify('jis:sensor-01')).toMatchObject({ verified: false, fault: 'unreachable' });
    expect(new Set(asked.map(({ nonce }) => nonce)).size).toBe(4);
    const text = new TextDecoder().decode(asked[0]?.message);
    expect(text).toBe(`jis-challenge:v1:jis:sensor-01:${asked[0]?.nonce}:${startMs / 1000}`);
  });

  it('seed 3: the right address with the wrong key is not verified, an unknown id is false', async () => {
    const { overlay } = fixture;
    const device = ownDevice('jis:sensor-01');
    const { identity } = await overlay.register('sensor-01', at(44_321), device);
    overlay.attachProver(identity.fingerprint, localDevice(device.token, generateSigningKey()));
    expect((await overlay.resolve('jis:sensor-01')).endpoint).toBe('203.0.113.1:44321');
    expect(await overlay.verify('jis:sensor-01')).toMatchObject({ verified: false });
    expect(await overlay.verify('jis:nobody')).toEqual({
      verified: false,
      trustScore: 0,
      fault: 'unknown-identity',
      identity: undefined,
    });
  });

  it('seed 3: an answer after the challenge has ended does not count', async () => {
    const { overlay } = fixture;
    const { key, token } = sampleIdentity('jis:sensor-01');
    await overlay.register('sensor-01', at(44_321), localDevice(token.bytes, key));
    let aborted = false;
    overlay.attachProver(token.fingerprint, {
      prove: (_challenge, signal) =>
        new Promise(() => {
          signal.addEventListener('abort', () => {
            aborted = true;
          });
          fixture.clock.advance(30_000);
        }),
    });
    expect(await overlay.verify('jis:sensor-01')).toMatchObject({ verified: false, fault: 'unreachable' });
    expect(aborted).toBe(true);
  });

  it('seed 4: a new device scores exactly 0.5; proofs move the score within 0 and 1', async () => {
    const { overlay } = fixture;
    const { identity } = await overlay.register('sensor-01', at(44_321));
    expect(await overlay.verify('jis:sensor-01')).toMatchObject({ verified: true, trustScore: 0.5 });
    expect(await overlay.verify('jis:sensor-01')).toMatchObject({ verified: true, trustScore: 2 / 3 });
    overlay.attachProver(identity.fingerprint, localDevice(identity.token, generateSigningKey()));
    expect(await overlay.verify('jis:sensor-01')).toMatchObject({ verified: false, trustScore: 3 / 4 });
    expect((await overlay.lookup('jis:sensor-01'))?.trustScore).toBe(3 / 5);
    for (const proofs of [0, 1, 10, 1e9]) {
      expect(trustScore({ verified: proofs, failed: 0 })).toBeLessThan(1);
      expect(trustScore({ verified: 0, failed: proofs })).toBeGreaterThan(0);
    }
  });

  it('seed 5: resolve gives ip:port while the record lives; expired or unknown gives none', async () => {
    const { overlay, clock } = fixture;
    await overlay.register('sensor-01', at(44_321, { lifetimeSeconds: 60 }));
    expect(await overlay.resolve('jis:sensor-01')).toMatchObject({
      resolved: true,
      endpoint: '203.0.113.1:44321',
    });
    clock.advance(60_000);
    expect(await overlay.resolve('jis:sensor-01')).toMatchObject({ resolved: false, endpoint: undefined });
    expect(await overlay.resolve('jis:nobody')).toMatchObject({ resolved: false, endpoint: undefined });
  });

  it('seed 6: an endpoint change keeps the id and counts only when signed with a higher sequence', async () => {
    const { overlay } = fixture;
    const device = ownDevice('jis:sensor-01');
    const { identity } = await overlay.register('sensor-01', at(44_321), device);
    await overlay.updateEndpoint(device.move(2n, 55_000));
    expect(await overlay.resolve('jis:sensor-01')).toMatchObject({ endpoint: '203.0.113.1:55000' });
    expect((await overlay.lookup('jis:sensor-01'))?.fingerprint).toBe(identity.fingerprint);
    const forged = device.move(3n, 6_666);
    forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1;
    await expect(overlay.updateEndpoint(forged)).rejects.toMatchObject({ code: 'record-signature' });
    for (const replayed of [device.move(2n, 6_666), device.move(1n, 6_666)])
      await expect(overlay.updateEndpoint(replayed)).rejects.toMatchObject({ code: 'record-replayed' });
    const restarted = await fixture.restart();
    await expect(restarted.updateEndpoint(device.move(2n, 6_666))).rejects.toMatchObject({
      code: 'record-replayed',
    });
    expect(await restarted.resolve('jis:sensor-01')).toMatchObject({ endpoint: '203.0.113.1:55000' });
  });

  it('seed 6: the sequence outlives the record that carried it', async () => {
    const { overlay, clock } = fixture;
    const device = ownDevice('jis:sensor-01');
    await overlay.register('sensor-01', at(44_321), device);
    await overlay.updateEndpoint(device.move(7n, 55_000, 60));
    clock.advance(3_600_000);
    await expect(overlay.updateEndpoint(device.move(7n, 6_666))).rejects.toMatchObject({
      code: 'record-replayed',
    });
    await expect(overlay.updateEndpoint(device.move(8n, 55_001))).resolves.toMatchObject({ sequence: 8n });
  });

  it('seed 7: taking a taken name with another key is refused', async () => {
    const { overlay } = fixture;
    const { identity } = await overlay.register('sensor-01', at(44_321));
    await expect(overlay.register('sensor-01', at(6_666))).rejects.toMatchObject({ code: 'name-taken' });
    const usurper = ownDevice('jis:sensor-01');
    await expect(overlay.register('sensor-01', at(6_666), usurper)).rejects.toMatchObject({
      code: 'name-taken',
    });
    expect(await overlay.resolve('jis:sensor-01')).toMatchObject({ endpoint: '203.0.113.1:44321' });
    expect((await overlay.lookup('sensor-01'))?.fingerprint).toBe(identity.fingerprint);
  });

  it('seed 8: findByCapability gives exactly the live holders', async () => {
    const { overlay, clock } = fixture;
    await overlay.register('sensor-01', at(44_321));
    await overlay.register('sensor-02', at(44_322, { lifetimeSeconds: 60 }));
    await overlay.register('camera-01', at(44_323, { capabilities: ['rtsp'] }));
    const revoked = await overlay.register('sensor-03', at(44_324));
    await overlay.revoke(revoked.identity.fingerprint);
    const holders = async (capability: string): Promise<string[]> =>
      (await overlay.findByCapability(capability)).map(({ id }) => id);
    expect(await holders('mqtt')).toEqual(['jis:sensor-01', 'jis:sensor-02']);
    expect(await holders('rtsp')).toEqual(['jis:camera-01']);
    expect(await holders('coap')).toEqual([]);
    clock.advance(60_000);
    expect(await holders('mqtt')).toEqual(['jis:sensor-01']);
  });

  it('seed 9: the story of the demo holds: a shared address, proof by key, an address change', async () => {
    const { overlay } = fixture;
    await overlay.register('sensor-01', at(44_321));
    await overlay.register('sensor-02', at(44_322));
    expect(await overlay.verify('jis:sensor-01')).toMatchObject({ verified: true, trustScore: 0.5 });
    await overlay.updateEndpoint(await overlay.signEndpoint('jis:sensor-01', at(51_000)));
    expect(await overlay.resolve('jis:sensor-01')).toMatchObject({
      resolved: true,
      endpoint: '203.0.113.1:51000',
    });
    expect(await overlay.resolve('jis:sensor-02')).toMatchObject({
      resolved: true,
      endpoint: '203.0.113.1:44322',
    });
  });
});

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
