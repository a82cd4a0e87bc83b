import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSubjectAltName, vouchesFor } from '../../../src/sip/transport/peer-certificate.ts';

const peer = {
  authorized: true,
  fingerprint256: '',
  commonName: 'cn.example',
  subjectAltName: undefined,
  uris: ['sip:example.org', 'sip:alice@example.net'],
  dnsNames: ['PBX.example', '*.wild.example'],
  addresses: ['192.0.2.1'],
};

describe('subject alternative names', () => {
  it('are told apart', () => {
    expect(parseSubjectAltName('URI:sip:a@b.example, DNS:b.example, IP Address:192.0.2.1')).toEqual([
      ['URI', 'sip:a@b.example'],
      ['DNS', 'b.example'],
      ['IP Address', '192.0.2.1'],
    ]);
  });

  it('cannot be smuggled in: a value with a comma comes quoted and stays one value', () => {
    expect(parseSubjectAltName('URI:"sip:x@y, URI:sip:alice@b.example", DNS:b.example')).toEqual([
      ['URI', 'sip:x@y, URI:sip:alice@b.example'],
      ['DNS', 'b.example'],
    ]);
    expect(parseSubjectAltName('URI:"a\\", URI:sip:alice@b.example", DNS:c')).toEqual([
      ['URI', 'a", URI:sip:alice@b.example'],
      ['DNS', 'c'],
    ]);
  });

  it('throw nothing, whatever they hold', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseSubjectAltName(text)));
    fc.assert(
      fc.property(fc.array(fc.string()), (values) => {
        const text = values.map((value) => `URI:${JSON.stringify(value)}`).join(', ');
        expect(parseSubjectAltName(text)).toEqual(values.map((value) => ['URI', value]));
      }),
    );
  });
});

describe('whom a certificate vouches for (RFC 5922 §7)', () => {
  it.each([
    ['example.org', true],
    ['pbx.example', true],
    ['192.0.2.1', true],
    ['example.net', false],
    ['a.wild.example', false],
    ['cn.example', false],
  ])('%s: %s', (host, expected) => {
    expect(vouchesFor(peer, host)).toBe(expected);
    expect(vouchesFor({ ...peer, authorized: false }, host)).toBe(false);
    expect(vouchesFor(undefined, host)).toBe(false);
  });
});
