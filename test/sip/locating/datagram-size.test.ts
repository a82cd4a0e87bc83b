import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestBytes } from '../../../src/sip/locating/index.ts';
import {
  createRequest,
  createVia,
  headerField,
  type SipRequest,
  serializeMessage,
} from '../../../src/sip/message/index.ts';

function request(subject: string, body: Uint8Array): SipRequest {
  return createRequest({
    method: 'MESSAGE',
    uri: 'sip:bob@example.com',
    via: createVia({ transport: 'UDP', host: '127.0.0.1', port: 5060, branch: 'b' }),
    from: '<sip:alice@example.com>;tag=1',
    to: '<sip:bob@example.com>',
    callId: 'size',
    cseq: 1,
    headers: [headerField('Subject', subject)],
    body,
  });
}

describe('the size of a request for RFC 3261 §18.1.1', () => {
  it('is what is written on the wire', () => {
    // One byte a character, as all header text here is.
    const subject = fc.string({
      unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
    });
    fc.assert(
      fc.property(subject, fc.uint8Array({ maxLength: 1_200 }), (text, body) => {
        const message = request(text.trim(), body);
        expect(requestBytes(message)).toBe(serializeMessage(message).length);
      }),
    );
  });
});
