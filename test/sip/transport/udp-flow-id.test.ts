import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressBytes, addressText, sourceKey } from '../../../src/sip/transport/ip-address.ts';
import { decodeUdpFlowId, encodeUdpFlowId, udpListenerTag } from '../../../src/sip/transport/udp-flow-id.ts';

const tag = udpListenerTag('0.0.0.0', 5060);
const port = fc.integer({ min: 1, max: 65_535 });
const ipv4 = fc.ipV4();
const ipv6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => addressText(bytes));

describe('ids of UDP flows', () => {
  it('hold remote address and port, and use the alphabet of flow ids', () => {
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6), port, (address, remotePort) => {
        const id = encodeUdpFlowId(tag, { address, port: remotePort });
        expect(id).toMatch(/^[A-Za-z0-9._-]+$/);
        expect(id.length).toBe(address.includes(':') ? 29 : 13);
        expect(decodeUdpFlowId(id)).toEqual({ listenerTag: tag, remote: { address, port: remotePort } });
      }),
    );
  });

  it('keep the zone of a link-local address', () => {
    const remote = { address: 'fe80::1%eth0', port: 5060 };
    expect(decodeUdpFlowId(encodeUdpFlowId(tag, remote))).toEqual({ listenerTag: tag, remote });
  });

  it('name the listener by its host and port', () => {
    expect(udpListenerTag('0.0.0.0', 5060)).toBe(tag);
    expect(udpListenerTag('0.0.0.0', 5061)).not.toBe(tag);
    expect(udpListenerTag('::', 5060)).not.toBe(tag);
  });

  it('are the only texts that decode', () => {
    for (const text of ['', 'u', 'uAAAA', 'tAAAAAAAAAAAA', 'u!!!!', 'uAAAAAAAAAAAAA', `u${'A'.repeat(60)}`]) {
      expect(decodeUdpFlowId(text)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        const decoded = decodeUdpFlowId(text);
        expect(decoded === undefined || encodeUdpFlowId(decoded.listenerTag, decoded.remote) === text).toBe(
          true,
        );
      }),
    );
  });
});

describe('IP addresses', () => {
  it.each([
    ['192.0.2.1', 'c0000201'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::8:800:200c:417a', '20010db80000000000080800200c417a'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
  ])('%s has the bytes %s', (text, hex) => {
    expect(Buffer.from(addressBytes(text) ?? []).toString('hex')).toBe(hex);
  });

  it.each(['', 'localhost', '1.2.3', '1.2.3.256', ':::', '[::1]'])('%j is none', (text) => {
    expect(addressBytes(text)).toBeUndefined();
  });

  it('count by address for IPv4 and by /64 for IPv6', () => {
    expect(sourceKey('192.0.2.1')).not.toBe(sourceKey('192.0.2.2'));
    expect(sourceKey('2001:db8:1:2::1')).toBe(sourceKey('2001:db8:1:2:ffff::9'));
    expect(sourceKey('2001:db8:1:2::1')).not.toBe(sourceKey('2001:db8:1:3::1'));
  });
});
