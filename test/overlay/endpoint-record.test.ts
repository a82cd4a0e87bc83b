import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeHex, encodeHex } from '../../src/base/index.ts';
import {
  decodeEndpointRecord,
  type EndpointClaim,
  endpointText,
  OverlayError,
  signEndpointRecord,
  verifyEndpointRecord,
} from '../../src/overlay/index.ts';
import { signCoseSign1, signingKeyFromSeed } from '../../src/tokens/index.ts';

const key = signingKeyFromSeed(new Uint8Array(32).fill(7));
const claim: EndpointClaim = {
  fingerprint: 'a'.repeat(52),
  sequence: 5n,
  issuedAt: 1_767_225_600,
  expires: 1_767_229_200,
  address: '203.0.113.1',
  port: 44_321,
  behindNat: true,
  capabilities: ['mqtt', 'sip.video'],
};

/** docs/overlay.md shows the same bytes. */
const vector =
  'd284583aa301320458200000000000000000000000000000000000000000000000000000000000000000107274696265742d656e64706f696e742b637774a05839a3041a6955c710061a6955b9003a00011173a50105026b3230332e302e3131332e310319ad2104f50582646d717474697369702e766964656f5840073e437b18ca168a6dc0349a4c75b086acc3afd4c0830f1873fc7eb194b48f095eab9ebedbf2a6f2d065fdf0c56a1948dbe9980f996ade225cdeb31b74126801';

describe('signed endpoint record', () => {
  it('has exactly these bytes', () => {
    expect(encodeHex(signEndpointRecord(key, claim))).toBe(vector);
  });

  it('is read back whole, and verified with the registered key only', () => {
    const record = decodeEndpointRecord(decodeHex(vector) ?? new Uint8Array());
    expect(record).toMatchObject(claim);
    expect(verifyEndpointRecord(record, key.publicKey)).toBe(true);
    const other = signingKeyFromSeed(new Uint8Array(32).fill(8));
    expect(verifyEndpointRecord(record, other.publicKey)).toBe(false);
  });

  it('carries sequence numbers of 64 bits, and no more', () => {
    const largest = { ...claim, sequence: 2n ** 64n - 1n };
    expect(decodeEndpointRecord(signEndpointRecord(key, largest)).sequence).toBe(2n ** 64n - 1n);
    expect(() => signEndpointRecord(key, { ...claim, sequence: 2n ** 64n })).toThrow(OverlayError);
    expect(() => signEndpointRecord(key, { ...claim, sequence: -1n })).toThrow(OverlayError);
  });

  it('does not verify after any change of a byte, or is not read at all', () => {
    const bytes = decodeHex(vector) ?? new Uint8Array();
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(accepted(changed)).toBe(false);
    }
  });

  it('is not taken for another statement of the same key: its context is signed (RFC 9052 §4.3)', () => {
    const { sign1 } = decodeEndpointRecord(decodeHex(vector) ?? new Uint8Array());
    const payload = sign1.payload ?? new Uint8Array();
    const kid = sign1.kid ?? new Uint8Array();
    const withoutContext = signCoseSign1({ key, kid, typ: 'tibet-endpoint+cwt', payload });
    expect(accepted(withoutContext)).toBe(false);
    const otherType = signCoseSign1({ key, kid, typ: 'tibet-intent+cwt', payload });
    expect(() => decodeEndpointRecord(otherType)).toThrow(OverlayError);
  });

  it('refuses claims that nobody could use', () => {
    const wrong: Partial<EndpointClaim>[] = [
      { address: 'example.com' },
      { address: '' },
      { port: 0 },
      { port: 65_536 },
      { port: 1.5 },
      { expires: claim.issuedAt },
      { capabilities: ['MQTT'] },
      { capabilities: ['mqtt', 'mqtt'] },
      { capabilities: Array.from({ length: 33 }, (_, at) => `c${at}`) },
    ];
    for (const change of wrong)
      expect(() => signEndpointRecord(key, { ...claim, ...change })).toThrow(OverlayError);
  });

  it('answers arbitrary bytes with OverlayError only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeEndpointRecord(bytes);
          return false;
        } catch (error) {
          return error instanceof OverlayError;
        }
      }),
    );
  });

  it('writes IPv6 addresses in brackets (RFC 3986 §3.2.2)', () => {
    expect(endpointText({ address: '2001:db8::1', port: 5060 })).toBe('[2001:db8::1]:5060');
  });
});

function accepted(bytes: Uint8Array): boolean {
  try {
    return verifyEndpointRecord(decodeEndpointRecord(bytes), key.publicKey);
  } catch (error) {
    if (error instanceof OverlayError) return false;
    throw error;
  }
}
