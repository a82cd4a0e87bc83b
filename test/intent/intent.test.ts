import { describe, expect, it } from 'vitest';
import { addressOf, declaredIntent, intentRequestOf, readUri } from '../../src/intent/index.ts';
import { defaultMessageLimits, parseMessage, type SipRequest } from '../../src/sip/index.ts';

function request(method: string, fields: Readonly<Record<string, string>> = {}, body = ''): SipRequest {
  const lines = [
    `${method} sip:Bob@Sip.Test;user=phone SIP/2.0`,
    'Via: SIP/2.0/WS phone.invalid;branch=z9hG4bK1',
    'Max-Forwards: 70',
    'From: "Zoë" <sip:alice@sip.test>;tag=a',
    'To: <sip:Bob@Sip.Test>',
    'Call-ID: c',
    `CSeq: 7 ${method}`,
    ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ];
  const message = parseMessage(Buffer.from(lines.join('\r\n')), defaultMessageLimits);
  if (message.kind !== 'request') throw new Error('not a request');
  return message;
}

describe('the address that was dialled', () => {
  it.each([
    ['sip:alice@Example.ORG', 'alice@example.org'],
    ['sips:alice@example.org:5061;transport=tcp?subject=x', 'alice@example.org'],
    ['sip:laptop%3Ajasper@h', 'laptop%3Ajasper@h'],
    ['sip:jis:bob@h', 'jis%3Abob@h'],
    ['sip:alice:secret@h', 'alice@h'],
    ['sip:[2001:db8::1]:5060', '[2001:db8::1]'],
    ['tel:+4930123456', 'tel:+4930123456'],
    ['not a uri', 'not a uri'],
  ])('of %s is %s', (uri, address) => {
    expect(addressOf(uri)).toBe(address);
  });

  it('is undefined, not an error, where a stranger wrote no URI', () => {
    expect(readUri('')).toBeUndefined();
    expect(readUri('sip:')).toBeUndefined();
  });
});

describe('the declared intent', () => {
  it('is the Subject, in UTF-8 (RFC 3261 §20.36)', () => {
    expect(declaredIntent(request('INVITE', { Subject: ' Rückruf ☎ ' }), 'jis:bob')).toBe('Rückruf ☎');
    expect(declaredIntent(request('INVITE', { s: 'compact' }), 'jis:bob')).toBe('compact');
  });

  it('is the plain purpose where nobody says more, and never empty', () => {
    expect(declaredIntent(request('INVITE'), 'jis:bob')).toBe('voice call to jis:bob');
    expect(declaredIntent(request('INVITE', { Subject: ' ' }), 'jis:bob')).toBe('voice call to jis:bob');
    expect(declaredIntent(request('MESSAGE'), 'jis:bob')).toBe('message to jis:bob');
  });

  it('is cut at a whole character', () => {
    const cut = declaredIntent(request('INVITE', { Subject: `${'x'.repeat(199)}📞📞` }), 'jis:bob');
    expect(cut).toBe('x'.repeat(199));
  });
});

describe('what a token binds of a request', () => {
  it('is its leg, and the Contact of a REGISTER only', () => {
    const contact = '<sip:alice@phone.invalid>';
    expect(intentRequestOf(request('INVITE', { Contact: contact }))).toEqual({
      method: 'INVITE',
      fromUri: 'sip:alice@sip.test',
      fromTag: 'a',
      toUri: 'sip:Bob@Sip.Test',
      toTag: undefined,
      callId: 'c',
      cseq: 7,
      contact: undefined,
      sessionId: undefined,
      dtlsFingerprints: [],
    });
    expect(intentRequestOf(request('REGISTER', { Contact: contact })).contact).toBe(contact);
  });

  it('is its Session-ID (RFC 7989 §5) and the keys of its media (RFC 8122 §5)', () => {
    const bound = intentRequestOf(
      request(
        'INVITE',
        { 'Session-ID': 'ab30317f1a784dc48ff824d0d3715d86', 'Content-Type': 'application/sdp' },
        'v=0\r\na=fingerprint:sha-256 ab:cd\r\n',
      ),
    );
    expect(bound.sessionId).toBe('ab30317f1a784dc48ff824d0d3715d86');
    expect(bound.dtlsFingerprints).toEqual(['sha-256 AB:CD']);
    expect(intentRequestOf(request('INVITE', { 'Session-ID': 'x'.repeat(129) })).sessionId).toBeUndefined();
  });
});
