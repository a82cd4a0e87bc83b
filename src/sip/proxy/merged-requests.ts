import { TransientMap } from '../../base/index.ts';
import type { SipRequest } from '../message/index.ts';

/**
 * Finds requests that reach us twice, over different paths (RFC 3261 §8.2.2.2): same From tag, Call-ID and CSeq under
 * another branch while the first is under way. The Request-URI counts too: a proxy before us may lawfully fork one
 * request to two of our users.
 */
export class MergedRequests {
  readonly #byCallId = new TransientMap<readonly SipRequest[]>();

  /** False when the request is merged (482); else it counts as under way until `end`. */
  begin(request: SipRequest): boolean {
    const present = this.#byCallId.get(request.callId);
    if (present?.some((other) => isMerged(request, other))) return false;
    this.#byCallId.set(request.callId, present === undefined ? [request] : [...present, request]);
    return true;
  }

  end(request: SipRequest): void {
    const left = this.#byCallId.get(request.callId)?.filter((other) => other !== request) ?? [];
    if (left.length === 0) this.#byCallId.delete(request.callId);
    else this.#byCallId.set(request.callId, left);
  }
}

function isMerged(a: SipRequest, b: SipRequest): boolean {
  return a.from.tag === b.from.tag && a.cseq.number === b.cseq.number && a.uri === b.uri;
}
