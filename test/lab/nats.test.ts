import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DatagramSocket } from './datagram-socket.ts';
import { carrierNat, fullCone, homeRouter, type NatBehaviour, symmetricNat } from './nat-behaviour.ts';
import { gatewayAddress, LabNetwork, sharedAddress, strangerAddress } from './network.ts';
import { whyNoLab } from './permission.ts';

const why = await whyNoLab();
if (why !== undefined) process.stderr.write(`skipped: test/lab/nats.test.ts: ${why}\n`);

/** One NAT at a time is looked at: the other one hides nothing. */
const transparent = fullCone;

describe.skipIf(why !== undefined)('the NATs of the lab', () => {
  let network: LabNetwork;

  beforeAll(async () => {
    network = await LabNetwork.build();
    await network.addPhone('alice', { home: 'a1', address: '10.0.0.10' });
    await network.addPhone('bob', { home: 'a2', address: '10.0.0.10' });
    for (const address of [gatewayAddress, strangerAddress])
      await DatagramSocket.open(network.sandbox, 'gateway', { address, port: 4_000, echo: true });
  });
  afterAll(async () => network.close());

  async function phone(name: string, port = 0): Promise<DatagramSocket> {
    return DatagramSocket.open(network.sandbox, name, { port });
  }
  const portOf = (address: string | undefined): number => Number(address?.split(' ')[1]);

  const behaviours: Readonly<Record<string, NatBehaviour>> = {
    homeRouter,
    carrierNat,
    symmetricNat,
    fullCone,
  };
  it.each(Object.entries(behaviours))(
    '%s maps, filters and hairpins as RFC 4787 names it',
    async (_, nat) => {
      await network.setCarrier('a', nat);
      await network.setHome('a1', transparent);
      await network.setHome('a2', transparent);
      const [alice, bob] = [await phone('alice', 5_060), await phone('bob', 5_060)];

      const seen = await alice.seenBy(gatewayAddress, 4_000);
      const seenElsewhere = await alice.seenBy(strangerAddress, 4_000);
      expect(seen?.split(' ')[0]).toBe(sharedAddress);
      expect(portOf(seen)).toBeLessThan(32_768);
      expect(seenElsewhere === seen, `${seen}, ${seenElsewhere}`).toBe(
        nat.mapping === 'endpoint-independent',
      );
      expect(portOf(seen) === 5_060, `${seen}`).toBe(nat.ports === 'preserving');

      const other = await DatagramSocket.open(network.sandbox, 'gateway', { address: strangerAddress });
      other.send(sharedAddress, portOf(seen));
      const filtered = (await alice.next(`${strangerAddress} ${other.port}`, 300)) === undefined;
      expect(filtered).toBe(nat.filtering === 'address-and-port-dependent');

      const bobSeen = await bob.seenBy(gatewayAddress, 4_000);
      expect(bobSeen).not.toBe(seen);
      alice.send(sharedAddress, portOf(bobSeen), 'round the corner');
      const hairpinned = await bob.next(seen ?? '', 300);
      expect(hairpinned !== undefined).toBe(nat.hairpin);
      for (const socket of [alice, bob, other]) socket.close();
    },
  );
});
