import { type Logger, type Random, randomId } from '../../base/index.ts';
import type { MediaEngine, MediaParty, MediaPeer, MediaReport } from '../../media/index.ts';
import { ownText, type SipRequest } from '../../sip/index.ts';
import type { Call } from '../call-records.ts';
import type { DirectMedia } from './direct-media.ts';
import { MediaBranch } from './media-branch.ts';

export interface MediaCallsOptions {
  readonly engine: MediaEngine;
  readonly direct: DirectMedia;
  readonly random: Random;
  readonly logger: Logger;
}

/** A party of a call, as its newest request shows it. */
export interface CallPeer extends MediaPeer {
  /** The host that the phone itself takes for its address. */
  readonly contactHost: string | undefined;
}

/** The media of one call: a branch for each phone that it was forked to. */
export class MediaCall {
  readonly callerTag: string;
  /** Its dialog, and the flow that it came on: a PBX that is a proxy sends a call back here with the same tag. */
  readonly key: string;
  caller: CallPeer;
  /** The call that leaves records; none for a dialog that began before this gateway did. */
  call: Call | undefined;
  readonly branches: Set<MediaBranch> = new Set();
  /** What was sent in branches that are released already. */
  readonly ended: MediaReport[] = [];
  /** Branches that the engine is letting go of. */
  readonly releasing: Set<Promise<void>> = new Set();
  /** Nothing is anchored any more. */
  over = false;

  constructor(key: string, callerTag: string, caller: CallPeer) {
    this.key = key;
    this.callerTag = callerTag;
    this.caller = caller;
  }

  /** The branch whose dialog has the callee's tag. */
  branchOf(calleeTag: string): MediaBranch | undefined {
    for (const branch of this.branches) if (branch.has(calleeTag)) return branch;
    return undefined;
  }

  /** Which party a request came from, by its tags. */
  sideOf({ from }: SipRequest): MediaParty {
    return from.tag === this.callerTag ? 'caller' : 'callee';
  }
}

/** The calls whose media is anchored here, found by dialog as the calls themselves are. */
export class MediaCalls {
  readonly #options: MediaCallsOptions;
  readonly #byDialog = new Map<string, MediaCall>();
  readonly #byCall = new Map<Call, MediaCall>();
  readonly #bySession = new Map<string, MediaBranch>();
  /** The calls that an identity takes part in. */
  readonly #byIdentity = new Map<string, Set<MediaCall>>();

  constructor(options: MediaCallsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byDialog.size;
  }

  /** `tag` is the caller's. */
  begin(callId: string, tag: string, callerFlow: string, caller: CallPeer): MediaCall {
    const media = new MediaCall(keyOf(callId, tag, callerFlow), ownText(tag), caller);
    this.#byDialog.set(media.key, media);
    return media;
  }

  /** Joins the media of a call to the call that leaves the records. */
  belongsTo(media: MediaCall, call: Call): void {
    media.call = call;
    this.#byCall.set(call, media);
    for (const identity of identitiesOf(call)) {
      const calls = this.#byIdentity.get(identity) ?? new Set();
      this.#byIdentity.set(identity, calls.add(media));
    }
  }

  find({ callId, from, to }: SipRequest, callerFlow: string): MediaCall | undefined {
    return (
      this.#byDialog.get(keyOf(callId, from.tag ?? '', callerFlow)) ??
      this.#byDialog.get(keyOf(callId, to.tag ?? '', callerFlow))
    );
  }

  ofIdentity(fingerprint: string): Iterable<MediaCall> {
    return this.#byIdentity.get(fingerprint) ?? [];
  }

  ofSession(session: string): { readonly media: MediaCall; readonly branch: MediaBranch } | undefined {
    const branch = this.#bySession.get(session);
    return branch && { media: branch.call, branch };
  }

  open(media: MediaCall, callee: CallPeer, calleeTag?: string): MediaBranch {
    const session = randomId(this.#options.random, 80);
    const branch = new MediaBranch({ ...this.#options, session, call: media, callee });
    if (calleeTag !== undefined) branch.isKnownBy(calleeTag);
    media.branches.add(branch);
    this.#bySession.set(session, branch);
    return branch;
  }

  /** Frees what a branch holds; the report comes once the engine has let go. */
  release(branch: MediaBranch): void {
    const { call: media, session } = branch;
    if (!media.branches.delete(branch)) return;
    this.#bySession.delete(session);
    const released = branch.release().then((report) => {
      media.releasing.delete(released);
      if (report !== undefined) media.ended.push(report);
    });
    media.releasing.add(released);
  }

  /** A branch whose session the engine has ended by itself. */
  forget(branch: MediaBranch, report: MediaReport | undefined): void {
    branch.call.branches.delete(branch);
    this.#bySession.delete(branch.session);
    if (report !== undefined) branch.call.ended.push(report);
  }

  /** Ends all media of a call; resolves with what was sent in it. */
  async end(media: MediaCall): Promise<readonly MediaReport[]> {
    media.over = true;
    if (this.#byDialog.get(media.key) === media) this.#byDialog.delete(media.key);
    const { call } = media;
    if (call !== undefined) {
      this.#byCall.delete(call);
      for (const identity of identitiesOf(call)) {
        const calls = this.#byIdentity.get(identity);
        calls?.delete(media);
        if (calls?.size === 0) this.#byIdentity.delete(identity);
      }
    }
    for (const branch of [...media.branches]) this.release(branch);
    await Promise.all(media.releasing);
    return media.ended;
  }

  ofCall(call: Call): MediaCall | undefined {
    return this.#byCall.get(call);
  }
}

function identitiesOf({ caller, callee }: Call): string[] {
  return [caller.fingerprint, callee.fingerprint].filter((identity) => identity !== undefined);
}

function keyOf(callId: string, tag: string, callerFlow: string): string {
  return `${callId}\n${tag}\n${callerFlow}`;
}
