import { encodeBase64Url } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import type { Custody, IdentityDocument, StandingDocument } from './documents.ts';
import { noTrust, type Trust, trustScore } from './trust.ts';

/** `pending`: waits for an operator's approval. `revoked`: its key is never to be trusted again. */
export type IdentityStatus = 'active' | 'pending' | 'revoked';

/** What is known of an enrolled identity. */
export interface IdentityRecord {
  readonly fingerprint: Fingerprint;
  readonly name: string;
  readonly publicKey: Uint8Array;
  /** The whole identity token. */
  readonly token: Uint8Array;
  /** Seconds since 1970: the bounds of the token. */
  readonly notBefore: number;
  readonly expires: number;
  readonly custody: Custody;
  readonly aliases: readonly string[];
  readonly createdAtMs: number;
  readonly status: IdentityStatus;
  readonly trust: Trust;
  readonly trustScore: number;
}

export const noStanding: StandingDocument = { ...noTrust, revokedAtMs: undefined };

/** Under which key the standing of a public key is kept. */
export function standingKey(publicKey: Uint8Array): string {
  return encodeBase64Url(publicKey);
}

export function identityRecord(
  document: IdentityDocument,
  standing: StandingDocument = noStanding,
): IdentityRecord {
  const { verified, failed, lastProofAtMs, revokedAtMs } = standing;
  return {
    fingerprint: document.fingerprint,
    name: document.name,
    publicKey: document.publicKey,
    token: document.token,
    notBefore: document.notBefore,
    expires: document.expires,
    custody: document.custody,
    aliases: document.aliases,
    createdAtMs: document.createdAtMs,
    status: revokedAtMs === undefined ? document.status : 'revoked',
    trust: { verified, failed, lastProofAtMs },
    trustScore: trustScore(standing),
  };
}
