import { describe, expect, test } from 'vitest';
import { mediaKeys } from '../../src/media/index.ts';

const sdp = (...lines: string[]): Uint8Array => Buffer.from(['v=0', ...lines, ''].join('\r\n'), 'latin1');

describe('DTLS fingerprints of a session description (RFC 8122 §5)', () => {
  test('are found at session and media level, in one spelling', () => {
    const body = sdp(
      'a=fingerprint:SHA-256 ab:cd',
      'm=audio 9 UDP/TLS/RTP/SAVPF 0',
      'a=fingerprint:sha-1  EF:01 ',
    );
    expect(mediaKeys('application/sdp; charset=utf-8', body)).toEqual(['sha-256 AB:CD', 'sha-1 EF:01']);
  });

  test('are only read from SDP bodies and whole attribute lines', () => {
    const body = sdp('a=fingerprint:sha-256 AB:CD');
    expect(mediaKeys('text/plain', body)).toEqual([]);
    expect(mediaKeys(undefined, body)).toEqual([]);
    expect(mediaKeys('application/sdp', sdp('s=a=fingerprint:sha-256 AB:CD'))).toEqual([]);
    expect(mediaKeys('application/sdp', sdp('a=fingerprint:sha-256'))).toEqual([]);
  });

  test('are found in the description of a multipart body (RFC 5621)', () => {
    const body = Buffer.from(
      '--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\na=fingerprint:sha-256 AB:CD\r\n--x--\r\n',
    );
    expect(mediaKeys('multipart/mixed;boundary=x', body)).toEqual(['sha-256 AB:CD']);
    expect(mediaKeys('multipart/mixed;boundary=y', body)).toEqual([]);
  });

  test('stand beside the hashes of SDES keys (RFC 4568 §4), which the tag does not change', () => {
    const key = 'AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz';
    const [hash, ...more] = mediaKeys('application/sdp', sdp(`a=crypto:1 ${key}`));
    expect(hash).toMatch(/^sdes [0-9A-F]{64}$/);
    expect(more).toEqual([]);
    expect(mediaKeys('application/sdp', sdp(`a=crypto:2 ${key}`))).toEqual([hash]);
    expect(mediaKeys('application/sdp', sdp(`a=crypto:1 ${key}x`))).not.toEqual([hash]);
  });

  test('are bounded in number', () => {
    const body = sdp(...Array.from({ length: 1000 }, () => 'a=fingerprint:sha-256 AB:CD'));
    expect(mediaKeys('application/sdp', body)).toHaveLength(32);
  });
});
