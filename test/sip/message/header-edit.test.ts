import { describe, expect, it } from 'vitest';
import {
  appendHeaders,
  headerField,
  headerItems,
  headerValues,
  latin1Text,
  ownText,
  parseVia,
  prependHeader,
  prependVia,
  removeHeaders,
  removeTopVia,
  replaceTopVia,
  serializeMessage,
  setHeader,
  utf8Text,
  withBody,
  withHeaders,
  withRequestUri,
} from '../../../src/sip/message/index.ts';
import { parseRequest, request } from './messages.ts';
import { parseErrorOf } from './parse-errors.ts';

const second = parseVia('SIP/2.0/TCP gw:5061;branch=z9hG4bKgw');

/** Every edited message must be what a parser reads from its bytes. */
function reread(message: ReturnType<typeof request>): ReturnType<typeof request> {
  expect(parseRequest(serializeMessage(message))).toEqual(message);
  return message;
}

describe('Via edits (RFC 3261 §16.6, §16.7)', () => {
  it('prepends and removes one hop', () => {
    const original = request();
    const forwarded = reread(prependVia(original, second));
    expect(forwarded.via.branch).toBe('z9hG4bKgw');
    expect(removeTopVia(forwarded)).toEqual(original);
    expect(removeTopVia(original)).toBeUndefined();
  });

  it('takes one value at a time from a field that lists several', () => {
    const message = request({ set: { Via: 'SIP/2.0/UDP a;branch=1 , SIP/2.0/UDP b;branch=2' } });
    const next = removeTopVia(message);
    expect(next?.via.branch).toBe('2');
    expect(next === undefined ? undefined : headerValues(reread(next), 'via')).toEqual([
      'SIP/2.0/UDP b;branch=2',
    ]);
  });

  it('replaces the top value only', () => {
    const message = request({
      set: { Via: 'SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2' },
      extra: ['v: SIP/2.0/UDP c'],
    });
    const changed = reread(replaceTopVia(message, second));
    expect(headerItems(changed, 'via')).toEqual([
      'SIP/2.0/TCP gw:5061;branch=z9hG4bKgw',
      'SIP/2.0/UDP b;branch=2',
      'SIP/2.0/UDP c',
    ]);
  });
});

describe('header edits', () => {
  it('never change the message they are given', () => {
    const original = request({ extra: ['Subject: old', 'Route: <sip:a;lr>'] });
    const before = structuredClone(original);
    prependVia(original, second);
    replaceTopVia(original, second);
    setHeader(original, 'Subject', 'new');
    removeHeaders(original, 'route');
    prependHeader(original, headerField('Route', '<sip:b;lr>'));
    withBody(original, Buffer.from('x'), 'text/plain');
    expect(original).toEqual(before);
  });

  it('set a header in its place, all its fields becoming one', () => {
    const message = request({ extra: ['Subject: a', 'X-Foo: 1', 's: b'] });
    const changed = reread(setHeader(message, 'subject', 'c'));
    expect(changed.headers.slice(-2)).toEqual([
      { name: 'subject', rawName: 'Subject', value: 'c' },
      { name: 'x-foo', rawName: 'X-Foo', value: '1' },
    ]);
  });

  it('keep the typed fields in step', () => {
    expect(reread(setHeader(request(), 'Max-Forwards', '69')).maxForwards).toBe(69);
    expect(reread(setHeader(request(), 'To', '<sip:x@y>;tag=7')).to.tag).toBe('7');
    expect(reread(removeHeaders(request(), 'max-forwards')).maxForwards).toBeUndefined();
    expect(reread(prependHeader(request(), headerField('Via', 'SIP/2.0/UDP top;branch=t'))).via.branch).toBe(
      't',
    );
    expect(reread(withRequestUri(request(), 'sip:new@host')).uri).toBe('sip:new@host');
  });

  it('put Route and Record-Route before those that are there', () => {
    const message = request({ extra: ['Record-Route: <sip:a;lr>'] });
    const changed = reread(prependHeader(message, headerField('Record-Route', '<sip:b;lr>')));
    expect(headerItems(changed, 'record-route')).toEqual(['<sip:b;lr>', '<sip:a;lr>']);
  });

  it('append in order', () => {
    const changed = reread(
      appendHeaders(request(), [headerField('X-A', '1'), headerField('allow', 'INVITE')]),
    );
    expect(changed.headers.slice(-2).map((field) => field.rawName)).toEqual(['X-A', 'Allow']);
  });

  it('refuse to leave a message without a required header', () => {
    expect(parseErrorOf(() => removeHeaders(request(), 'call-id')).code).toBe('header-missing');
    expect(parseErrorOf(() => withHeaders(request(), [])).code).toBe('header-missing');
  });

  it('change the body with its type', () => {
    const typed = reread(withBody(request(), Buffer.from('v=0\r\n'), 'application/sdp'));
    expect(headerValues(typed, 'content-type')).toEqual(['application/sdp']);
    expect(headerValues(withBody(typed, new Uint8Array(0), undefined), 'content-type')).toEqual([]);
  });
});

describe('headerField', () => {
  it.each(['a\r\nVia: x', 'a\nb', 'a\rb', 'a\0', 'Ċ'])('refuses %j, which would leave its line', (value) => {
    expect(() => headerField('Subject', value)).toThrow(RangeError);
  });

  it('refuses Content-Length and names that are no token', () => {
    expect(() => headerField('l', '5')).toThrow(RangeError);
    expect(() => headerField('A B', '5')).toThrow(RangeError);
    expect(() => headerField('', '5')).toThrow(RangeError);
  });

  it('writes any language as UTF-8', () => {
    const message = setHeader(request(), 'Subject', latin1Text('日本語'));
    expect(Buffer.from(serializeMessage(message)).toString('utf8')).toContain('Subject: 日本語\r\n');
    expect(utf8Text(latin1Text('日本語'))).toBe('日本語');
    expect(utf8Text('\xff')).toBe('\xff');
    expect(ownText('a\xff')).toBe('a\xff');
  });
});
