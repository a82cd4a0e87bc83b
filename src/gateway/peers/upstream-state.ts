import type { PeerRegistrationsConfig } from '../../config/index.ts';

/** One registration at a peer, as far as deciding what comes next needs it. */
export interface UpstreamState {
  readonly phase: 'idle' | 'registering' | 'registered' | 'waiting' | 'ending';
  /** Whether somebody here is to be reached. */
  readonly wanted: boolean;
  /** Attempts that failed since the last one that did not. */
  readonly failures: number;
  /** Whether the peer's last word was that it is registered. */
  readonly known: boolean;
}

export type UpstreamInput =
  | { readonly kind: 'wanted' }
  | { readonly kind: 'unwanted' }
  /** `jitter` from 0 to 1 keeps the refreshes of thousands apart. */
  | { readonly kind: 'granted'; readonly expiresSeconds: number; readonly jitter: number }
  | { readonly kind: 'ended' }
  /** The peer has said no; asking again soon would not help. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'unreachable'; readonly retryAfterMs: number }
  | { readonly kind: 'due' }
  /** The peer is back, or has lost what it knew. */
  | { readonly kind: 'peer-restarted' };

export type UpstreamAction =
  | { readonly kind: 'register' }
  | { readonly kind: 'unregister' }
  | { readonly kind: 'timer'; readonly delayMs: number }
  | { readonly kind: 'no-timer' }
  | { readonly kind: 'tell'; readonly event: 'registered' | 'refreshed' | 'failed' | 'ended' };

export interface UpstreamStep {
  readonly state: UpstreamState;
  readonly actions: readonly UpstreamAction[];
}

export const idleUpstream: UpstreamState = { phase: 'idle', wanted: false, failures: 0, known: false };

/** A refresh comes after this much of the granted time, up to `refreshSpread` later. */
const refreshAfter = 0.75;
const refreshSpread = 0.15;

type Retry = Pick<PeerRegistrationsConfig, 'retryMs' | 'maxRetryMs'>;

/** What a registration at a peer does next; the only place that decides it. */
export function upstreamStep(state: UpstreamState, input: UpstreamInput, retry: Retry): UpstreamStep {
  const { phase } = state;
  const underWay = phase === 'registering' || phase === 'ending';
  switch (input.kind) {
    case 'wanted':
      if (state.wanted) return { state, actions: [] };
      // What is under way ends first; what is registered stays so.
      return underWay || phase === 'registered'
        ? { state: { ...state, wanted: true }, actions: [] }
        : register({ ...state, wanted: true });
    case 'unwanted':
      if (!state.wanted || underWay) return { state: { ...state, wanted: false }, actions: [] };
      return unregister({ ...state, wanted: false });
    case 'due':
      return underWay || !state.wanted ? { state, actions: [] } : register(state);
    case 'peer-restarted':
      return underWay || !state.wanted ? { state, actions: [] } : register({ ...state, known: false });
    case 'granted':
      return granted(state, input.expiresSeconds * 1000, input.jitter);
    case 'ended':
      if (state.wanted) return register({ ...state, known: false, failures: 0 });
      return { state: idleUpstream, actions: [{ kind: 'tell', event: 'ended' }] };
    case 'refused':
      return failed(state, retry.maxRetryMs, true);
    case 'unreachable':
      return failed(state, Math.max(input.retryAfterMs, backoffMs(state.failures, retry)), false);
  }
}

function granted(state: UpstreamState, grantedMs: number, jitter: number): UpstreamStep {
  if (!state.wanted) return unregister({ ...state, known: true });
  const event = state.known && state.failures === 0 ? 'refreshed' : 'registered';
  return {
    state: { ...state, phase: 'registered', known: true, failures: 0 },
    actions: [
      { kind: 'timer', delayMs: Math.round(grantedMs * (refreshAfter + refreshSpread * jitter)) },
      { kind: 'tell', event },
    ],
  };
}

/** Of a row of failures the first is told; `final` when the peer itself has said no. */
function failed(state: UpstreamState, delayMs: number, final: boolean): UpstreamStep {
  if (!state.wanted) return { state: idleUpstream, actions: [{ kind: 'tell', event: 'ended' }] };
  const tell: UpstreamAction[] = state.failures === 0 ? [{ kind: 'tell', event: 'failed' }] : [];
  return {
    state: { ...state, phase: 'waiting', failures: state.failures + 1, known: state.known && !final },
    actions: [{ kind: 'timer', delayMs }, ...tell],
  };
}

function register(state: UpstreamState): UpstreamStep {
  return {
    state: { ...state, phase: 'registering' },
    actions: [{ kind: 'no-timer' }, { kind: 'register' }],
  };
}

/** What the peer never knew of needs no end there. */
function unregister(state: UpstreamState): UpstreamStep {
  if (!state.known) return { state: idleUpstream, actions: [{ kind: 'no-timer' }] };
  return {
    state: { ...state, phase: 'ending' },
    actions: [{ kind: 'no-timer' }, { kind: 'unregister' }],
  };
}

function backoffMs(failures: number, { retryMs, maxRetryMs }: Retry): number {
  return Math.min(maxRetryMs, retryMs * 2 ** Math.min(failures, 20));
}
