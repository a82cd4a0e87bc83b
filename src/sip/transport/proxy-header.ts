import { isIPv4, isIPv6 } from 'node:net';
import { asBuffer } from '../../base/index.ts';
import type { Endpoint } from './flow.ts';
import { addressText, unmapped } from './ip-address.ts';
import { TransportError } from './transport-error.ts';

/** The two ends of a connection as the phone sees it: its own address, and the one that it connected to. */
export interface ConnectionEnds {
  readonly remote: Endpoint;
  readonly local: Endpoint;
}

export interface ProxyHeader {
  /** Bytes of the header; what follows them belongs to the phone. */
  readonly length: number;
  /** Undefined when the balancer speaks for itself (LOCAL, UNKNOWN, UNSPEC): its own addresses stand. */
  readonly ends: ConnectionEnds | undefined;
}

/** PROXY protocol, section 2.2: what every binary header starts with. */
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const v1Start = Buffer.from('PROXY ', 'latin1');
/** Section 2.1: the longest text header, its CRLF included. */
const maxV1Bytes = 107;
const v2FixedBytes = 16;
const tcpOverIpv4 = 0x11;
const tcpOverIpv6 = 0x21;
const unspecified = 0x00;

/**
 * The PROXY header (haproxy's proxy-protocol.txt, versions 1 and 2) at the start of a balancer's connection;
 * undefined while it is incomplete. Throws TransportError `proxy-header` for anything else: whoever is configured as
 * a balancer always sends one.
 */
export function parseProxyHeader(bytes: Uint8Array, maxBytes: number): ProxyHeader | undefined {
  const buffer = asBuffer(bytes);
  if (startsAlike(buffer, signature))
    return buffer.length < v2FixedBytes ? undefined : parseV2(buffer, maxBytes);
  if (startsAlike(buffer, v1Start)) return parseV1(buffer);
  throw malformed('neither version 1 nor 2');
}

function parseV2(buffer: Buffer, maxBytes: number): ProxyHeader | undefined {
  const versionAndCommand = buffer[12] ?? 0;
  if (versionAndCommand >> 4 !== 2) throw malformed('version');
  const command = versionAndCommand & 0x0f;
  if (command > 1) throw malformed('command');
  const length = v2FixedBytes + buffer.readUInt16BE(14);
  if (length > maxBytes) throw malformed('length');
  const family = buffer[13] ?? 0;
  const addressBytes = family === tcpOverIpv4 ? 4 : family === tcpOverIpv6 ? 16 : 0;
  // LOCAL: a health check of the balancer's own; what it writes of addresses is to be ignored.
  const spoken = command === 1 && family !== unspecified;
  if (spoken && addressBytes === 0) throw malformed('family');
  const attributesAt = v2FixedBytes + (spoken ? 2 * addressBytes + 4 : 0);
  if (length < attributesAt) throw malformed('length');
  if (buffer.length < length) return undefined;
  if (!spoken) return { length, ends: undefined };
  checkAttributes(buffer, attributesAt, length);
  const portsAt = v2FixedBytes + 2 * addressBytes;
  const endpoint = (index: 0 | 1): Endpoint => {
    const at = v2FixedBytes + index * addressBytes;
    return endpointOf(
      addressText(buffer.subarray(at, at + addressBytes)),
      buffer.readUInt16BE(portsAt + 2 * index),
    );
  };
  return { length, ends: { remote: endpoint(0), local: endpoint(1) } };
}

/** Section 2.2.4: type, length and value, which must fill the rest exactly. Nothing in them changes anything here. */
function checkAttributes(buffer: Buffer, from: number, end: number): void {
  let at = from;
  while (at < end) {
    if (at + 3 > end) throw malformed('attribute');
    at += 3 + buffer.readUInt16BE(at + 1);
  }
  if (at !== end) throw malformed('attribute');
}

function parseV1(buffer: Buffer): ProxyHeader | undefined {
  const lineEnd = buffer.subarray(0, maxV1Bytes).indexOf('\r\n', 0, 'latin1');
  if (lineEnd < 0) {
    if (buffer.length >= maxV1Bytes) throw malformed('line length');
    return undefined;
  }
  const length = lineEnd + 2;
  const [, protocol, source = '', destination = '', sourcePort, destinationPort, ...rest] = buffer
    .toString('latin1', 0, lineEnd)
    .split(' ');
  if (protocol === 'UNKNOWN') return { length, ends: undefined };
  const isAddress = protocol === 'TCP4' ? isIPv4 : protocol === 'TCP6' ? isIPv6 : undefined;
  if (isAddress === undefined || rest.length > 0) throw malformed('line');
  // A zone would mean a network interface of the balancer's.
  if (!isAddress(source) || !isAddress(destination) || source.includes('%') || destination.includes('%'))
    throw malformed('address');
  return {
    length,
    ends: {
      remote: endpointOf(source, portOf(sourcePort)),
      local: endpointOf(destination, portOf(destinationPort)),
    },
  };
}

/** Decimal without sign or leading zeros; -1 otherwise. */
function portOf(text = ''): number {
  const port = Number(text);
  return String(port) === text && Number.isInteger(port) && port <= 65_535 ? port : -1;
}

function endpointOf(address: string, port: number): Endpoint {
  if (port <= 0) throw malformed('port');
  return { address: unmapped(address), port };
}

/** Whether `buffer`, however short, could still become something that starts with `start`. */
function startsAlike(buffer: Buffer, start: Buffer): boolean {
  const length = Math.min(buffer.length, start.length);
  return buffer.compare(start, 0, length, 0, length) === 0;
}

function malformed(part: string): TransportError {
  return new TransportError('proxy-header', 'proxy', `PROXY header: ${part}`);
}
