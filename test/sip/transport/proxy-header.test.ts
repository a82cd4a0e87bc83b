import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseProxyHeader } from '../../../src/sip/transport/proxy-header.ts';
import { TransportError } from '../../../src/sip/transport/transport-error.ts';
import { proxyV2 } from '../../support/proxy-header.ts';

const maxBytes = 1_024;
const v4 = proxyV2({ source: ['192.0.2.7', 40_000], destination: ['198.51.100.1', 5_061] });
const v6 = proxyV2({ source: ['2001:db8::7', 40_000], destination: ['2001:db8::1', 5_061] });
const ends4 = {
  remote: { address: '192.0.2.7', port: 40_000 },
  local: { address: '198.51.100.1', port: 5_061 },
};
const ends6 = {
  remote: { address: '2001:db8::7', port: 40_000 },
  local: { address: '2001:db8::1', port: 5_061 },
};

const whole: readonly (readonly [string, Buffer, object | undefined])[] = [
  ['version 2, IPv4', v4, ends4],
  ['version 2, IPv6', v6, ends6],
  ['version 2 with attributes', proxyV2({ ...at4(), attributes: '03000400000000' + '0100027369' }), ends4],
  ['version 2, LOCAL', proxyV2({ command: 0x20, family: 0, body: '' }), undefined],
  ['version 2, LOCAL with an address to ignore', proxyV2({ ...at4(), command: 0x20 }), undefined],
  ['version 2, UNSPEC', proxyV2({ family: 0, body: 'ffff' }), undefined],
  ['version 1, IPv4', text('PROXY TCP4 192.0.2.7 198.51.100.1 40000 5061\r\n'), ends4],
  ['version 1, IPv6', text('PROXY TCP6 2001:db8::7 2001:db8::1 40000 5061\r\n'), ends6],
  ['version 1, UNKNOWN', text('PROXY UNKNOWN\r\n'), undefined],
  ['version 1, UNKNOWN with words', text('PROXY UNKNOWN ffff:f::ffff ffff::1 65535 65535\r\n'), undefined],
  [
    'an IPv4 address that is written as IPv6',
    text('PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 40000 5061\r\n'),
    ends4,
  ],
];

const malformed: readonly (readonly [string, Buffer])[] = [
  ['SIP', text('OPTIONS sip:a SIP/2.0\r\n')],
  ['TLS', Buffer.from('16030100', 'hex')],
  ['version 1 in version 2', patched(v4, 12, 0x11)],
  ['an unknown command', patched(v4, 12, 0x22)],
  ['UDP', patched(v4, 13, 0x12)],
  ['a Unix socket', patched(v4, 13, 0x31)],
  ['a length below its addresses', patched(v4, 15, 11)],
  ['IPv4 called IPv6', patched(v4, 13, 0x21)],
  ['a length above the limit', patched(v4, 14, 0x05)],
  ['an attribute that is cut short', proxyV2({ ...at4(), attributes: '0300' })],
  ['an attribute beyond the end', proxyV2({ ...at4(), attributes: '03000500000000' })],
  ['source port 0', proxyV2({ source: ['192.0.2.7', 0], destination: ['198.51.100.1', 1] })],
  ...[
    'PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 40000 5061 7\r\n',
    'PROXY TCP4  192.0.2.7 198.51.100.1 40000 5061\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 040000 5061\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 65536 5061\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 +1 5061\r\n',
    'PROXY TCP4 192.0.2.007 198.51.100.1 40000 5061\r\n',
    'PROXY TCP4 2001:db8::7 2001:db8::1 40000 5061\r\n',
    'PROXY TCP6 192.0.2.7 198.51.100.1 40000 5061\r\n',
    'PROXY TCP6 fe80::1%lo fe80::2%lo 40000 5061\r\n',
    'PROXY UDP4 192.0.2.7 198.51.100.1 40000 5061\r\n',
    `PROXY UNKNOWN ${'x'.repeat(107)}\r\n`,
  ].map((line) => [line.trim().slice(0, 60), text(line)] as const),
];

describe('PROXY header', () => {
  it.each(whole)('%s names both ends', (_what, header, ends) => {
    const bytes = Buffer.concat([header, text('REGISTER')]);
    expect(parseProxyHeader(bytes, maxBytes)).toEqual({ length: header.length, ends });
  });

  it.each(whole)('%s is incomplete up to its last byte', (_what, header) => {
    for (let length = 0; length < header.length; length++)
      expect(parseProxyHeader(header.subarray(0, length), maxBytes)).toBeUndefined();
  });

  it.each(malformed)('refuses %s', (_what, bytes) => {
    expect(() => parseProxyHeader(bytes, maxBytes)).toThrow(TransportError);
  });

  it('raises nothing but its own error for arbitrary bytes', () => {
    const start = fc.constantFrom(
      Buffer.alloc(0),
      v4.subarray(0, 12),
      v4.subarray(0, 13),
      text('PROXY TCP4 '),
    );
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 300 }), (head, tail) => {
        try {
          const header = parseProxyHeader(Buffer.concat([head, tail]), maxBytes);
          if (header !== undefined) expect(header.length).toBeLessThanOrEqual(head.length + tail.length);
        } catch (error) {
          expect(error).toMatchObject({ name: 'TransportError', code: 'proxy-header' });
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('reads back whatever addresses and ports were written', () => {
    const port = fc.integer({ min: 1, max: 65_535 });
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), port, port, (source, destination, from, to) => {
        const binary = proxyV2({ source: [source, from], destination: [destination, to] });
        const line = text(`PROXY TCP4 ${source} ${destination} ${from} ${to}\r\n`);
        const ends = { remote: { address: source, port: from }, local: { address: destination, port: to } };
        expect(parseProxyHeader(binary, maxBytes)?.ends).toEqual(ends);
        expect(parseProxyHeader(line, maxBytes)?.ends).toEqual(ends);
      }),
    );
  });
});

function at4(): { source: readonly [string, number]; destination: readonly [string, number] } {
  return { source: ['192.0.2.7', 40_000], destination: ['198.51.100.1', 5_061] };
}

function text(line: string): Buffer {
  return Buffer.from(line, 'latin1');
}

function patched(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = value;
  return copy;
}
