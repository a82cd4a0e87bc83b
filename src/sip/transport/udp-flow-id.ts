import { createHash } from 'node:crypto';
import { decodeBase64Url, encodeBase64Url } from '../../base/index.ts';
import type { Endpoint } from './flow.ts';
import { addressBytes, addressText } from './ip-address.ts';

/** A UDP flow id is `u` and the base64url of: listener tag, remote port, remote address, zone of a link-local one. */
const prefix = 'u';
const tagBytes = 3;
const portEnd = tagBytes + 2;
const maxZoneBytes = 16;

/** Names a listener in flow ids: the same for the same configured host and port, in every run. */
export function udpListenerTag(host: string, port: number): string {
  return createHash('sha256')
    .update(`udp|${host}|${port}`)
    .digest()
    .subarray(0, tagBytes)
    .toString('base64url');
}

/** 13 characters for IPv4, 29 for IPv6. `remote.address` is an IP address. */
export function encodeUdpFlowId(listenerTag: string, remote: Endpoint): string {
  const address = addressBytes(remote.address) ?? new Uint8Array(4);
  const zoneAt = remote.address.indexOf('%');
  const zone = zoneAt < 0 ? '' : remote.address.slice(zoneAt + 1);
  const bytes = Buffer.alloc(portEnd + address.length + zone.length);
  bytes.write(listenerTag, 'base64url');
  bytes.writeUInt16BE(remote.port, tagBytes);
  bytes.set(address, portEnd);
  bytes.write(zone, portEnd + address.length, 'latin1');
  return prefix + encodeBase64Url(bytes);
}

/** The parts of a UDP flow id, or undefined for any other text. Flow ids come back through the network in tokens. */
export function decodeUdpFlowId(
  id: string,
): { readonly listenerTag: string; readonly remote: Endpoint } | undefined {
  if (!id.startsWith(prefix)) return undefined;
  const decoded = decodeBase64Url(id.slice(prefix.length));
  if (decoded === undefined) return undefined;
  const bytes = Buffer.from(decoded);
  const length = bytes.length;
  const ipv4 = length === portEnd + 4;
  if (!ipv4 && (length < portEnd + 16 || length > portEnd + 16 + maxZoneBytes)) return undefined;
  const port = bytes.readUInt16BE(tagBytes);
  if (port === 0) return undefined;
  const addressEnd = portEnd + (ipv4 ? 4 : 16);
  const address = addressText(bytes.subarray(portEnd, addressEnd));
  const zone = bytes.toString('latin1', addressEnd);
  return {
    listenerTag: bytes.toString('base64url', 0, tagBytes),
    remote: { address: zone === '' ? address : `${address}%${zone}`, port },
  };
}
