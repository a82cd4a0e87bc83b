import { describe, expect, test } from 'vitest';
import { dtlsFingerprints } from '../../src/media/index.ts';

const sdp = (...lines: string[]): Uint8Array => Buffer.from(['v=0', ...lines, ''].join('\r\n'), 'latin1');

describe('DTLS fingerprints of a session description (RFC 8122 §5)', () => {
  test('are found at session and media level, in one spelling', () => {
    const body = sdp(
      'a=fingerprint:SHA-256 ab:cd',
      'm=audio 9 UDP/TLS/RTP/SAVPF 0',
      'a=fingerprint:sha-1  EF:01 ',
    );
    expect(dtlsFingerprints('application/sdp; charset=utf-8', body)).toEqual([
      'sha-256 AB:CD',
      'sha-1 EF:01',
    ]);
  });

  test('are only read from SDP bodies and whole attribute lines', () => {
    const body = sdp('a=fingerprint:sha-256 AB:CD');
    expect(dtlsFingerprints('text/plain', body)).toEqual([]);
    expect(dtlsFingerprints(undefined, body)).toEqual([]);
    expect(dtlsFingerprints('application/sdp', sdp('s=a=fingerprint:sha-256 AB:CD'))).toEqual([]);
    expect(dtlsFingerprints('application/sdp', sdp('a=fingerprint:sha-256'))).toEqual([]);
  });

  test('are bounded in number', () => {
    const body = sdp(...Array.from({ length: 1000 }, () => 'a=fingerprint:sha-256 AB:CD'));
    expect(dtlsFingerprints('application/sdp', body)).toHaveLength(32);
  });
});
