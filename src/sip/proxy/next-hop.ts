import { headerValue, type SipResponse } from '../message/index.ts';
import type { TargetFailure } from './policy.ts';

/** What a response says about the way to its sender rather than about the request; undefined: nothing. */
export function failureOf(response: SipResponse): TargetFailure | undefined {
  // RFC 5626 §5.3.1: the next hop has lost the flow to the phone.
  if (response.status === 430) return { reason: 'no-flow' };
  // RFC 3263 §4.3.
  if (response.status !== 503) return undefined;
  const retryAfterSeconds = Number.parseInt(headerValue(response, 'retry-after') ?? '', 10);
  return Number.isNaN(retryAfterSeconds)
    ? { reason: 'unavailable' }
    : { reason: 'unavailable', retryAfterSeconds };
}
