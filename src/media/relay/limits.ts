import { defaultSdpLimits, type SdpLimits } from '../sdp/index.ts';

export interface RelayLimits extends SdpLimits {
  /** A call in which no media comes from either side for so long is taken for ended. */
  readonly silenceMs: number;
  /** The same while a party holds the call or listens only. */
  readonly holdMs: number;
  /** For how long a re-INVITE, UPDATE or new registration allows a party's media to move. */
  readonly relearnMs: number;
  /** How often sessions are looked over for silence. */
  readonly sweepIntervalMs: number;
  /** What the relay's thread has not done by then it will not do. */
  readonly answerTimeoutMs: number;
}

export const defaultRelayLimits: RelayLimits = {
  ...defaultSdpLimits,
  silenceMs: 120_000,
  holdMs: 3_600_000,
  relearnMs: 10_000,
  sweepIntervalMs: 1_000,
  answerTimeoutMs: 2_000,
};
