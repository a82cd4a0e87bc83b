import type { VerifiedIdentity } from '../../federation/index.ts';
import { type IdentityRecord, noTrust, trustScore } from '../../overlay/index.ts';

/** An identity of another domain as one that is known for the length of a call: enrolled nowhere here. */
export function foreignRecord({ token, domain, homeSince, predecessors }: VerifiedIdentity): IdentityRecord {
  return {
    fingerprint: token.fingerprint,
    name: `${token.subject}@${domain}`,
    publicKey: token.publicKey,
    token: token.bytes,
    notBefore: token.notBefore,
    expires: token.expires,
    custody: 'device',
    aliases: [],
    createdAtMs: homeSince * 1_000,
    status: 'active',
    // To be confirmed as those of our own identities are.
    realm: token.realm,
    parent: token.issuerProof === undefined ? undefined : token.issuer,
    successor: undefined,
    predecessors: predecessors.map(({ fingerprint }) => fingerprint),
    trust: noTrust,
    trustScore: trustScore(noTrust),
  };
}
