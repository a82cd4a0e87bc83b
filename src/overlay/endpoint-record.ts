import { isIP } from 'node:net';
import {
  type CborValue,
  type CoseSign1,
  decodeCbor,
  decodeCoseSign1,
  encodeCbor,
  type Fingerprint,
  fingerprintBytes,
  fingerprintFromBytes,
  type SigningKey,
  signCoseSign1,
  TokenError,
  verifySignature,
} from '../tokens/index.ts';
import { OverlayError } from './errors.ts';

/** Where a device says it can be reached. */
export interface EndpointClaim {
  readonly fingerprint: Fingerprint;
  /** Rises with every record of this identity; u64. */
  readonly sequence: bigint;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  readonly expires: number;
  /** IP address, as text. */
  readonly address: string;
  readonly port: number;
  readonly behindNat: boolean;
  readonly capabilities: readonly string[];
}

/** A record whose form is right and whose signature nobody has checked yet. */
export interface EndpointRecord extends EndpointClaim {
  readonly bytes: Uint8Array;
  readonly sign1: CoseSign1;
}

export const endpointTyp = 'tibet-endpoint+cwt';

/** RFC 9052 §4.3 external data: a signature over a record is good for nothing else, whatever else the key signs. */
const endpointContext: Uint8Array = new TextEncoder().encode('tibet-endpoint-v1');

/** RFC 8392 §4 and §9.1 (private use). */
const label = { exp: 4, iat: 6, endpoint: -70004 } as const;
const member = { sequence: 1, address: 2, port: 3, behindNat: 4, capabilities: 5 } as const;

export const maxEndpointRecordBytes = 4_096;
export const maxCapabilities = 32;
const maxSequence = 0xffff_ffff_ffff_ffffn;

/** A capability is a short token such as `mqtt` or `sip.video`. */
export function isCapability(text: string): boolean {
  if (text.length === 0 || text.length > 64) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const lower = code >= 0x61 && code <= 0x7a;
    const digit = code >= 0x30 && code <= 0x39;
    if (!lower && !digit && code !== 0x2d && code !== 0x2e && code !== 0x5f) return false;
  }
  return true;
}

/** Signs a record; throws OverlayError for a claim that nobody would accept. */
export function signEndpointRecord(key: SigningKey, endpoint: EndpointClaim): Uint8Array {
  checkEndpointClaim(endpoint);
  const { sequence, address, port, behindNat, capabilities } = endpoint;
  const payload = new Map<number, CborValue>([
    [label.exp, endpoint.expires],
    [label.iat, endpoint.issuedAt],
    [
      label.endpoint,
      new Map<number, CborValue>([
        // One form for one number: the decoder gives small integers as numbers.
        [member.sequence, sequence <= Number.MAX_SAFE_INTEGER ? Number(sequence) : sequence],
        [member.address, address],
        [member.port, port],
        [member.behindNat, behindNat],
        [member.capabilities, [...capabilities]],
      ]),
    ],
  ]);
  return signCoseSign1({
    key,
    kid: fingerprintBytes(endpoint.fingerprint),
    typ: endpointTyp,
    payload: encodeCbor(payload),
    externalAad: endpointContext,
  });
}

/** Strict; the bytes come from the network. Throws OverlayError `record-malformed` or `capability-invalid`. */
export function decodeEndpointRecord(bytes: Uint8Array): EndpointRecord {
  if (bytes.length > maxEndpointRecordBytes) throw malformed('is too large');
  try {
    const sign1 = decodeCoseSign1(bytes);
    if (sign1.typ !== endpointTyp || !sign1.kid || !sign1.payload) throw malformed('has the wrong type');
    const claims = decodeCbor(sign1.payload);
    const endpoint = claims instanceof Map ? claims.get(label.endpoint) : undefined;
    if (!(claims instanceof Map) || !(endpoint instanceof Map) || claims.size !== 3 || endpoint.size !== 5)
      throw malformed('has the wrong claims');
    const record: EndpointRecord = {
      fingerprint: fingerprintFromBytes(sign1.kid),
      issuedAt: asNumber(claims.get(label.iat)),
      expires: asNumber(claims.get(label.exp)),
      sequence: asSequence(endpoint.get(member.sequence)),
      address: asText(endpoint.get(member.address)),
      port: asNumber(endpoint.get(member.port)),
      behindNat: endpoint.get(member.behindNat) === true,
      capabilities: asTexts(endpoint.get(member.capabilities)),
      bytes,
      sign1,
    };
    if (typeof endpoint.get(member.behindNat) !== 'boolean') throw malformed('has the wrong claims');
    checkEndpointClaim(record);
    return record;
  } catch (cause) {
    if (cause instanceof TokenError) throw new OverlayError('record-malformed', cause.message, { cause });
    throw cause;
  }
}

/** `publicKey` is the identity's registered key. */
export function verifyEndpointRecord(record: EndpointRecord, publicKey: Uint8Array): boolean {
  return verifySignature(
    publicKey,
    record.sign1.toBeSigned(undefined, endpointContext),
    record.sign1.signature,
  );
}

/** Throws OverlayError for a claim that nobody would accept. */
export function checkEndpointClaim(claim: Omit<EndpointClaim, 'fingerprint'>): void {
  const { sequence, address, port, capabilities, issuedAt, expires } = claim;
  if (sequence < 0n || sequence > maxSequence) throw malformed('has a sequence number outside of 64 bits');
  if (isIP(address) === 0) throw malformed('has no usable address');
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw malformed('has no usable port');
  if (expires <= issuedAt) throw malformed('expires before it begins');
  if (capabilities.length > maxCapabilities)
    throw new OverlayError('too-many', `at most ${maxCapabilities} capabilities`);
  if (!capabilities.every(isCapability) || new Set(capabilities).size !== capabilities.length)
    throw new OverlayError(
      'capability-invalid',
      'a capability is made of a-z, 0-9, ".", "_" and "-", each once',
    );
}

function asNumber(value: CborValue | undefined): number {
  if (typeof value === 'number' && value >= 0) return value;
  throw malformed('has the wrong claims');
}

function asSequence(value: CborValue | undefined): bigint {
  if (typeof value === 'number' || typeof value === 'bigint') return BigInt(value);
  throw malformed('has the wrong claims');
}

function asText(value: CborValue | undefined): string {
  if (typeof value === 'string') return value;
  throw malformed('has the wrong claims');
}

function asTexts(value: CborValue | undefined): readonly string[] {
  if (Array.isArray(value)) return value.map(asText);
  throw malformed('has the wrong claims');
}

function malformed(what: string): OverlayError {
  return new OverlayError('record-malformed', `the endpoint record ${what}`);
}
