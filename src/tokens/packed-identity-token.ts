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
const payloadAt = beforeKid.length + keyBytes + afterKid.length + 1;
const issuerInToken = payloadAt + beforeIssuer.length;
const timeBytes = 6;
/** All but the name and the key. */
const fixedPayloadBytes =
  beforeIssuer.length +
  fingerprintLength +
  3 * timeBytes +
  beforeKey.length +
  beforeCoreSignature.length +
  signatureBytes;
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
  const times = [expires, notBefore, issuedAt];
  if (packed.length !== packedBytes || kid?.length !== keyBytes || !times.every(hasFourBytes))
    return undefined;
  const nameBytes = Buffer.byteLength(subject);
  const nameHead = nameBytes < 24 ? [0x02, 0x60 + nameBytes] : [0x02, 0x78, nameBytes];
  const payloadBytes = fixedPayloadBytes + nameHead.length + nameBytes + publicKey.length;
  if (payloadBytes > maxPayloadBytes) return undefined;
  // Memory of its own, since it may be kept: a part of a shared piece would keep all of that.
  const token = Buffer.allocUnsafeSlow(payloadAt + payloadBytes + beforeSignature.length + signatureBytes);
  let at = 0;
  const put = (part: ArrayLike<number>): void => {
    token.set(part, at);
    at += part.length;
  };
  put(beforeKid);
  put(kid);
  put(afterKid);
  token[at++] = payloadBytes;
  put(beforeIssuer);
  at += token.write(encodeBase32(packed.subarray(issuerAt, coreSignatureAt)), at, 'latin1');
  put(nameHead);
  at += token.write(subject, at, 'utf8');
  // Claims 4, 5 and 6 (RFC 8392 §3.1): four bytes each.
  for (const [index, time] of times.entries()) {
    token[at++] = 4 + index;
    token[at++] = 0x1a;
    at = token.writeUInt32BE(time, at);
  }
  put(beforeKey);
  put(publicKey);
  put(beforeCoreSignature);
  put(packed.subarray(coreSignatureAt, signatureAt));
  put(beforeSignature);
  put(packed.subarray(signatureAt));
  return token;
}

/** Written in four bytes by deterministic CBOR. */
function hasFourBytes(time: number): boolean {
  return Number.isInteger(time) && time > 0xffff && time <= 0xffff_ffff;
}
