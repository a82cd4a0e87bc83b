import { createResponse, headerField, type SipRequest, type SipResponse } from '../message/index.ts';
import { offersOverloadControl } from './overload-feedback.ts';

/** The stateless 503 of a layer that has no room; `feedback` adds what a peer of RFC 7339 is told. */
export function overloadRefusal(
  request: SipRequest,
  retryAfterSeconds: number,
  feedback: ((response: SipResponse) => SipResponse) | undefined,
): SipResponse {
  // A peer that holds back by itself would stop altogether at a Retry-After.
  const told = feedback !== undefined && offersOverloadControl(request);
  const headers = told ? [] : [headerField('Retry-After', String(retryAfterSeconds))];
  // RFC 3261 §8.2.7 wants the same tag for a retransmission; branch and Call-ID are all that is remembered of it.
  const toTag = `${request.via.branch?.length ?? 0}-${request.cseq.number}`;
  const response = createResponse(request, 503, undefined, { toTag, headers });
  return told ? feedback(response) : response;
}
