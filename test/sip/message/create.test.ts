import { describe, expect, it } from 'vitest';
import {
  createRequest,
  createResponse,
  createVia,
  headerField,
  headerValues,
  parseNameAddr,
  reasonPhrase,
  serializeMessage,
} from '../../../src/sip/message/index.ts';
import { parseRequest, parseResponse, request } from './messages.ts';

describe('createRequest (RFC 3261 §8.1.1)', () => {
  const options = createRequest({
    method: 'OPTIONS',
    uri: 'sip:bob@example.com',
    via: createVia({ transport: 'UDP', host: 'gw', branch: 'b1' }),
    from: parseNameAddr('"The Gate" <sip:gw@example.com>;tag=g'),
    to: 'sip:bob@example.com',
    callId: 'id1',
    cseq: 7,
    headers: [headerField('accept', 'application/sdp')],
    body: Buffer.from('hello'),
    contentType: 'text/plain',
  });

  it('has exactly these bytes', () => {
    expect(Buffer.from(serializeMessage(options)).toString('latin1')).toBe(
      [
        'OPTIONS sip:bob@example.com SIP/2.0',
        'Via: SIP/2.0/UDP gw;branch=z9hG4bKb1',
        'Max-Forwards: 70',
        'From: "The Gate" <sip:gw@example.com>;tag=g',
        'To: sip:bob@example.com',
        'Call-ID: id1',
        'CSeq: 7 OPTIONS',
        'Accept: application/sdp',
        'Content-Type: text/plain',
        'Content-Length: 5',
        '',
        'hello',
      ].join('\r\n'),
    );
  });

  it('is what a parser reads from its bytes', () => {
    expect(parseRequest(serializeMessage(options))).toEqual(options);
  });
});

describe('createResponse (RFC 3261 §8.2.6)', () => {
  const invite = request({
    set: { To: 'sip:bob@example.com' },
    extra: [
      'v: SIP/2.0/TCP second, SIP/2.0/TCP third',
      'Timestamp: 54',
      'Record-Route: <sip:a;lr>',
      'Subject: s',
    ],
    body: 'sdp',
  });

  it('repeats Via, From, To, Call-ID and CSeq, and adds the tag to the text of To', () => {
    const response = createResponse(invite, 486, undefined, { toTag: 't1' });
    expect(Buffer.from(serializeMessage(response)).toString('latin1')).toBe(
      [
        'SIP/2.0 486 Busy Here',
        'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport',
        'From: "Alice" <sip:alice@example.com>;tag=f1',
        'To: sip:bob@example.com;tag=t1',
        'Call-ID: c1@example.com',
        'CSeq: 1 INVITE',
        'v: SIP/2.0/TCP second, SIP/2.0/TCP third',
        'Content-Length: 0',
        '',
        '',
      ].join('\r\n'),
    );
    expect(parseResponse(serializeMessage(response))).toEqual(response);
  });

  it('repeats the Timestamp in a 100 only (§8.2.6.1)', () => {
    expect(headerValues(createResponse(invite, 100), 'timestamp')).toEqual(['54']);
    expect(headerValues(createResponse(invite, 180), 'timestamp')).toEqual([]);
  });

  it('keeps a To tag that is there', () => {
    expect(
      createResponse(request({ set: { To: '<sip:b@c>;tag=x' } }), 200, 'OK', { toTag: 'y' }).to.tag,
    ).toBe('x');
  });

  it('carries headers and a body', () => {
    const response = createResponse(invite, 200, 'Fine', {
      headers: [headerField('Contact', '<sip:b@d>')],
      body: Buffer.from('v=0'),
      contentType: 'application/sdp',
    });
    expect(parseResponse(serializeMessage(response))).toEqual(response);
    expect(response.reason).toBe('Fine');
  });
});

describe('serializeMessage', () => {
  it.each(['OK\r\nVia: x', 'Ċ', 'a\rb'])('refuses a reason that would leave its line: %j', (reason) => {
    expect(() => serializeMessage(createResponse(request(), 200, reason))).toThrow(RangeError);
  });

  it('refuses a Request-URI that would leave its line', () => {
    expect(() => serializeMessage({ ...request(), uri: 'sip:a SIP/2.0\r\nX: y' })).toThrow(RangeError);
  });
});

describe('reasonPhrase', () => {
  it.each([
    [430, 'Flow Failed'],
    [481, 'Call/Transaction Does Not Exist'],
    [199, 'Early Dialog Terminated'],
    [499, 'Bad Request'],
    [699, 'Busy Everywhere'],
    [99, 'Unknown'],
  ])('%d is %s', (status, reason) => {
    expect(reasonPhrase(status)).toBe(reason);
  });
});
