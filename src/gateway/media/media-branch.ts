import type { Logger } from '../../base/index.ts';
import type { MediaEngine, MediaParty, MediaReport, MediaResult } from '../../media/index.ts';
import type { DirectMedia } from './direct-media.ts';
import type { CallPeer, MediaCall } from './media-calls.ts';

export interface MediaBranchOptions {
  readonly engine: MediaEngine;
  readonly direct: DirectMedia;
  readonly logger: Logger;
  readonly session: string;
  readonly call: MediaCall;
  readonly callee: CallPeer;
}

/** The tags of one branch that are remembered: a fork further on makes few dialogs of it. */
const maxTags = 16;

/** The media of a call towards one phone: offers and answers of its dialogs (RFC 3264), and whether they are anchored. */
export class MediaBranch {
  readonly session: string;
  readonly call: MediaCall;
  callee: CallPeer;
  readonly #options: MediaBranchOptions;
  readonly #tags: string[] = [];
  /** Who made the offer that is not answered yet. */
  #offeredBy: MediaParty | undefined;
  /** Once anchored, always anchored; before, each offer decides anew. */
  #state: 'unused' | 'direct' | 'anchored' = 'unused';
  #released = false;
  #acknowledged: { readonly sdp: Uint8Array; readonly result: Promise<MediaResult | undefined> } | undefined;

  constructor(options: MediaBranchOptions) {
    this.#options = options;
    this.session = options.session;
    this.call = options.call;
    this.callee = options.callee;
  }

  has(calleeTag: string): boolean {
    return this.#tags.includes(calleeTag);
  }

  /** A dialog of this branch. */
  isKnownBy(calleeTag: string): void {
    if (this.#tags.length < maxTags && !this.has(calleeTag))
      // A copy: a part of the parsed text would keep the whole message in memory.
      this.#tags.push(Buffer.from(calleeTag, 'latin1').toString('latin1'));
  }

  /** Whether a description from that party answers one of the other. */
  isAnswer(from: MediaParty): boolean {
    return this.#offeredBy !== undefined && this.#offeredBy !== from;
  }

  /** The offer has its last answer, or was declined: then what was agreed before stands. */
  concluded(): void {
    this.#offeredBy = undefined;
  }

  /** Undefined: the description goes on as it is. */
  async offer(from: MediaParty, sdp: Uint8Array, calleeTag?: string): Promise<MediaResult | undefined> {
    const [sender, receiver] = this.#peers(from);
    this.#offeredBy = from;
    this.#acknowledged = undefined;
    if (this.#released) return undefined;
    if (this.#state !== 'anchored' && this.#options.direct.reaches(sdp, sender, receiver)) {
      this.#state = 'direct';
      return undefined;
    }
    this.#state = 'anchored';
    return this.#options.engine.offer({ session: this.session, calleeTag, from, sdp, sender, receiver });
  }

  /** `final`: no other answer to the same offer comes after it. */
  async answer(
    from: MediaParty,
    sdp: Uint8Array,
    final: boolean,
    calleeTag?: string,
  ): Promise<MediaResult | undefined> {
    const [sender, receiver] = this.#peers(from);
    if (final) this.#offeredBy = undefined;
    if (this.#released || this.#state !== 'anchored') return undefined;
    return this.#options.engine.answer({ session: this.session, calleeTag, from, sdp, sender, receiver });
  }

  /** An answer in an ACK, which comes again with each 2xx that comes again; undefined when it answers nothing. */
  acknowledge(
    from: MediaParty,
    sdp: Uint8Array,
    calleeTag?: string,
  ): Promise<MediaResult | undefined> | undefined {
    if (this.#acknowledged !== undefined && Buffer.compare(this.#acknowledged.sdp, sdp) === 0)
      return this.#acknowledged.result;
    if (!this.isAnswer(from)) return undefined;
    const result = this.answer(from, sdp, true, calleeTag);
    this.#acknowledged = { sdp: Uint8Array.from(sdp), result };
    return result;
  }

  reauthorize(party: MediaParty, peer: CallPeer): void {
    if (this.#state === 'anchored' && !this.#released)
      this.#options.engine.reauthorize(this.session, party, peer);
  }

  async release(): Promise<MediaReport | undefined> {
    if (this.#released) return undefined;
    this.#released = true;
    return this.#state === 'anchored' ? this.#options.engine.release(this.session) : undefined;
  }

  #peers(from: MediaParty): readonly [sender: CallPeer, receiver: CallPeer] {
    return from === 'caller' ? [this.call.caller, this.callee] : [this.callee, this.call.caller];
  }
}
