import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeBase32, systemRandom } from '../../../src/base/index.ts';
import { FlowTokens } from '../../../src/sip/proxy/index.ts';

const secret = new Uint8Array(32).fill(1);
const tokens = new FlowTokens({ keys: [{ id: 3, secret }], node: 'gw1', random: systemRandom });
const fingerprint = encodeBase32(new Uint8Array(32).fill(0xab));

describe('flow tokens (RFC 5626 §5.2)', () => {
  it('carry node, flows and identities there and back, for any of them', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 30 });
    const identity = fc.option(
      fc.oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }), fc.constant(fingerprint)),
      { nil: undefined },
    );
    fc.assert(
      fc.property(
        text,
        text,
        identity,
        identity,
        (callerFlow, calleeFlow, callerIdentity, calleeIdentity) => {
          const minted = tokens.mint({ callerFlow, calleeFlow, callerIdentity, calleeIdentity });
          expect(minted).toMatch(/^[A-Za-z0-9_-]+$/);
          expect(tokens.open(minted)).toEqual({
            node: 'gw1',
            callerFlow,
            calleeFlow,
            callerIdentity,
            calleeIdentity,
          });
        },
      ),
    );
  });

  it('stay short: under 120 characters without identities, 86 more with two fingerprints', () => {
    const flows = { callerFlow: 'uAAAAAAAAAAAAA', calleeFlow: 'uBBBBBBBBBBBBB' };
    const bare = tokens.mint(flows).length;
    expect(bare).toBeLessThan(120);
    expect(
      tokens.mint({ ...flows, callerIdentity: fingerprint, calleeIdentity: fingerprint }).length,
    ).toBeLessThanOrEqual(bare + 86);
  });

  it('refuse each flipped bit and each changed character', () => {
    const minted = tokens.mint({ callerFlow: 'a', calleeFlow: 'b', callerIdentity: fingerprint });
    const bytes = Buffer.from(minted, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(tokens.open(changed.toString('base64url'))).toBeTypeOf('string');
    }
    for (let i = 0; i < minted.length; i++) {
      const other = minted[i] === 'A' ? 'B' : 'A';
      expect(tokens.open(minted.slice(0, i) + other + minted.slice(i + 1))).toBeTypeOf('string');
    }
  });

  it('say nothing to who sees them: neither who is called nor that two calls are the same', () => {
    const fields = { callerFlow: 'uAAAAAAAAAAAAA', calleeFlow: 'uBBBB', callerIdentity: fingerprint };
    const minted = Array.from({ length: 200 }, () => Buffer.from(tokens.mint(fields), 'base64url'));
    const readable = [fingerprint, 'uAAAAAAAAAAAAA', 'uBBBB', 'gw1'].map((text) => Buffer.from(text));
    const packed = Buffer.alloc(8, 0xab);
    for (const token of minted)
      for (const text of [...readable, packed]) expect(token.includes(text)).toBe(false);
    const [first = Buffer.alloc(0)] = minted;
    // Beyond version and key id, no byte is the same in all of them.
    for (let at = 2; at < first.length; at++)
      expect(new Set(minted.map((token) => token[at])).size).toBeGreaterThan(50);
  });

  it('never spell CSeq, which SIPp would take for the header field of a response with such a Record-Route', () => {
    // Version and key id, then the nonce: its bytes 1 to 3 are four characters of base64url.
    const nonces = [Buffer.concat([Buffer.of(0), Buffer.from('CSeq', 'base64url'), Buffer.alloc(8)])];
    const random = { ...systemRandom, bytes: (length: number) => nonces.pop() ?? new Uint8Array(length) };
    const scripted = new FlowTokens({ keys: [{ id: 3, secret }], node: 'gw1', random });
    const minted = scripted.mint({ callerFlow: 'a', calleeFlow: 'b' });
    expect(nonces).toEqual([]);
    expect(minted).not.toContain('CSeq');
    expect(scripted.open(minted)).toMatchObject({ callerFlow: 'a', calleeFlow: 'b' });
  });

  it('refuse each truncation and arbitrary text', () => {
    const minted = tokens.mint({ callerFlow: 'a', calleeFlow: 'b' });
    for (let i = 0; i < minted.length; i++) expect(tokens.open(minted.slice(0, i))).toBeTypeOf('string');
    fc.assert(fc.property(fc.string(), (text) => typeof tokens.open(text) === 'string'));
    expect(tokens.open('A'.repeat(100_000))).toBe('malformed');
  });

  it('open with the previous key after a rotation, and no longer once it is dropped', () => {
    const old = tokens.mint({ callerFlow: 'a', calleeFlow: 'b' });
    const next = { id: 4, secret: new Uint8Array(32).fill(2) };
    const rotated = new FlowTokens({ keys: [next, { id: 3, secret }], node: 'gw1', random: systemRandom });
    expect(rotated.open(old)).toMatchObject({ callerFlow: 'a' });
    expect(tokens.open(rotated.mint({ callerFlow: 'a', calleeFlow: 'b' }))).toBe('unknown-key');
    expect(new FlowTokens({ keys: [next], node: 'gw1', random: systemRandom }).open(old)).toBe('unknown-key');
    expect(
      new FlowTokens({ keys: [{ id: 3, secret: next.secret }], node: 'gw1', random: systemRandom }).open(old),
    ).toBe('forged');
  });

  it('need a whole secret and fields that fit', () => {
    expect(() => new FlowTokens({ keys: [], node: 'x', random: systemRandom })).toThrow(RangeError);
    expect(
      () =>
        new FlowTokens({ keys: [{ id: 1, secret: new Uint8Array(16) }], node: 'x', random: systemRandom }),
    ).toThrow(RangeError);
    expect(() => tokens.mint({ callerFlow: 'x'.repeat(255), calleeFlow: '' })).toThrow(RangeError);
  });
});

describe('remembered tokens', () => {
  const key = { id: 1, secret: new Uint8Array(32).fill(1) };
  const fields = { callerFlow: 'a', calleeFlow: 'b', callerIdentity: 'x y', calleeIdentity: 'z' };

  it('say the same as those that are opened for the first time', () => {
    const minted = new FlowTokens({ keys: [key], node: 'gw', random: systemRandom });
    const token = minted.mint(fields);
    const other = new FlowTokens({ keys: [key], node: 'gw', random: systemRandom });
    expect(other.open(token)).toEqual(minted.open(token));
    expect(other.open(token)).toEqual(minted.open(token));
  });

  it('are bounded in number, and what was forgotten opens as before', () => {
    const tokens = new FlowTokens({ keys: [key], node: 'gw', random: systemRandom });
    const first = tokens.mint({ callerFlow: 'first', calleeFlow: 'b' });
    for (let i = 0; i < 20_000; i++) tokens.mint({ callerFlow: `f${i}`, calleeFlow: 'b' });
    expect(tokens.open(first)).toMatchObject({ callerFlow: 'first' });
  });
});
