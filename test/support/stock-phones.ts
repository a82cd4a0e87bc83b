import { join } from 'node:path';
import { IdentityOverlay, openStore, type StoreLocation } from '../../src/overlay/index.ts';
import { mintDigestCredential } from '../../src/sip/index.ts';
import type { GatewayProcess } from './processes.ts';
import { SipAgent } from './sip-agent.ts';
import type { WireTransport } from './sip-wire.ts';

/** Domain and realm of a gateway that is started on its defaults. */
export const domain = 'localhost';

/** What a person types into a phone. */
export interface StockPhone {
  readonly user: string;
  readonly password: string;
  readonly fingerprint: string;
}

/** Sets up stock phones for the users in a data directory, as `device add` does: `alice` becomes `jis:alice`. */
export async function addStockPhones(
  dataDir: string,
  users: readonly string[],
  realm: string = domain,
  location: StoreLocation = { kind: 'embedded' },
): Promise<readonly StockPhone[]> {
  const store = await openStore(location, join(dataDir, 'overlay'));
  const overlay = new IdentityOverlay({ store, node: 'test' });
  const phones = await Promise.all(
    users.map(async (user) => {
      const password = `pass-${user}`;
      const { identity } = await overlay.addDevice({
        name: `jis:${user}`,
        credential: mintDigestCredential({ username: user, realm, password }),
      });
      return { user, password, fingerprint: identity.fingerprint };
    }),
  );
  await overlay.close();
  return phones;
}

/** A stock phone's user agent on a socket of its own, not yet registered. */
export function openAgent(
  gateway: GatewayProcess,
  phone: StockPhone,
  transport: WireTransport = 'udp',
): Promise<SipAgent> {
  const { user, password } = phone;
  return SipAgent.open({ user, password, domain, transport, port: gateway.port(transport) });
}
