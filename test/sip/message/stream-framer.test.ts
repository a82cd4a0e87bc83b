import { describe, expect, it } from 'vitest';
import {
  defaultMessageLimits,
  type StreamFrame,
  StreamFramer,
  type StreamSide,
} from '../../../src/sip/message/index.ts';
import { requestBytes } from './messages.ts';
import { parseErrorOf } from './parse-errors.ts';

const limits = defaultMessageLimits;
const plain = requestBytes({ extra: ['Content-Length: 0'] });
const withBody = requestBytes({ extra: ['Content-Type: text/plain', 'l : 11'], body: 'a\r\n\r\nb\r\nc\r\n' });
const folded = requestBytes({ extra: ['Content-Length:', '  4'], body: '\r\n\r\n' });

function text(frame: StreamFrame): string {
  return typeof frame === 'string' ? frame : Buffer.from(frame).toString('latin1');
}

/** All frames of these chunks, or those up to an error, with its code. */
function framesOf(chunks: readonly Uint8Array[], side: StreamSide = 'accepted'): string[] {
  const framer = new StreamFramer(limits, side);
  const frames: StreamFrame[] = [];
  for (const chunk of chunks) {
    framer.push(Buffer.from(chunk));
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) frames.push(frame);
  }
  // Read only now: a frame must not change when later bytes arrive.
  return frames.map(text);
}

const ping = 'keepalive-ping';
const pong = 'keepalive-pong';
const vectors: readonly (readonly [string, Buffer, readonly string[]])[] = [
  ['one message', plain, [text(plain)]],
  ['two messages at once', Buffer.concat([plain, withBody]), [text(plain), text(withBody)]],
  ['a folded Content-Length', Buffer.concat([folded, plain]), [text(folded), text(plain)]],
  [
    'a ping between messages',
    Buffer.concat([plain, Buffer.from('\r\n\r\n'), plain]),
    [text(plain), ping, text(plain)],
  ],
  ['pings in a row', Buffer.from('\r\n\r\n\r\n\r\n'), [ping, ping]],
  ['a lone CRLF before a message', Buffer.concat([Buffer.from('\r\n'), withBody]), [pong, text(withBody)]],
];

describe('StreamFramer (RFC 3261 §18.3, RFC 5626 §3.5.1)', () => {
  it.each(vectors)('%s: split at each byte gives the same frames', (_what, bytes, expected) => {
    expect(framesOf([bytes])).toEqual(expected);
    for (let at = 1; at < bytes.length; at++) {
      expect(framesOf([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(expected);
    }
    expect(framesOf(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(expected);
  });

  it('takes each CRLF as a pong on a connection that this side opened', () => {
    expect(framesOf([Buffer.from('\r\n')], 'opened')).toEqual([pong]);
    expect(
      framesOf([Buffer.from('\r'), Buffer.from('\n\r'), Buffer.concat([Buffer.from('\n'), plain])], 'opened'),
    ).toEqual([pong, pong, text(plain)]);
  });

  it('gives nothing for half a message', () => {
    expect(framesOf([withBody.subarray(0, -1)])).toEqual([]);
  });

  const refusals: readonly (readonly [string, Buffer, string, number])[] = [
    ['no Content-Length', requestBytes(), 'content-length-missing', 400],
    [
      '(3) Content-Length 4294967328',
      requestBytes({ extra: ['Content-Length: 4294967328'] }),
      'content-length',
      400,
    ],
    [
      '(4) two Content-Lengths',
      requestBytes({ extra: ['l: 3', 'Content-Length: 4'] }),
      'header-duplicate',
      400,
    ],
    ['(5) Content-Length -1', requestBytes({ extra: ['Content-Length: -1'] }), 'content-length', 400],
    ['(5) Content-Length 1 2', requestBytes({ extra: ['Content-Length: 1 2'] }), 'content-length', 400],
    ['(7) a body over the cap', requestBytes({ extra: ['Content-Length: 65535'] }), 'message-too-large', 513],
    [
      '(7) headers without end',
      Buffer.from(`INVITE sip:a@b SIP/2.0\r\nX: ${'y'.repeat(40_000)}`),
      'headers-too-large',
      513,
    ],
    ['(16) bare LF', Buffer.from('INVITE sip:a@b SIP/2.0\nX: 1\n\n'), 'line-break', 400],
    ['a CR that nothing follows up', Buffer.from('\rX'), 'line-break', 400],
    ['a first byte that starts no message', Buffer.from([0x16, 0x03, 0x01]), 'start-line', 400],
  ];

  it.each(refusals)('refuses %s', (_what, bytes, code, status) => {
    expect(parseErrorOf(() => framesOf([bytes.subarray(0, 30), bytes.subarray(30)]))).toMatchObject({
      code,
      status,
    });
    expect(parseErrorOf(() => framesOf(Array.from(bytes, (byte) => Uint8Array.of(byte)))).code).toBe(code);
  });

  it('keeps enough of a refused request to answer it', () => {
    const error = parseErrorOf(() => framesOf([requestBytes({ extra: ['Content-Length: -1'] })]));
    expect(error.partial?.method).toBe('INVITE');
  });

  it('copies little when a sender gives one byte at a time', () => {
    const framer = new StreamFramer(limits);
    const bytes = requestBytes({ extra: [`X: ${'y'.repeat(8_000)}`, 'Content-Length: 20000'] });
    const started = performance.now();
    for (const byte of bytes) {
      framer.push(Uint8Array.of(byte));
      framer.next();
    }
    for (let i = 0; i < 19_999; i++) {
      framer.push(Uint8Array.of(120));
      expect(framer.next()).toBeUndefined();
    }
    framer.push(Uint8Array.of(120));
    expect(framer.next()).toHaveLength(bytes.length + 20_000);
    expect(framer.midFrame).toBe(false);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
