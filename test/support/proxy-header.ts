import { isIPv4 } from 'node:net';
import { addressBytes } from '../../src/sip/transport/ip-address.ts';

export interface ProxyV2Options {
  readonly source?: readonly [address: string, port: number];
  readonly destination?: readonly [address: string, port: number];
  /** Version and command; 0x21 is PROXY, 0x20 is LOCAL. */
  readonly command?: number;
  readonly family?: number;
  /** Hexadecimal, after the addresses. */
  readonly attributes?: string;
  /** Hexadecimal, instead of addresses and attributes. */
  readonly body?: string;
}

/** A PROXY header of version 2, as a balancer would write it, or with the faults that a test wants. */
export function proxyV2(options: ProxyV2Options): Buffer {
  const { source = ['192.0.2.7', 1], destination = ['192.0.2.1', 1], command = 0x21 } = options;
  const family = options.family ?? (isIPv4(source[0]) ? 0x11 : 0x21);
  const body =
    options.body === undefined
      ? Buffer.concat([
          addressBytes(source[0]) ?? Buffer.alloc(0),
          addressBytes(destination[0]) ?? Buffer.alloc(0),
          port(source[1]),
          port(destination[1]),
          Buffer.from(options.attributes ?? '', 'hex'),
        ])
      : Buffer.from(options.body, 'hex');
  const start = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
  return Buffer.concat([start, Buffer.of(command, family), port(body.length), body]);
}

function port(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
