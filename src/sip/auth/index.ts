export {
  type AgentAlgorithms,
  type ChallengeAlgorithms,
  type ChallengeKind,
  challengeHeaderFields,
  challengeStatus,
  defaultAgentAlgorithms,
  defaultChallengeAlgorithms,
} from './challenge.ts';
export { type CredentialStore, type DigestCredential, mintDigestCredential } from './credential.ts';
export * from './digest.ts';
export * from './digest-authenticator.ts';
export * from './digest-client.ts';
export { defaultThrottleLimits, FailureThrottle, type ThrottleLimits } from './failure-throttle.ts';
export { NonceMint, type NonceState, nonceMintedAtMs } from './nonce.ts';
export { NonceCounts } from './nonce-counts.ts';
