import { isIP, SocketAddress } from 'node:net';

/** 4 or 16 bytes of an IP address in text, or undefined. A `%zone` is ignored. */
export function addressBytes(text: string): Uint8Array | undefined {
  const zoneAt = text.indexOf('%');
  const address = zoneAt < 0 ? text : text.slice(0, zoneAt);
  switch (isIP(address)) {
    case 4:
      return Uint8Array.from(address.split('.'), Number);
    case 6:
      return ipv6Bytes(address);
    default:
      return undefined;
  }
}

/** The canonical text (RFC 5952 for IPv6) of 4 or 16 bytes. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)).toString(16));
  return new SocketAddress({ family: 'ipv6', address: groups.join(':') }).address;
}

/** Without the `%zone` that means something on this machine alone. */
export function withoutZone(address: string): string {
  const zoneAt = address.indexOf('%');
  return zoneAt < 0 ? address : address.slice(0, zoneAt);
}

/** An IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) as IPv4; anything else as it is. */
export function unmapped(address: string): string {
  if (!address.startsWith('::ffff:') && !address.startsWith('::FFFF:')) return address;
  const bytes = addressBytes(address);
  const mapped = bytes?.length === 16 && bytes[10] === 0xff && bytes[11] === 0xff;
  return mapped ? addressText(bytes.subarray(12)) : address;
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

export function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/**
 * What the limits per source count by: the address, and for IPv6 its /64, which one subscriber owns whole.
 */
export function sourceKey(address: string): string {
  if (!address.includes(':')) return address;
  const bytes = addressBytes(address);
  return bytes === undefined ? address : `${Buffer.from(bytes.subarray(0, 8)).toString('hex')}/64`;
}

/** `host:port` with brackets around IPv6. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** RFC 4291 §2.2; the text has passed `isIP`. */
function ipv6Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const gapAt = text.indexOf('::');
  const head = groupBytes(gapAt < 0 ? text : text.slice(0, gapAt));
  bytes.set(head);
  if (gapAt >= 0) {
    const tail = groupBytes(text.slice(gapAt + 2));
    bytes.set(tail, 16 - tail.length);
  }
  return bytes;
}

function groupBytes(text: string): number[] {
  const bytes: number[] = [];
  if (text === '') return bytes;
  for (const group of text.split(':')) {
    if (group.includes('.')) {
      for (const part of group.split('.')) bytes.push(Number(part));
    } else {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}
