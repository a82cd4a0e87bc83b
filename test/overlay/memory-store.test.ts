import { expect, it } from 'vitest';
import { IdentityOverlay, MemoryStore } from '../../src/overlay/index.ts';
import { describeStore } from './store-contract.ts';

describeStore('MemoryStore', async () => {
  const store = new MemoryStore();
  return { store, other: store, dispose: () => store.close() };
});

it('seed 1: the first lines of the origin document run as they stand there', async () => {
  const overlay = new IdentityOverlay();
  const place = { ip: '203.0.113.1', behindNat: true, capabilities: ['mqtt'] };
  await overlay.register('sensor-01', { ...place, port: 44321 });
  await overlay.register('sensor-02', { ...place, port: 44322 });
  expect(await overlay.verify('jis:sensor-01')).toMatchObject({ verified: true, trustScore: 0.5 });
  expect(await overlay.resolve('jis:sensor-01')).toMatchObject({
    endpoint: '203.0.113.1:44321',
    resolved: true,
  });
  const holders = await overlay.findByCapability('mqtt');
  expect(holders.map(({ id }) => id)).toEqual(['jis:sensor-01', 'jis:sensor-02']);
  await overlay.close();
});
