import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findSdp, SdpError, sdpOf, withSdp } from '../../../src/media/index.ts';

const sdp = 'v=0\r\ns=-\r\n';
const multipart = (boundary: string, ...parts: readonly string[]): Buffer =>
  Buffer.from(`${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`);
const part = (type: string, content: string): string => `Content-Type: ${type}\r\n\r\n${content}`;

describe('the session description of a message', () => {
  test('is the body itself', () => {
    expect(findSdp('application/SDP;charset=utf-8', Buffer.from(sdp))).toEqual({ start: 0, end: sdp.length });
    expect(findSdp('text/plain', Buffer.from(sdp))).toBeUndefined();
    expect(findSdp(undefined, Buffer.from(sdp))).toBeUndefined();
    expect(findSdp('application/sdp', new Uint8Array(0))).toBeUndefined();
  });

  test('is a part of a multipart body, also of a nested one (RFC 5621 §3)', () => {
    const flat = multipart('b1', part('text/plain', 'hello'), part('application/sdp', sdp));
    expect(Buffer.from(sdpOf('multipart/mixed;boundary=b1', flat) ?? []).toString()).toBe(sdp);
    const inner = multipart('b2', part('application/sdp', sdp)).toString();
    const nested = multipart('b1', part('multipart/alternative; boundary="b2"', inner));
    expect(Buffer.from(sdpOf('multipart/mixed;boundary=b1', nested) ?? []).toString()).toBe(sdp);
    expect(sdpOf('multipart/mixed;boundary=b1', multipart('b1', part('text/plain', 'x')))).toBeUndefined();
  });

  test('is found behind a folded header (RFC 5322 §2.2.3)', () => {
    const folded = multipart('b1', `Content-Type:\r\n application/sdp;\r\n\tcharset=utf-8\r\n\r\n${sdp}`);
    expect(Buffer.from(sdpOf('multipart/mixed;boundary=b1', folded) ?? []).toString()).toBe(sdp);
  });

  test('is replaced where it stands, and the other parts stay as they were', () => {
    const body = multipart(
      'b1',
      part('text/plain', 'before'),
      part('application/sdp', sdp),
      part('x/y', 'z'),
    );
    const found = findSdp('multipart/mixed;boundary=b1', body);
    if (found === undefined) throw new Error('no description');
    const changed = Buffer.from(withSdp(body, found, Buffer.from('v=0\r\ns=other\r\n')));
    expect(changed.toString()).toBe(body.toString().replace(sdp, 'v=0\r\ns=other\r\n'));
  });

  test.each([
    ['no boundary is named', 'multipart/mixed', multipart('b1', part('application/sdp', sdp))],
    ['its last boundary is missing', 'multipart/mixed;boundary=b1', Buffer.from('--b1\r\n\r\nx\r\n')],
    ['its boundary is nowhere', 'multipart/mixed;boundary=b1', Buffer.from('hello')],
  ])('cannot be found when %s', (_, type, body) => {
    expect(() => findSdp(type, body)).toThrow(SdpError);
  });

  test('is looked for in bounded depth and number of parts', () => {
    let body = part('application/sdp', sdp);
    for (let depth = 0; depth < 5; depth++)
      body = part(`multipart/mixed;boundary=b${depth}`, multipart(`b${depth}`, body).toString());
    expect(() => findSdp('multipart/mixed;boundary=b', multipart('b', body))).toThrow(SdpError);
    const many = multipart('b', ...Array<string>(100).fill(part('text/plain', 'x')));
    expect(() => findSdp('multipart/mixed;boundary=b', many)).toThrow(SdpError);
  });

  test('raises nothing but its own error', () => {
    const piece = fc.constantFrom(
      '--b',
      '--',
      '\r\n',
      '\n',
      'Content-Type: ',
      'application/sdp',
      ':',
      'v=0',
      'b',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          findSdp('multipart/mixed;boundary=b', Buffer.from(pieces.join('')));
        } catch (error) {
          if (!(error instanceof SdpError)) throw error;
        }
      }),
    );
  });
});
