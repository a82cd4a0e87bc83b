import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HmacSha256 } from '../../src/base/index.ts';

describe('HMAC-SHA-256 (RFC 2104)', () => {
  it('is what OpenSSL makes of it, for any key of a block and any parts', () => {
    const part = fc.oneof(fc.uint8Array({ maxLength: 2_000 }), fc.string({ unit: 'grapheme' }));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(part, { maxLength: 4 }), (key, parts) => {
        const theirs = createHmac('sha256', key);
        for (const each of parts) theirs.update(each);
        const ours = new HmacSha256(key);
        const expected = theirs.digest('hex');
        expect(Buffer.from(ours.of(...parts), 'latin1').toString('hex')).toBe(expected);
        // Its memory is used again.
        expect(Buffer.from(ours.of(...parts), 'latin1').toString('hex')).toBe(expected);
      }),
    );
  });

  it('takes no key that would have to be hashed first', () => {
    expect(() => new HmacSha256(new Uint8Array(65))).toThrow(RangeError);
  });
});
