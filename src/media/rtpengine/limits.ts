export interface RtpengineLimits {
  /** How often each instance is asked whether it is there. */
  readonly pingIntervalMs: number;
  /** A request that is not answered by then counts its instance as down. */
  readonly answerTimeoutMs: number;
  /** When a request is first sent again; each time after that takes twice as long. */
  readonly retransmitMs: number;
  /** How often each call's counters are fetched, and silent calls are looked for. */
  readonly queryIntervalMs: number;
  /** The calls of an instance that has been down for so long are given up. */
  readonly lostMs: number;
}

export const defaultRtpengineLimits: RtpengineLimits = {
  pingIntervalMs: 1_000,
  answerTimeoutMs: 1_000,
  retransmitMs: 100,
  queryIntervalMs: 20_000,
  lostMs: 30_000,
};
