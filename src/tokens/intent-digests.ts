import { encodeBase32, equalBytes } from '../base/index.ts';
import { overCbor } from './cbor-encoder.ts';
import { type Fingerprint, fingerprintBytes } from './fingerprint.ts';
import { blake2b256, sha256 } from './keys.ts';

/** What a token binds of a request, as plain values: URIs are the addr-spec text exactly as in the header. */
export interface IntentRequest {
  readonly method: string;
  readonly fromUri: string;
  readonly fromTag: string;
  readonly toUri: string;
  /** Undefined outside a dialog. */
  readonly toTag: string | undefined;
  readonly callId: string;
  readonly cseq: number;
  /** The Contact field value of a REGISTER; undefined for every other method. */
  readonly contact: string | undefined;
  /** RFC 7989 Session-ID field value. */
  readonly sessionId?: string | undefined;
  /** Each `a=fingerprint` value of the body's SDP, e.g. `sha-256 4A:AD:…` (RFC 8122 §5). */
  readonly dtlsFingerprints: readonly string[];
}

/** Who is meant: an identity, or an address that the signer could not resolve, salted so that it stays unreadable. */
export type CalleeClaim =
  | { readonly fingerprint: Fingerprint }
  | { readonly salt: Uint8Array; readonly hash: Uint8Array };

export const calleeSaltBytes = 16;

const legContext = 'tibet-leg-v1';
const mediaContext = 'tibet-media-v1';
const calleeContext = 'tibet-callee-v1';

/**
 * Binds a token to one request of one call leg. R-URI, Via, Route and Record-Route stay out: a proxy may lawfully
 * change them, and the token that the caller signed has to verify at the callee.
 */
export function legDigest(request: IntentRequest): Uint8Array {
  const { method, fromUri, fromTag, toUri, toTag, callId, cseq, contact } = request;
  const bound = method === 'REGISTER' ? (contact ?? null) : null;
  return overCbor([legContext, method, fromUri, fromTag, toUri, toTag ?? null, callId, cseq, bound], sha256);
}

/** Over the set of DTLS fingerprints, whatever their order, case and repetition; undefined when there are none. */
export function mediaDigest(dtlsFingerprints: readonly string[]): Uint8Array | undefined {
  if (dtlsFingerprints.length === 0) return undefined;
  const canonical = new Set(dtlsFingerprints.map(canonicalDtlsFingerprint));
  return overCbor([mediaContext, [...canonical].sort()], sha256);
}

/** `address` is `user@host`; the host is compared without regard to case (RFC 3261 §19.1.4), the user with. */
export function calleeHash(address: string, salt: Uint8Array): Uint8Array {
  const host = address.lastIndexOf('@') + 1;
  const canonical = address.slice(0, host) + address.slice(host).toLowerCase();
  return overCbor([calleeContext, salt, canonical], sha256);
}

/** True when the claim means this identity or this address. */
export function isMeant(
  callee: CalleeClaim,
  actual: { readonly fingerprint?: Fingerprint | undefined; readonly address: string },
): boolean {
  if ('fingerprint' in callee) return callee.fingerprint === actual.fingerprint;
  return equalBytes(callee.hash, calleeHash(actual.address, callee.salt));
}

/** The common ground on which sender and receiver find each other: BLAKE2b-256 of a topic's text. */
export function intentSubject(topic: string): Fingerprint {
  return encodeBase32(blake2b256(new TextEncoder().encode(topic)));
}

export function encodeCallee(callee: CalleeClaim): readonly Uint8Array[] {
  return 'fingerprint' in callee ? [fingerprintBytes(callee.fingerprint)] : [callee.salt, callee.hash];
}

/** RFC 8122 §5: hash names in lower case, hexadecimal in upper case, one space between. */
function canonicalDtlsFingerprint(text: string): string {
  const trimmed = text.trim();
  const space = trimmed.indexOf(' ');
  if (space < 0) return trimmed;
  return `${trimmed.slice(0, space).toLowerCase()} ${trimmed.slice(space).trim().toUpperCase()}`;
}
