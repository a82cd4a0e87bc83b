import { describe, expect, test } from 'vitest';
import {
  createIdentityToken,
  generateSigningKey,
  packIdentityToken,
  unpackIdentityToken,
} from '../../src/tokens/index.ts';

const now = 1_767_225_600;
const key = generateSigningKey();
const times = { notBefore: now - 60, expires: now + 86_400, now };

describe('a packed identity token', () => {
  test.each(['jis:a', 'mail:somebody@example.com', `jis:${'n'.repeat(23)}`, 'jis:ß'])(
    'comes back byte for byte: %s',
    (subject) => {
      const token = createIdentityToken({ key, subject, ...times });
      const packed = packIdentityToken(token.bytes, token);
      expect(packed).toHaveLength(160);
      const unpacked = unpackIdentityToken(packed ?? new Uint8Array(), token);
      expect(Buffer.from(unpacked ?? [])).toEqual(Buffer.from(token.bytes));
    },
  );

  test('is not made of tokens of another form, nor with facts of another token', () => {
    const withAttribute = createIdentityToken({
      ...{ key, subject: 'jis:alice', ...times },
      attributes: [{ name: 'role', value: 'nurse', level: 'identity' }],
    });
    expect(packIdentityToken(withAttribute.bytes, withAttribute)).toBeUndefined();
    const long = createIdentityToken({ key, subject: `jis:${'n'.repeat(60)}`, ...times });
    expect(packIdentityToken(long.bytes, long)).toBeUndefined();
    const token = createIdentityToken({ key, subject: 'jis:alice', ...times });
    expect(packIdentityToken(token.bytes, { ...token, expires: token.expires + 1 })).toBeUndefined();
    expect(packIdentityToken(new Uint8Array(), token)).toBeUndefined();
    expect(unpackIdentityToken(new Uint8Array(159), token)).toBeUndefined();
  });
});
