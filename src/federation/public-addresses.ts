import { BlockList, isIP, isIPv6 } from 'node:net';

/** RFC 6890 and the registries that it made: what nobody on the public Internet has. */
const special4: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];
/** Of the global unicast space 2000::/3, what leads elsewhere: Teredo and the like, documentation, 6to4. */
const special6: readonly (readonly [network: string, prefix: number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const special = new BlockList();
for (const [network, prefix] of special4) special.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of special6) special.addSubnet(network, prefix, 'ipv6');
const global6 = new BlockList();
global6.addSubnet('2000::', 3, 'ipv6');

/** Whether an address is one that strangers may name: neither this machine, nor its networks, nor anything special. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0) return false;
  // Mapped and translated IPv4 addresses lie outside of 2000::/3.
  if (isIPv6(address)) return global6.check(address, 'ipv6') && !special.check(address, 'ipv6');
  return !special.check(address, 'ipv4');
}

/** Public addresses, and what the operator has named besides. */
export function openGuard(allowed: readonly string[]): (address: string) => boolean {
  const exceptions = new BlockList();
  for (const entry of allowed) {
    const [address = '', prefix] = entry.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (prefix === undefined) exceptions.addAddress(address, family);
    else exceptions.addSubnet(address, Number(prefix), family);
  }
  return (address) =>
    isPublicAddress(address) || exceptions.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
