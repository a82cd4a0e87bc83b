import { decodeBase32, encodeBase32, equalBytes } from '../base/index.ts';
import { type Fingerprint, fingerprintLength } from './fingerprint.ts';
import { identityTyp } from './identity-token.ts';
import { signatureBytes } from './keys.ts';

/** What is known of an identity beside its token, and stands in it. */
export interface KnownIdentity {
  readonly fingerprint: Fingerprint;
  readonly subject: string;
  readonly publicKey: Uint8Array;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  readonly notBefore: number;
  readonly expires: number;
}

// The token of a root identity without attributes, in deterministic CBOR: what stands between its changing parts.
const typ = Buffer.from(identityTyp.identity);
const beforeKid = Buffer.from([0xd2, 0x84, 0x58, 40 + typ.length, 0xa3, 0x01, 0x32, 0x04, 0x58, 0x20]);
const afterKid = Buffer.concat([Buffer.from([0x10, 0x60 + typ.length]), typ, Buffer.from([0xa0, 0x58])]);
const beforeIssuer = Buffer.from([0xa7, 0x01, 0x78, fingerprintLength]);
const beforeKey = Buffer.from('08a101a301012006215820', 'hex');
const beforeCoreSignature = Buffer.from('3a00011171a1025840', 'hex');
const beforeSignature = Buffer.from('5840', 'hex');

const keyBytes = 32;
const issuerAt = 0;
const coreSignatureAt = keyBytes;
const signatureAt = coreSignatureAt + signatureBytes;
const packedBytes = signatureAt + signatureBytes;
const issuerInToken = beforeKid.length + keyBytes + afterKid.length + 1 + beforeIssuer.length;
const maxPayloadBytes = 0xff;

/** The parts of a token that nothing else tells: issuer and two signatures, half its size. Undefined for tokens of another form. */
export function packIdentityToken(token: Uint8Array, known: KnownIdentity): Uint8Array | undefined {
  const issuerText = Buffer.from(token.subarray(issuerInToken, issuerInToken + fingerprintLength));
  const issuer = decodeBase32(issuerText.toString('latin1'));
  const coreEnd = token.length - signatureBytes - beforeSignature.length;
  if (issuer?.length !== keyBytes || coreEnd < signatureBytes) return undefined;
  const packed = new Uint8Array(packedBytes);
  packed.set(issuer, issuerAt);
  packed.set(token.subarray(coreEnd - signatureBytes, coreEnd), coreSignatureAt);
  packed.set(token.subarray(token.length - signatureBytes), signatureAt);
  const unpacked = unpackIdentityToken(packed, known);
  return unpacked !== undefined && equalBytes(unpacked, token) ? packed : undefined;
}

/** The token again, byte for byte; undefined for what `packIdentityToken` has not made. */
export function unpackIdentityToken(packed: Uint8Array, known: KnownIdentity): Uint8Array | undefined {
  const { fingerprint, subject, publicKey, issuedAt, notBefore, expires } = known;
  const kid = decodeBase32(fingerprint);
  const name = Buffer.from(subject);
  const times = [expires, notBefore, issuedAt];
  if (packed.length !== packedBytes || kid?.length !== keyBytes || !times.every(hasFourBytes))
    return undefined;
  const parts: readonly Uint8Array[] = [
    beforeIssuer,
    Buffer.from(encodeBase32(packed.subarray(issuerAt, coreSignatureAt)), 'latin1'),
    Buffer.from(name.length < 24 ? [0x02, 0x60 + name.length] : [0x02, 0x78, name.length]),
    name,
    timesOf(times),
    beforeKey,
    publicKey,
    beforeCoreSignature,
    packed.subarray(coreSignatureAt, signatureAt),
  ];
  const payloadBytes = parts.reduce((sum, { length }) => sum + length, 0);
  if (payloadBytes > maxPayloadBytes) return undefined;
  const all = [beforeKid, kid, afterKid, Uint8Array.of(payloadBytes), ...parts, beforeSignature];
  return Buffer.concat([...all, packed.subarray(signatureAt)]);
}

/** Claims 4, 5 and 6 (RFC 8392 §3.1): four bytes each. */
function timesOf(times: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(times.length * 6);
  for (const [at, time] of times.entries()) {
    bytes[at * 6] = 4 + at;
    bytes[at * 6 + 1] = 0x1a;
    bytes.writeUInt32BE(time, at * 6 + 2);
  }
  return bytes;
}

/** Written in four bytes by deterministic CBOR. */
function hasFourBytes(time: number): boolean {
  return Number.isInteger(time) && time > 0xffff && time <= 0xffff_ffff;
}
