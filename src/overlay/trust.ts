/** How the proofs of one key have ended. */
export interface Trust {
  readonly verified: number;
  readonly failed: number;
  readonly lastProofAtMs: number | undefined;
  /** What the proofs weighed when the last one was made; absent: a whole proof each. */
  readonly weights?: TrustWeights;
}

export interface TrustWeights {
  readonly verified: number;
  readonly failed: number;
}

export const noTrust: Trust = { verified: 0, failed: 0, lastProofAtMs: undefined };

/** After so long a proof weighs half: what a key has shown long ago says little of who holds it today. */
export const trustHalfLifeMs: number = 30 * 86_400_000;

/**
 * The mean of a Beta(1, 1) prior after these proofs: 0.5 without any, towards 1 with each that verified and
 * towards 0 with each that failed, never at either end.
 */
export function trustScore({ verified, failed }: TrustWeights): number {
  return (verified + 1) / (verified + failed + 2);
}

/** The score at a time: proofs lose half of their weight each half-life, so that it goes back to 0.5. */
export function trustScoreAt(trust: Trust, nowMs: number): number {
  return trustScore(weightsAt(trust, nowMs));
}

/** One more proof. */
export function provedAt(trust: Trust, verified: boolean, nowMs: number): Trust {
  const weights = weightsAt(trust, nowMs);
  return {
    verified: trust.verified + (verified ? 1 : 0),
    failed: trust.failed + (verified ? 0 : 1),
    lastProofAtMs: nowMs,
    weights: {
      verified: weights.verified + (verified ? 1 : 0),
      failed: weights.failed + (verified ? 0 : 1),
    },
  };
}

/** `0.71: 12 proofs, 1 failure, last 3 h ago`, for people. */
export function explainTrust(trust: Trust, nowMs: number): string {
  const score = trustScoreAt(trust, nowMs).toFixed(2);
  const { verified, failed, lastProofAtMs } = trust;
  if (lastProofAtMs === undefined) return `${score}: no proofs yet`;
  return `${score}: ${counted(verified, 'proof')}, ${counted(failed, 'failure')}, last ${ago(nowMs - lastProofAtMs)}`;
}

function weightsAt(trust: Trust, nowMs: number): TrustWeights {
  const { verified, failed } = trust.weights ?? trust;
  // A clock that was set back makes nothing weigh more.
  const elapsedMs = Math.max(0, nowMs - (trust.lastProofAtMs ?? nowMs));
  const left = 0.5 ** (elapsedMs / trustHalfLifeMs);
  return { verified: verified * left, failed: failed * left };
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

const units: readonly (readonly [name: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
];

function ago(ms: number): string {
  const unit = units.find(([, length]) => ms >= length);
  return unit === undefined ? 'just now' : `${Math.floor(ms / unit[1])} ${unit[0]} ago`;
}
