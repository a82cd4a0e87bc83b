/** How the proofs of one key have ended. */
export interface Trust {
  readonly verified: number;
  readonly failed: number;
  readonly lastProofAtMs: number | undefined;
}

export const noTrust: Trust = { verified: 0, failed: 0, lastProofAtMs: undefined };

/**
 * The mean of a Beta(1, 1) prior after these proofs: 0.5 without any, towards 1 with each that verified and
 * towards 0 with each that failed, never at either end.
 */
export function trustScore({ verified, failed }: Pick<Trust, 'verified' | 'failed'>): number {
  return (verified + 1) / (verified + failed + 2);
}
