import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  connectionOf,
  defaultSdpLimits,
  directionOf,
  parseSdp,
  SdpError,
  type SessionDescription,
  splice,
} from '../../../src/media/index.ts';

const head = ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-'];
const text = (...lines: readonly string[]): Buffer => Buffer.from([...lines, ''].join('\r\n'), 'latin1');
const codeOf = (body: Uint8Array, limits = defaultSdpLimits): string | undefined => {
  try {
    parseSdp(body, limits);
    return undefined;
  } catch (error) {
    if (error instanceof SdpError) return error.code;
    throw error;
  }
};

describe('a session description (RFC 8866)', () => {
  test('is read as far as media depends on it', () => {
    const description = parseSdp(
      text(
        ...head,
        'c=IN IP4 192.0.2.1',
        't=0 0',
        'a=sendonly',
        'm=audio 49170 RTP/AVP 0 96',
        'i=first',
        'a=rtpmap:96 opus/48000/2',
        'm=video 0 RTP/AVP 31',
        'm=audio 5004/2 RTP/SAVP 0',
        'c=IN IP6 2001:db8::1/3',
        'a=inactive',
      ),
    );
    expect(description.media).toMatchObject([
      { kind: 'audio', port: 49_170, portCount: 1, protocol: 'RTP/AVP', formats: ['0', '96'] },
      { kind: 'video', port: 0 },
      { port: 5_004, portCount: 2, connection: { address: '2001:db8::1', family: 6 } },
    ]);
    const [first, , third] = description.media;
    if (first === undefined || third === undefined) throw new Error('sections are missing');
    expect(connectionOf(description, first)?.address).toBe('192.0.2.1');
    expect(directionOf(description, first)).toBe('sendonly');
    expect(directionOf(description, third)).toBe('inactive');
    expect(first.attributes).toMatchObject([{ name: 'rtpmap', value: '96 opus/48000/2' }]);
  });

  test('may end its lines with bare line feeds, and its last one with nothing (§5)', () => {
    const lines = [...head, 'c=IN IP4 192.0.2.1', 'm=audio 4000 RTP/AVP 0'].join('\n');
    expect(parseSdp(Buffer.from(lines)).lineEnd).toBe('\n');
    expect(parseSdp(Buffer.from(lines)).media).toHaveLength(1);
  });

  const connection = 'c=IN IP4 192.0.2.1';
  test.each([
    ['nothing', '', 'bad-version'],
    ['no version first', text('s=-', 'v=0'), 'bad-version'],
    ['another version', text('v=1', 's=-'), 'bad-version'],
    ['a second version', text('v=0', 'v=0'), 'bad-version'],
    ['an unknown letter', text(...head, 'x=1'), 'bad-line'],
    ['no equals sign', text(...head, 'audio'), 'bad-line'],
    ['an empty line', text(...head, '', 't=0 0'), 'bad-line'],
    ['a carriage return within a line', text(...head, 'a=x\ra=y'), 'bad-line'],
    ['a zero byte', text(...head, 'a=x\0y'), 'bad-line'],
    ['two addresses', text(...head, connection, connection), 'bad-connection'],
    ['a foreign network', text(...head, 'c=ATM IP4 192.0.2.1'), 'bad-connection'],
    ['an IPv6 address called IPv4', text(...head, 'c=IN IP4 ::1'), 'bad-connection'],
    ['what only looks like an address', text(...head, 'c=IN IP4 300.1.1.1'), 'bad-connection'],
    ['a port beyond 65535', text(...head, connection, 'm=audio 65536 RTP/AVP 0'), 'bad-media'],
    ['a port that is no number', text(...head, connection, 'm=audio 0x10 RTP/AVP 0'), 'bad-media'],
    ['a signed port', text(...head, connection, 'm=audio -1 RTP/AVP 0'), 'bad-media'],
    ['no formats', text(...head, connection, 'm=audio 4000 RTP/AVP'), 'bad-media'],
    ['an attribute without a name', text(...head, 'a=:x'), 'bad-attribute'],
    ['nowhere to send to', text(...head, 'm=audio 4000 RTP/AVP 0'), 'no-connection'],
  ])('is refused with %s', (_, body, code) => {
    expect(codeOf(Buffer.from(body))).toBe(code);
  });

  test('is bounded in bytes, lines and streams', () => {
    const limits = { maxBytes: 200, maxLines: 8, maxMedia: 2 };
    expect(codeOf(text(...head, `a=${'x'.repeat(200)}`), limits)).toBe('too-large');
    expect(codeOf(text(...head, ...Array<string>(6).fill('a=x')), limits)).toBe('too-many-lines');
    const media = Array<string>(3).fill('m=audio 0 RTP/AVP 0');
    expect(codeOf(text(...head, ...media), limits)).toBe('too-many-media');
  });

  test('raises nothing but its own error, whatever the bytes', () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary-ascii', maxLength: 40 }),
      fc.constantFrom(...head, 'c=IN IP4 10.0.0.1', 'm=audio 4000 RTP/AVP 0', 'a=sendrecv', 'c=IN', 'm=x 1/'),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        codeOf(Buffer.from(['v=0', ...lines].join('\r\n'), 'latin1'));
      }),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void codeOf(bytes)));
  });
});

describe('splicing', () => {
  test('changes what is named and nothing else', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 60 }),
        fc.array(fc.tuple(fc.nat(60), fc.nat(5), fc.string({ maxLength: 4 })), { maxLength: 6 }),
        (original, wanted) => {
          let at = 0;
          let expected = '';
          const edits = [];
          for (const [skip, length, replacement] of wanted) {
            const start = Math.min(original.length, at + skip);
            const end = Math.min(original.length, start + length);
            edits.push({ span: { start, end }, text: replacement });
            expected += original.slice(at, start) + replacement;
            at = end;
          }
          expect(splice(original, edits)).toBe(expected + original.slice(at));
        },
      ),
    );
  });

  test('refuses edits that overlap', () => {
    const edits = [
      { span: { start: 0, end: 3 }, text: '' },
      { span: { start: 2, end: 4 }, text: '' },
    ];
    expect(() => splice('abcdef', edits)).toThrow(RangeError);
  });

  test('leaves a description as it is when nothing is spliced', () => {
    const original = text(...head, 'c=IN IP4 192.0.2.1', 'm=audio 4000 RTP/AVP 0', 'a=\xfc');
    const description: SessionDescription = parseSdp(original);
    expect(Buffer.from(splice(description.text, []), 'latin1').equals(original)).toBe(true);
  });
});
