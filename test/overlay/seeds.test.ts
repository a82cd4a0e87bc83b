import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Challenge,
  type Device,
  type EndpointOptions,
  explainTrust,
  localDevice,
  noTrust,
  trustHalfLifeMs,
  trustScore,
} from '../../src/overlay/index.ts';
import { generateSigningKey } from '../../src/tokens/index.ts';
import { at, ownDevice as deviceOf, type MovingDevice } from './moving-device.ts';
import { OverlayFixture } from './overlay-fixture.ts';
import { sampleIdentity, startMs } from './samples.ts';

// Each test carries the number of the statement that it shows.

let fixture: OverlayFixture;
beforeEach(() => {
  fixture = new OverlayFixture();
});
afterEach(() => fixture.dispose());

const ownDevice = (name: string): MovingDevice => deviceOf(name, () => fixture.clock.now());

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

  it('seed 4: proofs fade, half of each in 30 days, and the score is explained', async () => {
    const { overlay, clock } = fixture;
    await overlay.register('sensor-01', at(44_321));
    for (let proof = 0; proof < 3; proof++) await overlay.verify('jis:sensor-01');
    const trust = async (): Promise<[score: number | undefined, text: string]> => {
      const identity = await overlay.lookup('jis:sensor-01');
      return [identity?.trustScore, identity ? explainTrust(identity.trust, clock.now()) : ''];
    };
    expect(await trust()).toEqual([4 / 5, '0.80: 3 proofs, 0 failures, last just now']);
    clock.advance(3 * 3_600_000);
    expect((await trust())[1]).toBe('0.80: 3 proofs, 0 failures, last 3 h ago');
    clock.advance(trustHalfLifeMs - 3 * 3_600_000);
    expect(await trust()).toEqual([2.5 / 3.5, '0.71: 3 proofs, 0 failures, last 30 d ago']);
    await overlay.verify('jis:sensor-01');
    expect((await trust())[0]).toBe(3.5 / 4.5);
    clock.advance(20 * trustHalfLifeMs);
    expect((await trust())[0]).toBeCloseTo(0.5, 4);
    expect(explainTrust(noTrust, 0)).toBe('0.50: no proofs yet');
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

  it('seed 7: a registration that is refused takes no name', async () => {
    const { overlay } = fixture;
    for (const wrong of [{ port: 0 }, { capabilities: ['A B'] }, { lifetimeSeconds: 10 ** 12 }])
      await expect(overlay.register('sensor-01', { ...at(44_321), ...wrong })).rejects.toThrow();
    expect(await overlay.register('sensor-01', at(44_321))).toMatchObject({ id: 'jis:sensor-01' });
  });

  it('seed 6 and 8: what a device can do goes along to where it moves, unless it says otherwise', async () => {
    const { overlay } = fixture;
    await overlay.register('sensor-01', { ...at(44_321), capabilities: ['mqtt'] });
    const move = async (place: EndpointOptions): Promise<unknown> =>
      overlay.updateEndpoint(await overlay.signEndpoint('jis:sensor-01', place));
    await move(at(51_000));
    expect(await overlay.findByCapability('mqtt')).toMatchObject([{ endpoint: '203.0.113.1:51000' }]);
    await move({ ...at(51_001), capabilities: [] });
    expect(await overlay.findByCapability('mqtt')).toEqual([]);
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
