import { isIP } from 'node:net';

/** What kind of place a connection address names; `name` for a host name, which nobody looks up here. */
export type AddressKind =
  | 'name'
  | 'unspecified'
  | 'loopback'
  | 'link-local'
  | 'multicast'
  | 'broadcast'
  | 'unicast';

/** RFC 6890 for IPv4, RFC 4291 §2.4 for IPv6; an IPv4 address in IPv6 writing counts as what it is. */
export function addressKind(address: string): AddressKind {
  switch (isIP(address)) {
    case 4:
      return kindOfIpv4(address);
    case 6:
      return kindOfIpv6(address);
    default:
      return 'name';
  }
}

function kindOfIpv4(address: string): AddressKind {
  const [first = 0, second = 0] = address.split('.', 2).map(Number);
  if (address === '0.0.0.0') return 'unspecified';
  if (first === 127 || first === 0) return 'loopback';
  if (first === 169 && second === 254) return 'link-local';
  if (first >= 224 && first < 240) return 'multicast';
  return first >= 240 ? 'broadcast' : 'unicast';
}

function kindOfIpv6(address: string): AddressKind {
  const canonical = canonicalAddress(address);
  if (isIP(canonical) === 4) return kindOfIpv4(canonical);
  if (canonical === '::') return 'unspecified';
  if (canonical === '::1') return 'loopback';
  const first = Number.parseInt(canonical, 16);
  if (first >= 0xff00) return 'multicast';
  return first >= 0xfe80 && first <= 0xfebf ? 'link-local' : 'unicast';
}

/** One writing for one address: RFC 5952, and IPv4 for what is mapped. A name stays as it is. */
export function canonicalAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const zone = address.indexOf('%');
  const { hostname } = new URL(`http://[${zone < 0 ? address : address.slice(0, zone)}]`);
  const canonical = hostname.slice(1, -1);
  if (!canonical.startsWith('::ffff:')) return canonical;
  const [high = '', low = ''] = canonical.slice('::ffff:'.length).split(':');
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`;
}

/** Whether two addresses lie in one /24 (IPv4) or /64 (IPv6): what a carrier's NAT has as its pool, or one line has. */
export function inSameNetwork(one: string, other: string): boolean {
  const family = isIP(one);
  if (family === 0 || family !== isIP(other)) return false;
  if (family === 4) return one.slice(0, one.lastIndexOf('.')) === other.slice(0, other.lastIndexOf('.'));
  return firstGroups(one) === firstGroups(other);
}

function firstGroups(canonical: string): string {
  const gap = canonical.indexOf('::');
  const head = (gap < 0 ? canonical : canonical.slice(0, gap)).split(':');
  const tail = gap < 0 ? [] : canonical.slice(gap + 2).split(':');
  const zeros = gap < 0 ? 0 : 8 - head.length - tail.length;
  const groups = [...head, ...Array.from({ length: zeros }, () => '0'), ...tail];
  return groups
    .slice(0, 4)
    .map((group) => (group === '' ? '0' : group))
    .join(':');
}
