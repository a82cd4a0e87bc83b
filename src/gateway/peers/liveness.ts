import type { PeerProbeConfig } from '../../config/index.ts';

/** Whether a peer answers, as far as it was asked. */
export interface Liveness {
  /** `unknown` until the first probe has ended, and for peers that are not probed: calls are tried. */
  readonly state: 'unknown' | 'up' | 'down';
  /** Probes without an answer since the last one that had one. */
  readonly missed: number;
  readonly sinceMs: number;
}

export function unprobed(nowMs: number): Liveness {
  return { state: 'unknown', missed: 0, sinceMs: nowMs };
}

/** The state after a probe of all of a peer's addresses: one answer is enough. */
export function afterProbe(
  current: Liveness,
  answered: boolean,
  { failures }: Pick<PeerProbeConfig, 'failures'>,
  nowMs: number,
): Liveness {
  const missed = answered ? 0 : current.missed + 1;
  const state = answered ? 'up' : missed >= failures ? 'down' : current.state;
  return { state, missed, sinceMs: state === current.state ? current.sinceMs : nowMs };
}

/** Sooner while an answer is missing: how fast a peer is found dead, and found back. */
export function nextProbeMs({ missed }: Liveness, probe: PeerProbeConfig): number {
  return missed === 0 ? probe.intervalMs : Math.min(probe.intervalMs, probe.downIntervalMs);
}
