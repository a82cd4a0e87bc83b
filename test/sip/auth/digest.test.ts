import { expect, test } from 'vitest';
import {
  type DigestInput,
  digestAlgorithmNamed,
  digestHa1,
  digestResponse,
  mintDigestCredential,
  sameResponse,
} from '../../../src/sip/auth/index.ts';

const rfc7616: Omit<DigestInput, 'algorithm' | 'ha1'> = {
  nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
  method: 'GET',
  uri: '/dir/index.html',
  protection: { qop: 'auth', nc: '00000001', cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ' },
};

test.each([
  ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
  ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
] as const)('RFC 7616 §3.9.1: the published %s response', (algorithm, response) => {
  const ha1 = digestHa1(algorithm, 'Mufasa', 'http-auth@example.org', 'Circle of Life');
  expect(digestResponse({ ...rfc7616, algorithm, ha1 })).toBe(response);
});

test('RFC 7616 §3.9.2: the published SHA-512-256 response, as erratum 4897 corrects it', () => {
  const algorithm = 'SHA-512-256';
  const ha1 = digestHa1(algorithm, 'J\u00e4s\u00f8n Doe', 'api@example.org', 'Secret, or not?');
  const nonce = '5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK';
  const cnonce = 'NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v';
  const protection = { qop: 'auth', nc: '00000001', cnonce } as const;
  expect(digestResponse({ algorithm, ha1, nonce, method: 'GET', uri: '/doe.json', protection })).toBe(
    '3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5',
  );
});

const rfc2617 = {
  algorithm: 'MD5',
  ha1: digestHa1('MD5', 'Mufasa', 'testrealm@host.com', 'Circle Of Life'),
  nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
  method: 'GET',
  uri: '/dir/index.html',
} as const;

test('RFC 2617 §3.5: the published response with qop=auth', () => {
  const protection = { qop: 'auth', nc: '00000001', cnonce: '0a4f113b' } as const;
  expect(digestResponse({ ...rfc2617, protection })).toBe('6629fae49393a05397450978507c4ef1');
});

test('RFC 2069 §2.1.2: the response without qop, for phones that know no better', () => {
  expect(digestResponse(rfc2617)).toBe('670fd8c2df070c60b045671b8b24ff02');
});

test('RFC 7616 §3.4.3: auth-int covers the body, auth does not', () => {
  const respond = (qop: 'auth' | 'auth-int', body: string): string =>
    digestResponse({
      ...rfc2617,
      protection: { qop, nc: '00000001', cnonce: '0a4f113b' },
      body: Buffer.from(body),
    });
  expect(respond('auth', 'a')).toBe(respond('auth', 'b'));
  expect(respond('auth-int', 'a')).not.toBe(respond('auth-int', 'b'));
});

test('a credential holds H(A1) of each algorithm and nothing of the password', () => {
  const credential = mintDigestCredential({
    username: 'Mufasa',
    realm: 'http-auth@example.org',
    password: 'Circle of Life',
  });
  expect(credential.ha1Md5).toBe('3d78807defe7de2157e2b0b6573a855f');
  expect(credential.ha1Sha256).toBe('7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232');
  expect(credential.ha1Sha512256).toMatch(/^[0-9a-f]{64}$/);
  expect(JSON.stringify(credential)).not.toContain('Circle');
});

test('RFC 7616 §3.3: algorithm names have no case, MD5 is the default, session variants are unknown here', () => {
  expect(digestAlgorithmNamed(undefined)).toBe('MD5');
  expect(digestAlgorithmNamed('sha-256')).toBe('SHA-256');
  expect(digestAlgorithmNamed('MD5-sess')).toBeUndefined();
  expect(digestAlgorithmNamed('SHA-512-256-sess')).toBeUndefined();
});

test('responses are compared whole, in either case, whatever their length', () => {
  expect(sameResponse('abcd', 'ABCD')).toBe(true);
  expect(sameResponse('abcd', 'abce')).toBe(false);
  expect(sameResponse('abcd', 'abc')).toBe(false);
  expect(sameResponse('abcd', '')).toBe(false);
});
