import type { IdentityOverlay } from '../overlay/index.ts';
import {
  type Flow,
  type FlowTokenContents,
  headerValue,
  type RespondDecision,
  type SipRequest,
} from '../sip/index.ts';
import type { Authentication } from './authentication.ts';
import type { Call } from './call-records.ts';
import type { NodeHops } from './hops/node-hops.ts';
import { identityAt } from './identity-at.ts';
import { peerIdentity } from './principal.ts';
import type { Reachability } from './reachability.ts';
import { decline } from './routing-answers.ts';

export type Side = 'caller' | 'callee';

/** Who has signed a request within a dialog. */
export interface DialogSigner {
  readonly kind: 'signer';
  readonly side: Side;
  /** Its identity has expired since the dialog began: its signature is worth nothing beyond here. */
  readonly late: boolean;
}

export const notAParty: RespondDecision = decline(403, 'Not A Party Of This Dialog');

export interface DialogPartiesOptions {
  readonly authentication: Authentication;
  readonly overlay: IdentityOverlay;
  readonly reachability: Reachability;
  readonly hops: NodeHops;
}

/** Finds out which party of a dialog sent a request: by its flow, by a signature, or by what it has proved elsewhere. */
export class DialogParties {
  readonly #options: DialogPartiesOptions;

  constructor(options: DialogPartiesOptions) {
    this.#options = options;
  }

  /** Which party sent it, when it came on one of the dialog's own flows. */
  byFlow(
    request: SipRequest,
    source: Flow,
    token: FlowTokenContents,
    call: Call | undefined,
  ): Side | undefined {
    const caller = source.id === token.callerFlow;
    const callee = source.id === token.calleeFlow;
    if (caller && callee) return call?.callerTag === request.to.tag ? 'callee' : 'caller';
    if (caller) return 'caller';
    return callee ? 'callee' : undefined;
  }

  /** Which party sent it, when that party has moved: a peer by its address, a phone by proof. */
  async byProof(request: SipRequest, source: Flow, token: FlowTokenContents): Promise<Side | undefined> {
    const gateway = await this.#options.hops.sender(request);
    if (typeof gateway === 'object') return sideOf(gateway.party, token);
    // A PBX may use another connection for each request.
    const peer = this.#options.authentication.peerOf(source);
    const peerSide = peer && sideOf(peerIdentity(peer), token);
    return peerSide ?? sideOf(await this.#movedParty(request, source), token);
  }

  /**
   * Whether the request brings a token that is to be checked. An ACK cannot be refused and comes again with each 2xx; a
   * peer's users are unknown here: their tokens are dropped.
   */
  isSigned(request: SipRequest, source: Flow): boolean {
    if (request.method === 'ACK' || headerValue(request, 'intent-token') === undefined) return false;
    return this.#options.authentication.peerOf(source) === undefined;
  }

  /** Which party signed it, wherever it is now; its token must be good, as on any request. */
  async bySignature(
    request: SipRequest,
    source: Flow,
    token: FlowTokenContents,
    byFlow: Side | undefined,
  ): Promise<DialogSigner | RespondDecision> {
    const result = await this.#options.authentication.identify(request, source);
    if (result.kind === 'refused') return decline(result.status, result.reason, result.headers);
    const proved =
      result.kind === 'proved' && result.principal.kind === 'identity' ? result.principal : undefined;
    const signer = proved && (proved.via ?? proved.identity.fingerprint);
    // Who calls itself is on both sides: then the flow tells.
    const own = byFlow === 'callee' ? token.calleeIdentity : token.callerIdentity;
    const side =
      byFlow !== undefined && signer !== undefined && own === signer ? byFlow : sideOf(signer, token);
    return side === undefined ? notAParty : { kind: 'signer', side, late: proved?.late === true };
  }

  async #movedParty(request: SipRequest, source: Flow): Promise<string | undefined> {
    const { authentication, reachability, overlay } = this.#options;
    // Whoever has proved itself on this connection, or has registered anew from this address.
    const identity = await identityAt(overlay, request.from.uri);
    if (identity !== undefined) {
      const { fingerprint } = identity;
      if (authentication.speaks(source, fingerprint)) return fingerprint;
      if (await reachability.isOn(fingerprint, source)) return fingerprint;
    }
    // Only an ACK can still have a token here.
    if (headerValue(request, 'intent-token') === undefined) return undefined;
    const result = await authentication.identify(request, source);
    return result.kind === 'proved' && result.principal.kind === 'identity'
      ? result.principal.identity.fingerprint
      : undefined;
  }
}

function sideOf(identity: string | undefined, token: FlowTokenContents): Side | undefined {
  if (identity === undefined) return undefined;
  if (token.callerIdentity === identity) return 'caller';
  return token.calleeIdentity === identity ? 'callee' : undefined;
}
