import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerStun, isStun } from '../../../src/sip/transport/stun.ts';

const cookie = '2112a442';
const transaction = 'b7e7a701bc34d686fa87dfae';

function request(attributes = '', type = '0001'): Buffer {
  const body = Buffer.from(attributes, 'hex');
  const length = body.length.toString(16).padStart(4, '0');
  return Buffer.from(`${type}${length}${cookie}${transaction}${attributes}`, 'hex');
}

describe('STUN on the SIP port', () => {
  it('answers with the XOR-MAPPED-ADDRESS of RFC 5769 §2.2 (IPv4)', () => {
    expect(answerStun(request(), '192.0.2.1', 32_853)?.toString('hex')).toBe(
      `0101000c${cookie}${transaction}002000080001a147e112a643`,
    );
  });

  it('answers with the XOR-MAPPED-ADDRESS of RFC 5769 §2.3 (IPv6)', () => {
    expect(answerStun(request(), '2001:db8:1234:5678:11:2233:4455:6677', 32_853)?.toString('hex')).toBe(
      `01010018${cookie}${transaction}002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9`,
    );
  });

  it('ignores attributes that it may ignore: SOFTWARE and USERNAME (RFC 8489 §14)', () => {
    const answer = answerStun(request('80220004544553540006000361626300'), '192.0.2.1', 1);
    expect(answer?.readUInt16BE(0)).toBe(0x0101);
  });

  it('answers 420 with the list of attributes that it would have to understand (RFC 8489 §6.3.1)', () => {
    // CHANGE-REQUEST of RFC 5780.
    const answer = answerStun(request('0003000400000006'), '192.0.2.1', 1);
    expect(answer?.toString('hex')).toBe(`01110010${cookie}${transaction}0009000400000414000a000200030000`);
  });

  it('answers a request with FINGERPRINT with one, and drops a wrong one (RFC 8489 §14.7)', () => {
    const fingerprint = (bytes: Buffer): Buffer => {
      const value = Buffer.alloc(4);
      value.writeUInt32BE((crc32(bytes) ^ 0x5354554e) >>> 0);
      return Buffer.concat([bytes, Buffer.from('80280004', 'hex'), value]);
    };
    const head = (type: string, length: string): Buffer =>
      Buffer.from(`${type}${length}${cookie}${transaction}`, 'hex');
    const asked = fingerprint(head('0001', '0008'));
    const body = Buffer.from('002000080001a147e112a643', 'hex');
    const expected = fingerprint(Buffer.concat([head('0101', '0014'), body]));
    expect(answerStun(asked, '192.0.2.1', 32_853)).toEqual(expected);
    asked[asked.length - 1] = (asked.at(-1) ?? 0) ^ 1;
    expect(answerStun(asked, '192.0.2.1', 32_853)).toBeUndefined();
  });

  it.each([
    ['an indication', request('', '0011')],
    ['a response', request('', '0101')],
    ['an Allocate request', request('', '0003')],
    ['a length beyond the datagram', Buffer.from(`00010004${cookie}${transaction}`, 'hex')],
    ['a length that is no multiple of four', Buffer.from(`00010002${cookie}${transaction}0000`, 'hex')],
    ['an attribute beyond the end', request('8022000854455354')],
  ])('drops %s without an answer', (_what, datagram) => {
    expect(isStun(datagram)).toBe(true);
    expect(answerStun(datagram, '192.0.2.1', 1)).toBeUndefined();
  });

  it('takes nothing for STUN that could start a SIP message or lacks the cookie', () => {
    expect(isStun(Buffer.from('OPTIONS sip:a@b SIP/2.0\r\n'))).toBe(false);
    expect(isStun(request().subarray(0, 19))).toBe(false);
    expect(isStun(Buffer.from(`000100000000000${transaction}00`, 'hex'))).toBe(false);
    // RTP and DTLS start with other bits.
    expect(isStun(Buffer.concat([Buffer.of(0x80), request().subarray(1)]))).toBe(false);
  });

  it('answers or drops whatever follows a STUN header, and throws nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
        const length = tail.length.toString(16).padStart(4, '0');
        const datagram = Buffer.concat([Buffer.from(`0001${length}${cookie}${transaction}`, 'hex'), tail]);
        const answer = answerStun(datagram, '192.0.2.1', 5060);
        expect(answer === undefined || answer.length <= 100).toBe(true);
      }),
    );
  });
});
