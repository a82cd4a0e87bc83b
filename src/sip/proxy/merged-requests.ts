import type { SipRequest } from '../message/index.ts';

/**
 * Finds requests that reach us twice, over different paths (RFC 3261 §8.2.2.2): same From tag, Call-ID and CSeq under
 * another branch while the first is under way. The Request-URI counts too: a proxy before us may lawfully fork one
 * request to two of our users. A request that passed here itself is a spiral or a loop, and not for this to judge.
 */
export class MergedRequests {
  readonly #underWay = new Set<string>();

  /** False when the request is merged (482); else it counts as under way until `end`. */
  begin(request: SipRequest): boolean {
    const key = mergeKey(request);
    if (this.#underWay.has(key)) return false;
    this.#underWay.add(key);
    return true;
  }

  end(request: SipRequest): void {
    this.#underWay.delete(mergeKey(request));
  }
}

function mergeKey({ callId, from, cseq, uri }: SipRequest): string {
  return `${cseq.number} ${from.tag ?? ''} ${callId} ${uri}`;
}
