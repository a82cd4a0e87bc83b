import { describe, expect, it } from 'vitest';
import {
  formatListenAddress,
  formatWebAddress,
  isAddressOrNetwork,
  isNameServer,
  parseListenAddress,
  parsePeerTarget,
  parseWebAddress,
} from '../../src/config/index.ts';

describe('listen addresses', () => {
  it.each([
    ['udp://127.0.0.1:5060', 'udp', '127.0.0.1', 5060],
    ['TCP://127.0.0.1', 'tcp', '127.0.0.1', 5060],
    ['tls://[::]', 'tls', '::', 5061],
    ['ws://[2001:db8::1]:5080', 'ws', '2001:db8::1', 5080],
    ['wss://pbx.example', 'wss', 'pbx.example', 443],
    ['udp://localhost:0', 'udp', 'localhost', 0],
  ])('reads %s', (text, transport, host, port) => {
    expect(parseListenAddress(text)).toEqual({ transport, host, port });
  });

  it.each([
    '',
    'udp',
    'udp:127.0.0.1',
    'sctp://127.0.0.1',
    'udp://',
    'udp://:5060',
    'udp://::1',
    'udp://[::1',
    'udp://[::1]x',
    'udp://[127.0.0.1]',
    'udp://a:b',
    'udp://a:',
    'udp://a:99999',
    'udp://a/b',
    'udp://user@host',
  ])('explains what is wrong with "%s"', (text) => {
    expect(parseListenAddress(text)).toBeTypeOf('string');
  });

  it.each(['udp://127.0.0.1:5060', 'tls://[::1]:5061', 'ws://0.0.0.0:80'])(
    'writes %s as it was read',
    (text) => {
      const address = parseListenAddress(text);
      expect(typeof address === 'string' ? address : formatListenAddress(address)).toBe(text);
    },
  );
});

describe('the admin address', () => {
  it('is plain HTTP with a host', () => {
    expect(parseWebAddress('http://127.0.0.1:8060/')).toEqual({ host: '127.0.0.1', port: 8060 });
    expect(formatWebAddress({ host: '::1', port: 8060 })).toBe('http://[::1]:8060');
    expect(parseWebAddress('https://127.0.0.1')).toBeTypeOf('string');
    expect(parseWebAddress('127.0.0.1:8060')).toBeTypeOf('string');
  });
});

describe('peer targets', () => {
  it.each([
    ['udp://10.0.0.5', 'udp', false, '10.0.0.5', undefined],
    ['tcp://pbx.example:5070', 'tcp', false, 'pbx.example', 5070],
    ['TLS://[2001:db8::1]:5061', 'tls', true, '2001:db8::1', 5061],
    ['sip://pbx.example', undefined, false, 'pbx.example', undefined],
    ['sips://pbx.example', undefined, true, 'pbx.example', undefined],
  ] as const)('reads %s', (text, transport, secure, host, port) => {
    expect(parsePeerTarget(text)).toEqual({ transport, secure, host, port });
  });

  it.each([
    'pbx.example',
    'ws://pbx.example',
    'wss://pbx.example',
    'udp://',
    'udp://pbx:0',
    'tcp://pbx:70000',
  ])('refuses %s with a sentence', (text) => {
    expect(parsePeerTarget(text)).toBeTypeOf('string');
  });
});

describe('name servers', () => {
  it.each(['10.0.0.1', '10.0.0.1:5353', '::1', '[::1]:53'])('takes %s', (text) => {
    expect(isNameServer(text)).toBe(true);
  });

  it.each(['', 'ns.example', '10.0.0.1:0', '10.0.0.1:x', '[::1', 'ns.example:53'])('refuses "%s"', (text) => {
    expect(isNameServer(text)).toBe(false);
  });
});

describe('peer matches', () => {
  it.each(['10.0.0.5', '10.0.0.0/8', '::1', '2001:db8::/32', '0.0.0.0/0'])('takes %s', (text) => {
    expect(isAddressOrNetwork(text)).toBe(true);
  });

  it.each(['', 'pbx.example', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/-1', '10.0.0/8'])(
    'refuses "%s"',
    (text) => {
      expect(isAddressOrNetwork(text)).toBe(false);
    },
  );
});
