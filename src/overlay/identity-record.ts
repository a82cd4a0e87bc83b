import { encodeBase64Url } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import type { Custody, IdentityDocument, StandingDocument } from './documents.ts';
import { noTrust, type Trust, trustScoreAt } from './trust.ts';

/**
 * `pending`: waits for an operator's approval. `revoked`: its key is never to be trusted again. `replaced`: its owner
 * has named another identity to take its place.
 */
export type IdentityStatus = 'active' | 'pending' | 'revoked' | 'replaced';

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
  readonly realm: Fingerprint | undefined;
  /** Of a pseudonym that shows whose it is. */
  readonly parent: Fingerprint | undefined;
  readonly successor: Fingerprint | undefined;
  readonly predecessors: readonly Fingerprint[];
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
  nowMs: number,
  standing: StandingDocument = noStanding,
): IdentityRecord {
  const { verified, failed, lastProofAtMs, weights, revokedAtMs } = standing;
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
    status: revokedAtMs !== undefined ? 'revoked' : document.successor ? 'replaced' : document.status,
    realm: document.realm,
    parent: document.parent,
    successor: document.successor,
    predecessors: document.predecessors ?? [],
    trust: { verified, failed, lastProofAtMs, ...(weights && { weights }) },
    trustScore: trustScoreAt(standing, nowMs),
  };
}
