/** Every bound of locating servers. */
export interface LocatingLimits {
  /** Answers kept at one time, negative ones included. */
  readonly maxCachedAnswers: number;
  /** An answer is kept no longer than this, whatever its TTL says. */
  readonly maxTtlMs: number;
  /** For answers whose TTL the resolver does not tell: SRV, NAPTR, and the system's hosts file. */
  readonly unknownTtlMs: number;
  /** For "no such name", "no such record" and failures of the name servers. */
  readonly negativeTtlMs: number;
  /** Addresses of one next hop that are tried. */
  readonly maxTargets: number;
  /** An address that failed is tried after all others for so long. */
  readonly deadTargetMs: number;
  /** Failed addresses remembered at one time. */
  readonly maxDeadTargets: number;
  /** A request that hears nothing at all from an address, not even 100, goes to the next one after this. */
  readonly silenceMs: number;
  /** RFC 3261 §18.1.1: a larger request to a peer goes over a connection; to a phone's UDP flow it goes with a warning. */
  readonly maxUdpRequestBytes: number;
}

export const defaultLocatingLimits: LocatingLimits = {
  maxCachedAnswers: 10_000,
  maxTtlMs: 86_400_000,
  unknownTtlMs: 60_000,
  negativeTtlMs: 10_000,
  maxTargets: 16,
  deadTargetMs: 30_000,
  maxDeadTargets: 10_000,
  silenceMs: 4_000,
  maxUdpRequestBytes: 1_300,
};
