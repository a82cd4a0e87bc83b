import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSdp } from '../../../src/media/index.ts';
import { anchored, planAnchor } from '../../../src/media/relay/anchor-plan.ts';
import type { PortPair } from '../../../src/media/relay/protocol.ts';

const head = ['v=0', 'o=- 1 1 IN IP4 10.0.0.1', 's=-'];
const lines = (...more: readonly string[]): string => [...head, ...more, ''].join('\r\n');
const pair = (index: number): PortPair => ({ rtp: 20_000 + 2 * index, rtcp: 20_001 + 2 * index });

/** What the receiver gets when the relay's ports for m-line n are 20000 + 2n. */
function rewritten(text: string, address = '203.0.113.5'): string {
  const plan = planAnchor(parseSdp(Buffer.from(text, 'latin1')));
  const ports: PortPair[] = [];
  for (const { index } of plan.streams) ports[index] = pair(index);
  return Buffer.from(anchored(plan, address, ports)).toString('latin1');
}

describe('a description through the relay', () => {
  test('changes its address and ports, and nothing else', () => {
    expect(rewritten(lines('c=IN IP4 10.0.0.1', 't=0 0', 'm=audio 4000 RTP/AVP 0', 'a=ptime:20'))).toBe(
      lines('c=IN IP4 203.0.113.5', 't=0 0', 'm=audio 20000 RTP/AVP 0', 'a=ptime:20'),
    );
  });

  test('has several streams, each with an address of its own or the common one', () => {
    const text = lines(
      'c=IN IP4 10.0.0.1',
      'm=audio 4000 RTP/AVP 0',
      'm=video 5000 RTP/AVP 31',
      'c=IN IP4 10.0.0.2',
    );
    expect(rewritten(text, '2001:db8::5')).toBe(
      lines(
        'c=IN IP6 2001:db8::5',
        'm=audio 20000 RTP/AVP 0',
        'm=video 20002 RTP/AVP 31',
        'c=IN IP6 2001:db8::5',
      ),
    );
  });

  test('keeps a refused stream refused (RFC 3264 §6)', () => {
    expect(rewritten(lines('c=IN IP4 10.0.0.1', 'm=audio 4000 RTP/AVP 0', 'm=video 0 RTP/AVP 31'))).toContain(
      'm=video 0 RTP/AVP 31\r\n',
    );
  });

  test('keeps the address of a stream that is not for the relay', () => {
    expect(
      rewritten(
        lines('c=IN IP4 10.0.0.1', 'm=audio 4000 RTP/AVP 0', 'm=message 2855 TCP/MSRP *', 'i=chat', 'a=x'),
      ),
    ).toBe(
      lines(
        'c=IN IP4 203.0.113.5',
        'm=audio 20000 RTP/AVP 0',
        'm=message 2855 TCP/MSRP *',
        'i=chat',
        'c=IN IP4 10.0.0.1',
        'a=x',
      ),
    );
  });

  test('names the port for RTCP (RFC 3605), and shares one where both ends do (RFC 5761)', () => {
    const connection = 'c=IN IP4 10.0.0.1';
    expect(rewritten(lines(connection, 'm=audio 4000 RTP/AVP 0', 'a=rtcp:4711'))).toContain(
      'a=rtcp:20001\r\n',
    );
    expect(rewritten(lines(connection, 'm=audio 4000 RTP/AVP 0', 'a=rtcp:4711 IN IP4 10.0.0.3'))).toContain(
      'a=rtcp:20001 IN IP4 203.0.113.5\r\n',
    );
    const muxed = lines(connection, 'm=audio 4000 RTP/AVP 0', 'a=rtcp-mux');
    expect(rewritten(muxed)).toContain('a=rtcp-mux\r\n');
    const [stream] = planAnchor(parseSdp(Buffer.from(muxed))).streams;
    expect(stream?.rtcp).toEqual(stream?.rtp);
  });

  test('stays on hold when it was put so by its address (RFC 3264 §8.4)', () => {
    const held = rewritten(lines('c=IN IP4 0.0.0.0', 'm=audio 4000 RTP/AVP 0'));
    expect(held).toBe(lines('c=IN IP4 0.0.0.0', 'm=audio 20000 RTP/AVP 0'));
  });

  test('loses its ways around the relay (RFC 8839)', () => {
    const text = lines(
      'c=IN IP4 10.0.0.1',
      'a=ice-lite',
      'a=ice-ufrag:abcd',
      'm=audio 4000 RTP/AVP 0',
      'a=ice-pwd:abcdefghijklmnopqrstuv',
      'a=candidate:1 1 UDP 2130706431 10.0.0.1 4000 typ host',
      'a=remote-candidates:1 10.0.0.9 4000',
      'a=sendrecv',
    );
    expect(rewritten(text)).toBe(lines('c=IN IP4 203.0.113.5', 'm=audio 20000 RTP/AVP 0', 'a=sendrecv'));
  });

  test('has the relay as its only candidate where a browser insists on ICE; keys stay as they are', () => {
    const keys = [
      'a=fingerprint:sha-256 AB:CD',
      'a=setup:actpass',
      'a=ice-ufrag:abcd',
      'a=ice-pwd:0123456789',
    ];
    const text = lines(
      'm=audio 9 UDP/TLS/RTP/SAVPF 111',
      'c=IN IP4 0.0.0.0',
      'a=rtcp:9 IN IP4 0.0.0.0',
      ...keys,
      'a=ice-options:trickle',
      'a=candidate:1 1 udp 2113937151 host.local 5000 typ host',
      'a=candidate:2 1 tcp 1518280447 10.0.0.1 9 typ host tcptype active',
      'a=rtcp-mux',
    );
    expect(rewritten(text)).toBe(
      lines(
        'm=audio 20000 UDP/TLS/RTP/SAVPF 111',
        'c=IN IP4 203.0.113.5',
        'a=rtcp:20001 IN IP4 203.0.113.5',
        ...keys,
        'a=candidate:relay 1 udp 2130706431 203.0.113.5 20000 typ host',
        'a=rtcp-mux',
      ),
    );
  });

  test('keeps SDES keys as they are', () => {
    const crypto =
      'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4';
    expect(rewritten(lines('c=IN IP4 10.0.0.1', 'm=audio 4000 RTP/SAVP 0', crypto))).toContain(
      `${crypto}\r\n`,
    );
  });

  test('always reads back as what was meant: every live stream at the relay, all other lines as before', () => {
    const section = fc.record({
      kind: fc.constantFrom('audio', 'video', 'application'),
      port: fc.constantFrom(0, 9, 4_000, 65_535),
      protocol: fc.constantFrom('RTP/AVP', 'RTP/SAVPF', 'UDP/TLS/RTP/SAVPF', 'TCP/MSRP', 'UDP/DTLS/SCTP'),
      own: fc.constantFrom(undefined, 'c=IN IP4 10.0.0.9', 'c=IN IP6 fd00::9', 'c=IN IP4 host.example.org'),
      more: fc.subarray([
        'a=sendonly',
        'a=rtcp:4711',
        'a=rtcp-mux',
        'a=candidate:1 1 udp 1 10.0.0.1 4000 typ host',
        'a=ice-ufrag:abcd',
        'a=x:\xe9',
      ]),
    });
    fc.assert(
      fc.property(fc.array(section, { maxLength: 5 }), fc.constantFrom('\r\n', '\n'), (sections, lineEnd) => {
        const written = [...head, 'c=IN IP4 10.0.0.1', 't=0 0'];
        for (const { kind, port, protocol, own, more } of sections)
          written.push(`m=${kind} ${port} ${protocol} 0`, ...(own === undefined ? [] : [own]), ...more);
        const text = written.join(lineEnd) + lineEnd;
        const before = parseSdp(Buffer.from(text, 'latin1'));
        const after = parseSdp(Buffer.from(rewritten(text), 'latin1'));
        expect(after.media).toHaveLength(before.media.length);
        after.media.forEach((now, index) => {
          const then = before.media[index];
          const address = (now.connection ?? after.connection)?.address;
          const relayed = then?.port !== 0 && then?.protocol !== 'TCP/MSRP';
          expect(now.port).toBe(relayed ? pair(index).rtp : then?.port);
          if (then?.port !== 0)
            expect(address).toBe(relayed ? '203.0.113.5' : (then?.connection ?? before.connection)?.address);
          expect(now.attributes.filter(({ name }) => name === 'x')).toHaveLength(
            then?.attributes.filter(({ name }) => name === 'x').length ?? 0,
          );
          if (relayed)
            for (const { value } of now.attributes.filter(({ name }) => name === 'candidate'))
              expect(value).toContain('203.0.113.5');
        });
      }),
    );
  });
});
