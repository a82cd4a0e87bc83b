import type { VerifiedIdentity } from '../../federation/index.ts';
import { type IdentityRecord, noTrust, trustScore } from '../../overlay/index.ts';

/** An identity of another domain as one that is known for the length of a call: enrolled nowhere here. */
export function foreignRecord({ token, domain, homeSince }: VerifiedIdentity): IdentityRecord {
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
    realm: undefined,
    parent: undefined,
    successor: undefined,
    predecessors: [],
    trust: noTrust,
    trustScore: trustScore(noTrust),
  };
}
