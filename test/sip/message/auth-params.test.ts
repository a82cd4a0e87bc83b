import { describe, expect, it } from 'vitest';
import { parseAuthValue, serializeAuthValue } from '../../../src/sip/message/index.ts';
import { parseErrorOf } from './parse-errors.ts';

describe('parseAuthValue (RFC 3261 §25.1, RFC 7616 §3)', () => {
  it('reads credentials', () => {
    const value =
      'Digest username="bob", realm="a, \\"b\\"" ,nonce=abc==,uri="sip:x@y;a=b", qop=auth, NC=00000001, cnonce="", response=e0';
    const { scheme, params } = parseAuthValue(value);
    expect(scheme).toBe('Digest');
    expect(Object.fromEntries(params)).toEqual({
      username: 'bob',
      realm: 'a, "b"',
      nonce: 'abc==',
      uri: 'sip:x@y;a=b',
      qop: 'auth',
      nc: '00000001',
      cnonce: '',
      response: 'e0',
    });
  });

  it('reads a scheme that nobody knows (RFC 4475 §3.3.7)', () => {
    expect(parseAuthValue('NoOneKnowsThisScheme opaque-data=here').params.get('opaque-data')).toBe('here');
  });

  it.each([
    ['(13) an open quote', 'Digest username="bob'],
    ['(13) a quote that a backslash keeps open', 'Digest username="bob\\"'],
    ['a name twice', 'Digest realm="a", Realm="b"'],
    ['no value', 'Digest realm='],
    ['no name', 'Digest ="a"'],
    ['no equals sign', 'Digest realm'],
    ['a comma at the end', 'Digest realm="a",'],
    ['two commas', 'Digest realm="a",,nonce="b"'],
    ['no comma', 'Digest realm="a" nonce="b"'],
    ['nothing', ''],
    ['text behind a quoted value', 'Digest realm="a"b'],
    [
      'more parameters than any scheme has',
      `Digest ${Array.from({ length: 40 }, (_, i) => `p${i}=1`).join(',')}`,
    ],
  ])('refuses %s', (_what, value) => {
    expect(parseErrorOf(() => parseAuthValue(value))).toMatchObject({ code: 'auth', status: 400 });
  });
});

describe('serializeAuthValue (RFC 7616 §3.3, §3.4)', () => {
  const params = [
    ['realm', 'a "b"'],
    ['algorithm', 'SHA-256'],
    ['qop', 'auth'],
    ['stale', 'true'],
  ] as const;

  it('quotes qop in a challenge and not in credentials', () => {
    expect(serializeAuthValue('Digest', params, 'challenge')).toBe(
      'Digest realm="a \\"b\\"", algorithm=SHA-256, qop="auth", stale=true',
    );
    expect(serializeAuthValue('Digest', params, 'credentials')).toContain('qop=auth,');
  });

  it('is read back', () => {
    expect([...parseAuthValue(serializeAuthValue('Digest', params, 'challenge')).params]).toEqual(params);
  });
});
