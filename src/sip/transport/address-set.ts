import { BlockList, isIPv6 } from 'node:net';
import { unmapped, withoutZone } from './ip-address.ts';

/** IP addresses and networks in CIDR notation, which the configuration has checked. */
export class AddressSet {
  readonly #list = new BlockList();

  constructor(entries: readonly string[]) {
    for (const entry of entries) {
      const [address = '', prefix] = entry.split('/');
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      if (prefix === undefined) this.#list.addAddress(withoutZone(address), family);
      else this.#list.addSubnet(address, Number(prefix), family);
    }
  }

  has(address: string): boolean {
    const bare = unmapped(withoutZone(address));
    return this.#list.check(bare, isIPv6(bare) ? 'ipv6' : 'ipv4');
  }
}
