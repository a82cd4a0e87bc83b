import { equalBytes } from '../base/index.ts';
import type { Fingerprint } from './fingerprint.ts';
import { type IntentRequest, isMeant, legDigest, mediaDigest } from './intent-digests.ts';
import type { Assurance, IntentToken } from './intent-token.ts';

/** Why a well-formed token does not speak for this request; each its own value for log and response. */
export type IntentFault =
  | 'audience'
  | 'method'
  | 'leg'
  | 'media'
  | 'session'
  | 'callee'
  | 'stale'
  | 'future'
  | 'before-start'
  | 'expired'
  | 'outlives-identity'
  | 'assurance';

export interface IntentExpectations {
  /** The SIP domain that is served, in lower case. */
  readonly audience: string;
  readonly request: IntentRequest;
  /** What the R-URI (at the callee: the To address) stands for: `user@host`, and its identity if it resolves. */
  readonly calleeAddresses: {
    readonly fingerprint?: Fingerprint | undefined;
    readonly address: string;
  };
  /** Seconds. */
  readonly now: number;
  /** How far `iat` may lie before or after now. */
  readonly freshnessSeconds?: number;
  /** The token signs a fresh nonce of the verifier: then the signer's clock, and with it each time in the token, may be off. */
  readonly freshnessProved?: boolean;
  /** A gateway that has lost its memory of used tokens takes none that is older than its start. */
  readonly notIssuedBefore?: number;
  /** The end of the signer's identity token. */
  readonly signerExpires?: number;
  readonly minAssurance?: Assurance;
  /** What the receiver knows the signer to be capable of: a token may not claim more. */
  readonly maxAssurance?: Assurance;
}

/** RFC 8224 §6.2.2 recommends 60 s for the like purpose. */
export const defaultFreshnessSeconds = 60;

/** The first expectation that the token fails, or undefined. The signature and the single use are the caller's to check. */
export function checkIntent(token: IntentToken, expected: IntentExpectations): IntentFault | undefined {
  return checkBinding(token, expected) ?? checkTime(token, expected) ?? checkAssurance(token, expected);
}

function checkBinding(token: IntentToken, expected: IntentExpectations): IntentFault | undefined {
  const { request } = expected;
  if (token.audience.toLowerCase() !== expected.audience.toLowerCase()) return 'audience';
  if (token.method !== request.method) return 'method';
  if (!equalBytes(token.legDigest, legDigest(request))) return 'leg';
  if (!sameDigest(token.mediaDigest, mediaDigest(request.dtlsFingerprints))) return 'media';
  // RFC 7989 §7 lets a proxy add a Session-ID, but not change one.
  if (token.sessionId !== undefined && token.sessionId !== request.sessionId) return 'session';
  if (!isMeant(token.callee, expected.calleeAddresses)) return 'callee';
  return undefined;
}

function checkTime(token: IntentToken, expected: IntentExpectations): IntentFault | undefined {
  const { now, notIssuedBefore, signerExpires } = expected;
  if (signerExpires !== undefined && token.expires > signerExpires) return 'outlives-identity';
  if (expected.freshnessProved === true) return undefined;
  const freshnessSeconds = expected.freshnessSeconds ?? defaultFreshnessSeconds;
  if (now - token.issuedAt > freshnessSeconds) return 'stale';
  if (token.issuedAt - now > freshnessSeconds) return 'future';
  if (notIssuedBefore !== undefined && token.issuedAt < notIssuedBefore) return 'before-start';
  if (now >= token.expires) return 'expired';
  return undefined;
}

function checkAssurance(token: IntentToken, expected: IntentExpectations): IntentFault | undefined {
  const { minAssurance = 0, maxAssurance = 3 } = expected;
  return token.assurance < minAssurance || token.assurance > maxAssurance ? 'assurance' : undefined;
}

/** Media keys that were added or taken away on the path count as changed. */
function sameDigest(claimed: Uint8Array | undefined, actual: Uint8Array | undefined): boolean {
  if (claimed === undefined || actual === undefined) return claimed === actual;
  return equalBytes(claimed, actual);
}
