import type { SipRequest } from '../message/index.ts';

const maxTagLength = 16;

/** RFC 3261 §8.2.7: the To tag of an answer that is not remembered is the same for a retransmission: part of its branch. */
export function statelessTag(request: SipRequest): string {
  return request.via.branch?.slice(-maxTagLength) ?? String(request.cseq.number);
}
