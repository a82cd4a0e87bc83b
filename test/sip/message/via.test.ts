import { describe, expect, it } from 'vitest';
import {
  createVia,
  parseVia,
  serializeVia,
  withViaParam,
  withViaSource,
} from '../../../src/sip/message/index.ts';
import { parseErrorOf } from './parse-errors.ts';

describe('parseVia (RFC 3261 §20.42)', () => {
  it('reads blanks around every separator (RFC 4475 §3.1.1.1)', () => {
    expect(parseVia('SIP  / 2.0  / TCP     spindle.example.com   ;  branch  =   z9hG4bK9ikj8')).toMatchObject(
      {
        transport: 'TCP',
        host: 'spindle.example.com',
        port: undefined,
        branch: 'z9hG4bK9ikj8',
      },
    );
  });

  it.each([
    ['SIP/2.0/udp h', { transport: 'UDP', hasRport: false, branch: undefined }],
    ['SIP/2.0/UDP h:5060;rport', { port: 5060, hasRport: true, rport: undefined }],
    [
      'SIP/2.0/UDP h : 5060 ;rport=4711;received=192.0.2.9',
      { port: 5060, rport: 4711, received: '192.0.2.9' },
    ],
    ['SIP/2.0/TLS [2001:db8::9:1]:6050;received=[2001:db8::9:255]', { host: '[2001:db8::9:1]', port: 6050 }],
    [
      'SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z',
      { received: '2001:db8::9:255', branch: 'z' },
    ],
    ['SIP/2.0/UDP h;branch=a;branch=b', { branch: 'a' }],
    ['SIP/2.0/UDP my_host.local;BRANCH=a', { host: 'my_host.local', branch: 'a' }],
  ])('reads %s', (text, expected) => {
    expect(parseVia(text)).toMatchObject(expected);
  });

  it.each([
    '',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP ',
    'SIP/3.0/UDP h',
    'HTTP/2.0/UDP h',
    'SIP/2.0 h',
    'SIP/2.0/UDP h:',
    'SIP/2.0/UDP h:65536',
    'SIP/2.0/UDP h;rport=x',
    'SIP/2.0/UDP [::1',
    'SIP/2.0/UDP h extra',
    'SIP/2.0/UDP h;;branch=1',
    'SIP/2.0/UDP h;branch=',
    'SIP/2.0/UDP h;x="open',
    'SIP/2.0/UDP h, SIP/2.0/UDP i',
  ])('refuses %j', (text) => {
    expect(['via', 'params']).toContain(parseErrorOf(() => parseVia(text)).code);
  });
});

describe('the source of a request (RFC 3261 §18.2.1, RFC 3581 §4)', () => {
  const noted = (text: string): string => serializeVia(withViaSource(parseVia(text), '198.51.100.7', 4711));

  it.each([
    ['SIP/2.0/UDP 198.51.100.7;branch=b', 'SIP/2.0/UDP 198.51.100.7;branch=b'],
    ['SIP/2.0/UDP 10.0.0.1;branch=b', 'SIP/2.0/UDP 10.0.0.1;branch=b;received=198.51.100.7'],
    [
      'SIP/2.0/UDP 198.51.100.7;rport;branch=b',
      'SIP/2.0/UDP 198.51.100.7;rport=4711;branch=b;received=198.51.100.7',
    ],
    ['SIP/2.0/UDP h;received=203.0.113.1;rport=1', 'SIP/2.0/UDP h;received=198.51.100.7;rport=4711'],
    ['SIP/2.0/UDP 198.51.100.7;received=203.0.113.1', 'SIP/2.0/UDP 198.51.100.7;received=198.51.100.7'],
  ])('%s becomes %s', (text, expected) => {
    expect(noted(text)).toBe(expected);
  });

  it('writes an IPv6 source without brackets (RFC 5118 §4.5)', () => {
    const via = withViaSource(parseVia('SIP/2.0/UDP h;rport'), '2001:db8::1', 5060);
    expect(serializeVia(via)).toBe('SIP/2.0/UDP h;rport=5060;received=2001:db8::1');
    expect(
      withViaSource(parseVia('SIP/2.0/UDP [2001:db8::1]'), '2001:db8::1', 5060).received,
    ).toBeUndefined();
  });
});

describe('own Vias', () => {
  it('carry the magic cookie once', () => {
    const via = createVia({
      transport: 'ws',
      host: 'gw.example.com',
      port: 5080,
      branch: 'abc',
      rport: true,
    });
    expect(serializeVia(via)).toBe('SIP/2.0/WS gw.example.com:5080;branch=z9hG4bKabc;rport');
    expect(createVia({ transport: 'UDP', host: 'h', branch: 'z9hG4bKx' }).branch).toBe('z9hG4bKx');
  });

  it('take further parameters', () => {
    const via = withViaParam(createVia({ transport: 'UDP', host: 'h', branch: 'x' }), 'keep', undefined);
    expect(serializeVia(via)).toBe('SIP/2.0/UDP h;branch=z9hG4bKx;keep');
  });
});
