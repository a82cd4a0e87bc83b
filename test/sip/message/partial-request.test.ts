import { describe, expect, it } from 'vitest';
import { defaultMessageLimits, parseMessage, serializeRejection } from '../../../src/sip/message/index.ts';
import { type RequestParts, requestBytes } from './messages.ts';
import { parseErrorOf } from './parse-errors.ts';

const errorOf = (bytes: Uint8Array) => parseErrorOf(() => parseMessage(bytes, defaultMessageLimits));
const replaced = (name: string, value: string | undefined): RequestParts => ({ set: { [name]: value } });

describe('what can be answered of a malformed request (RFC 3261 §8.2.6.2)', () => {
  it('repeats Via, From, To, Call-ID and CSeq', () => {
    const error = errorOf(requestBytes({ extra: ['Via: SIP/2.0/UDP second', 'Content-Length: x'] }));
    const answer = Buffer.from(serializeRejection(error, 'Bad Content-Length') ?? []).toString('latin1');
    expect(answer).toBe(
      [
        'SIP/2.0 400 Bad Content-Length',
        'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport',
        'From: "Alice" <sip:alice@example.com>;tag=f1',
        'To: <sip:bob@example.com>',
        'Call-ID: c1@example.com',
        'CSeq: 1 INVITE',
        'Via: SIP/2.0/UDP second',
        'Content-Length: 0',
        '',
        '',
      ].join('\r\n'),
    );
  });

  it('notes the source and a To tag when they are given (§18.2.1)', () => {
    const error = errorOf(requestBytes({ extra: ['Content-Length: x'] }));
    const options = { toTag: 't9', source: { address: '198.51.100.7', port: 4711 } };
    const answer = Buffer.from(serializeRejection(error, undefined, options) ?? []).toString('latin1');
    expect(answer).toContain('SIP/2.0 400 Bad Request\r\n');
    expect(answer).toContain(';branch=z9hG4bKabc;rport=4711;received=198.51.100.7\r\n');
    expect(answer).toContain('To: <sip:bob@example.com>;tag=t9\r\n');
  });

  it('is the first of what may occur only once, and a malformed Via as it is', () => {
    const parts = { set: { Via: 'SIP/7.0/UDP h' }, extra: ['From: <sip:x@y>'] };
    const options = { source: { address: '198.51.100.7', port: 4711 } };
    const answer = Buffer.from(
      serializeRejection(errorOf(requestBytes(parts)), 'No', options) ?? [],
    ).toString('latin1');
    expect(answer).toContain('Via: SIP/7.0/UDP h\r\n');
    expect(answer.match(/^From:/gm)).toHaveLength(1);
  });

  it.each<[string, RequestParts]>([
    ['no Via', replaced('Via', undefined)],
    ['no To', replaced('To', undefined)],
    ['ACK', { start: 'ACK sip:b@c SIP/2.0' }],
    ['a control byte in what would be repeated', replaced('From', '<sip:a\x01@b>;tag=1')],
  ])('is nothing for %s', (_what, parts) => {
    const error = errorOf(requestBytes({ ...parts, extra: [...(parts.extra ?? []), 'Content-Length: x'] }));
    expect(error.partial).toBeUndefined();
    expect(serializeRejection(error, 'Bad Request')).toBeUndefined();
  });
});
