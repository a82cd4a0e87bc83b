import { describe, expect, it } from 'vitest';
import {
  defaultMessageLimits,
  headerValue,
  headerValues,
  parseMessage,
} from '../../../src/sip/message/index.ts';
import { lines, parseRequest, parseResponse, type RequestParts, request, requestBytes } from './messages.ts';
import { parseErrorOf } from './parse-errors.ts';

const limits = defaultMessageLimits;
const errorOf = (bytes: Uint8Array) => parseErrorOf(() => parseMessage(bytes, limits));

describe('parseMessage, requests (RFC 3261 §7)', () => {
  it('reads the start line, the typed headers and the body', () => {
    const message = request({ extra: ['Content-Length: 2'], body: 'hi' });
    expect(message).toMatchObject({
      method: 'INVITE',
      uri: 'sip:bob@example.com',
      maxForwards: 70,
      callId: 'c1@example.com',
      cseq: { number: 1, method: 'INVITE' },
      from: { displayName: 'Alice', uri: 'sip:alice@example.com', tag: 'f1' },
      to: { displayName: undefined, uri: 'sip:bob@example.com', tag: undefined },
      via: { transport: 'UDP', host: '192.0.2.1', port: 5060, branch: 'z9hG4bKabc', hasRport: true },
    });
    expect(Buffer.from(message.body).toString()).toBe('hi');
  });

  it('expands compact names and keeps the spelling (§7.3.3)', () => {
    const message = request({ extra: ['m: <sip:a@192.0.2.1>', 'K: path', 's: lunch'] });
    expect(headerValue(message, 'contact')).toBe('<sip:a@192.0.2.1>');
    expect(headerValue(message, 'supported')).toBe('path');
    expect(message.headers.find((field) => field.name === 'subject')?.rawName).toBe('s');
  });

  it('keeps foreign headers in order, with their spelling', () => {
    const message = request({ extra: ['X-One: 1', 'x-two:2', 'X-ONE: 3'] });
    expect(headerValues(message, 'x-one')).toEqual(['1', '3']);
    expect(message.headers.at(-1)).toEqual({ name: 'x-one', rawName: 'X-ONE', value: '3' });
  });

  it('leaves Content-Length to the framing', () => {
    expect(headerValue(request({ extra: ['Content-Length: 0'] }), 'content-length')).toBeUndefined();
  });

  it('takes all that follows as the body when Content-Length is missing (§18.3)', () => {
    expect(Buffer.from(request({ body: 'v=0\r\n' }).body).toString()).toBe('v=0\r\n');
  });

  it('ignores CRLF before the start line (§7.5)', () => {
    expect(parseRequest(Buffer.concat([Buffer.from('\r\n\r\n'), requestBytes()])).method).toBe('INVITE');
  });

  it('accepts a request of RFC 2543 without branch, tag and Max-Forwards', () => {
    const message = request({ set: { Via: 'SIP/2.0/UDP h', From: 'sip:a@b', 'Max-Forwards': undefined } });
    expect([message.via.branch, message.from.tag, message.maxForwards]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('unfolds continuation lines to one space (§7.3.1)', () => {
    const message = request({
      set: { CSeq: undefined },
      extra: ['CSeq: 1', ' \t INVITE', 'Subject:', '  one ', '\ttwo', 'X-Empty:', ' '],
    });
    expect(message.cseq).toEqual({ number: 1, method: 'INVITE' });
    expect(headerValue(message, 'subject')).toBe('one two');
    expect(headerValue(message, 'x-empty')).toBe('');
  });

  it('passes UTF-8 through as latin1 text', () => {
    const bytes = Buffer.concat([
      requestBytes().subarray(0, -2),
      Buffer.from('Subject: grüße\r\n\r\n', 'utf8'),
    ]);
    expect(Buffer.from(headerValue(parseRequest(bytes), 'subject') ?? '', 'latin1').toString('utf8')).toBe(
      'grüße',
    );
  });
});

describe('parseMessage, responses (RFC 3261 §7.2)', () => {
  const headers = ['Via: SIP/2.0/TCP h;branch=z9hG4bK1', 'From: <sip:a@b>;tag=1', 'To: <sip:c@d>;tag=2'];
  const rest = [...headers, 'Call-ID: x', 'CSeq: 2 BYE', ''];

  it.each([
    ['SIP/2.0 200 OK', 200, 'OK'],
    ['sip/2.0 404 Not Found here', 404, 'Not Found here'],
    ['SIP/2.0 100 ', 100, ''],
    ['SIP/2.0 100', 100, ''],
  ])('reads %j', (start, status, reason) => {
    expect(parseResponse(lines(start, ...rest))).toMatchObject({ status, reason });
  });

  it.each([
    'SIP/2.0 20 OK',
    'SIP/2.0 2000 OK',
    'SIP/2.0 099 Low',
    'SIP/2.0 700 High',
    'SIP/2.0  200 OK',
    'SIP/2.0',
  ])('refuses %j without an answer to a response', (start) => {
    const error = errorOf(lines(start, ...rest));
    expect([error.code, error.partial]).toEqual(['start-line', undefined]);
  });

  it('answers another version with 505 (§7.1)', () => {
    expect(errorOf(requestBytes({ start: 'INVITE sip:b@c SIP/3.0' }))).toMatchObject({
      code: 'version',
      status: 505,
    });
  });
});

const replaced = (name: string, value: string | undefined): RequestParts => ({ set: { [name]: value } });

describe('parseMessage refuses', () => {
  it.each<[string, RequestParts, string]>([
    ['a space inside the Request-URI', { start: 'INVITE sip:a b@c SIP/2.0' }, 'start-line'],
    ['a Request-URI without scheme', { start: 'INVITE bob SIP/2.0' }, 'start-line'],
    ['a control byte in the Request-URI', { start: 'INVITE sip:a\x01@c SIP/2.0' }, 'start-line'],
    ['a method that is no token', { start: 'IN{VITE sip:a@c SIP/2.0' }, 'start-line'],
    ['no Via', replaced('Via', undefined), 'header-missing'],
    ['no From', replaced('From', undefined), 'header-missing'],
    ['no To', replaced('To', undefined), 'header-missing'],
    ['no Call-ID', replaced('Call-ID', undefined), 'header-missing'],
    ['no CSeq', replaced('CSeq', undefined), 'header-missing'],
    ['an empty Call-ID', replaced('Call-ID', ''), 'call-id'],
    ['a blank in the Call-ID', replaced('Call-ID', 'a b'), 'call-id'],
    ['Max-Forwards beyond 255', replaced('Max-Forwards', '256'), 'max-forwards'],
    ['Max-Forwards with a sign', replaced('Max-Forwards', '-1'), 'max-forwards'],
    ['a header line without colon', { extra: ['Subject'] }, 'header-name'],
    ['a continuation before any header', { start: 'INVITE sip:b@c SIP/2.0\r\n Via: x' }, 'header-name'],
    ['a From with two values', replaced('From', '<sip:a@b>;tag=1, <sip:c@d>;tag=2'), 'params'],
    ['two tags', replaced('From', '<sip:a@b>;tag=1;tag=2'), 'name-addr'],
    // Negative tests of the edge.
    ['(2) a NUL in a header name', { extra: ['X\0Foo: 1'] }, 'header-name'],
    ['(2) a control byte in a header name', { extra: ['X\x07Foo: 1'] }, 'header-name'],
    ['(2) a control byte in a header value', { extra: ['Subject: a\x07'] }, 'control-byte'],
    ['(3) a Content-Length of 32 bits and more', { extra: ['Content-Length: 4294967328'] }, 'content-length'],
    ['(4) two Content-Lengths', { extra: ['Content-Length: 0', 'l: 5'] }, 'header-duplicate'],
    ['(5) Content-Length -1', { extra: ['Content-Length: -1'] }, 'content-length'],
    ['(5) Content-Length +5', { extra: ['Content-Length: +5'], body: 'hello' }, 'content-length'],
    ['(5) Content-Length 0x10', { extra: ['Content-Length: 0x10'] }, 'content-length'],
    ['(5) Content-Length without digits', { extra: ['Content-Length:'] }, 'content-length'],
    [
      '(6) a datagram shorter than its Content-Length',
      { extra: ['Content-Length: 6'], body: 'hello' },
      'truncated',
    ],
    ['(10) CSeq 2**31', replaced('CSeq', '2147483648 INVITE'), 'cseq'],
    ['(10) CSeq without a method', replaced('CSeq', '1'), 'cseq'],
    ['(10) a CSeq method that differs', replaced('CSeq', '1 BYE'), 'cseq-method'],
    ['(11) a tag of 10 kB', replaced('From', `<sip:a@b>;tag=${'t'.repeat(10_240)}`), 'header-too-long'],
    [
      '(11) a branch of 4 kB',
      replaced('Via', `SIP/2.0/UDP h;branch=${'b'.repeat(4_096)}`),
      'identifier-too-long',
    ],
    ['(11) a Call-ID of 2 kB', replaced('Call-ID', 'c'.repeat(2_048)), 'identifier-too-long'],
    ['(16) a second From', { extra: ['From: <sip:x@y>;tag=2'] }, 'header-duplicate'],
    ['(16) a second To, compact', { extra: ['t: <sip:x@y>'] }, 'header-duplicate'],
    ['(16) a second Call-ID, compact', { extra: ['i: other'] }, 'header-duplicate'],
    ['(16) a second Intent-Token', { extra: ['Intent-Token: a', 'intent-token: b'] }, 'header-duplicate'],
  ])('%s with 400', (_what, parts, code) => {
    expect(errorOf(requestBytes(parts))).toMatchObject({ code, status: 400 });
  });

  it.each([
    ['(16) a bare LF behind a header', 'X: 1\nY: 2'],
    ['(16) a bare LF behind a name', 'X\n'],
    ['(16) a bare CR', 'X: 1\rY: 2'],
    ['(16) a bare LF hidden by a backslash', 'X: 1\\\nY: 2'],
  ])('%s with 400', (_what, header) => {
    expect(errorOf(requestBytes({ extra: [header] }))).toMatchObject({ status: 400, code: 'line-break' });
  });

  it('(7) more than the size cap with 513', () => {
    expect(errorOf(requestBytes({ body: 'x'.repeat(65_536) }))).toMatchObject({
      code: 'message-too-large',
      status: 513,
    });
  });

  it('headers beyond their cap with 513', () => {
    const extra = Array.from({ length: 40 }, () => `X: ${'y'.repeat(1_000)}`);
    expect(errorOf(requestBytes({ extra }))).toMatchObject({ code: 'headers-too-large', status: 513 });
    const many = Array.from({ length: 300 }, () => 'X: y');
    expect(errorOf(requestBytes({ extra: many }))).toMatchObject({ code: 'too-many-headers', status: 513 });
  });

  it.each(['', '\r\n\r\n', 'INVITE', 'INVITE sip:b@c SIP/2.0\r\n', 'INVITE sip:b@c SIP/2.0\r\nVia: x\r\n'])(
    'a message without end: %j',
    (text) => {
      expect(['start-line', 'incomplete']).toContain(errorOf(Buffer.from(text)).code);
    },
  );

  it('bytes behind the body where a frame holds one message (RFC 7118)', () => {
    const bytes = requestBytes({ extra: ['Content-Length: 2'], body: 'hi more' });
    expect(parseErrorOf(() => parseMessage(bytes, limits, 'refuse')).code).toBe('excess-bytes');
    expect(Buffer.from(parseRequest(bytes).body).toString()).toBe('hi');
  });
});

describe('parseMessage accepts', () => {
  it('(1) blanks before the colon as part of the separator', () => {
    expect(headerValue(request({ extra: ['X-Foo \t: 1'] }), 'x-foo')).toBe('1');
  });

  it('(10) CSeq 2**31 - 1 and leading zeros', () => {
    expect(request(replaced('CSeq', '2147483647 INVITE')).cseq.number).toBe(2_147_483_647);
    expect(request(replaced('CSeq', '0009 INVITE')).cseq.number).toBe(9);
  });

  it('control bytes as quoted-pairs (RFC 4475 §3.1.1.2)', () => {
    expect(request(replaced('To', '"BEL:\\\x07 NUL:\\\0" <sip:b@c>')).to.displayName).toBe('BEL:\x07 NUL:\0');
  });
});
