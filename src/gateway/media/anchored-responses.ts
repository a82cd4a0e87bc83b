import { type MediaParty, type MediaResult, withSdp } from '../../media/index.ts';
import { ownText, type SipResponse } from '../../sip/index.ts';
import type { MediaBranch } from './media-branch.ts';
import { partOf } from './message-part.ts';

interface Anchored {
  readonly sdp: Uint8Array;
  readonly tag: string;
  readonly result: Promise<MediaResult | undefined>;
}

/** A response with what its receiver gets for a description. */
export interface AnchoredResponse {
  readonly response: SipResponse;
  readonly result: MediaResult | undefined;
}

/** The descriptions in the responses to one request: answers to what it offered, or else offers of their own. */
export class AnchoredResponses {
  /** The request offered something. */
  offered = false;
  readonly #branch: MediaBranch;
  readonly #responder: MediaParty;
  /** The callee's tag where the callee sent the request; else that of each response is. */
  readonly #calleeTag: string | undefined;
  /** A 2xx comes again until it is acknowledged, and a 183 may have said the same: neither changes anything. */
  #last: Anchored | undefined;

  constructor(branch: MediaBranch, responder: MediaParty, calleeTag: string | undefined) {
    this.#branch = branch;
    this.#responder = responder;
    this.#calleeTag = calleeTag === undefined ? undefined : ownText(calleeTag);
  }

  /** Undefined when there is nothing to anchor in it. */
  anchor(response: SipResponse): Promise<AnchoredResponse> | undefined {
    if (response.status <= 100 || response.status >= 300) return undefined;
    const tag = this.#calleeTag ?? response.to.tag ?? '';
    if (this.#responder === 'callee' && tag !== '') this.#branch.isKnownBy(tag);
    const part = partOf(response);
    if (part === undefined) return undefined;
    const result = this.#resultOf(response.body.subarray(part.start, part.end), tag, response.status >= 200);
    return result.then((anchored) => ({
      response:
        anchored?.kind === 'anchored'
          ? { ...response, body: withSdp(response.body, part, anchored.sdp) }
          : response,
      result: anchored,
    }));
  }

  #resultOf(sdp: Uint8Array, tag: string, final: boolean): Promise<MediaResult | undefined> {
    const last = this.#last;
    if (last !== undefined && last.tag === tag && Buffer.compare(last.sdp, sdp) === 0) {
      if (final && this.offered) this.#branch.concluded();
      return last.result;
    }
    const result = this.offered
      ? this.#branch.answer(this.#responder, sdp, final, tag)
      : this.#branch.offer(this.#responder, sdp, tag);
    this.#last = { sdp: Uint8Array.from(sdp), tag: ownText(tag), result };
    return result;
  }
}
