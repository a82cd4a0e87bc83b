import type { HeaderField, SipResponse } from '../message/index.ts';
import type { ProxyTarget } from './policy.ts';

/** A non-2xx final response that one branch ended with. */
export interface Candidate {
  readonly response: SipResponse;
  readonly target: ProxyTarget;
  /** Made here because the branch gave none: the flow was gone, or time ran out. */
  readonly local: boolean;
}

/** RFC 3261 §16.7 step 6: of the 4xx, these tell the caller what to change in a next attempt. */
const informative = new Set([401, 407, 415, 420, 484]);

/** Smaller is better: any 6xx, then the lowest class; within it what informs, then what a callee said itself. */
function rank({ response: { status }, local }: Candidate): number {
  const statusClass = Math.floor(status / 100);
  let order = statusClass === 6 ? 0 : statusClass * 10;
  if (local) order += 4;
  // A 503 only speaks of one hop; any other reason says more.
  if (status === 503) order += 3;
  if (statusClass === 4 && !informative.has(status)) order += 1;
  // Of a phone that the request met twice, or that never had the dialog: the others know better.
  if (status === 481 || status === 482) order += 1;
  return order;
}

/** The response that goes upstream when all branches have ended without a 2xx (RFC 3261 §16.7 steps 6 and 7). */
export function chooseBest(candidates: readonly Candidate[]): Candidate | undefined {
  let best: Candidate | undefined;
  for (const candidate of candidates) {
    if (best === undefined || rank(candidate) < rank(best)) best = candidate;
  }
  if (best === undefined) return undefined;
  const { status } = best.response;
  if (status === 401 || status === 407) return { ...best, response: withAllChallenges(best, candidates) };
  return best;
}

/** RFC 3261 §16.7 step 7: the caller sees the challenges of all branches at once. */
function withAllChallenges(best: Candidate, candidates: readonly Candidate[]): SipResponse {
  const challenges: HeaderField[] = [];
  for (const { response } of candidates) {
    if (response === best.response || (response.status !== 401 && response.status !== 407)) continue;
    for (const field of response.headers) {
      if (field.name === 'www-authenticate' || field.name === 'proxy-authenticate') challenges.push(field);
    }
  }
  const { response } = best;
  return challenges.length === 0 ? response : { ...response, headers: [...response.headers, ...challenges] };
}
