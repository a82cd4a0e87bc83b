import { type MediaEngine, type MediaParty, type MediaRefusal, withSdp } from '../../media/index.ts';
import {
  type Flow,
  type FlowTokenContents,
  type ForwardDecision,
  headerField,
  type ProxyPolicy,
  type RespondDecision,
  type RoutingDecision,
  type ServerTransaction,
  type SipRequest,
} from '../../sip/index.ts';
import type { CallTable } from '../call-table.ts';
import { respond, retryAfterSeconds } from '../routing-answers.ts';
import type { CallPeer, MediaCall, MediaCalls } from './media-calls.ts';
import type { Passage } from './media-path.ts';
import { mediaStatus } from './media-refusal.ts';
import { partOf } from './message-part.ts';

export interface MediaPolicyOptions {
  /** Decides where requests go. */
  readonly policy: ProxyPolicy;
  readonly engine: MediaEngine;
  readonly media: MediaCalls;
  readonly calls: CallTable;
  /** Where the decisions are noted that forward a description. */
  readonly passages: WeakMap<ForwardDecision, Passage>;
  /** Who a request came from. */
  readonly senderOf: (request: SipRequest, flow: Flow) => CallPeer;
  readonly onRefused: (refusal: MediaRefusal) => void;
}

/** Notes, beside the policy that decides, which calls have media to anchor and where their parties are. */
export class MediaPolicy implements ProxyPolicy {
  readonly #options: MediaPolicyOptions;

  constructor(options: MediaPolicyOptions) {
    this.#options = options;
  }

  onRequest(request: SipRequest, transaction: ServerTransaction): RoutingDecision | Promise<RoutingDecision> {
    const { policy } = this.#options;
    if (request.method !== 'INVITE') return policy.onRequest(request, transaction);
    const decision = policy.onRequest(request, transaction);
    if (!(decision instanceof Promise)) return this.#begin(request, transaction.flow, decision);
    return decision.then((decided) => this.#begin(request, transaction.flow, decided));
  }

  async onTooManyHops(request: SipRequest, transaction: ServerTransaction): Promise<RespondDecision> {
    return (await this.#options.policy.onTooManyHops?.(request, transaction)) ?? respond(483);
  }

  onInDialog(
    request: SipRequest,
    source: Flow,
    token: FlowTokenContents,
    transaction: ServerTransaction | undefined,
  ): RoutingDecision | Promise<RoutingDecision> {
    const decision = this.#options.policy.onInDialog(request, source, token, transaction);
    const { method, body } = request;
    if (method === 'BYE') this.#ends(request, token);
    const changes =
      method === 'INVITE' ||
      (body.length > 0 && (method === 'UPDATE' || method === 'PRACK' || method === 'ACK'));
    if (!changes) return decision;
    if (!(decision instanceof Promise)) return this.#change(request, source, token, decision);
    return decision.then((decided) => this.#change(request, source, token, decided));
  }

  #begin(request: SipRequest, flow: Flow, decision: RoutingDecision): RoutingDecision {
    if (decision.kind !== 'forward') return decision;
    const { media, calls, passages, senderOf } = this.#options;
    const call = calls.find(request, flow.id);
    // Over before it began: its record could not be kept.
    if (call === undefined) return decision;
    const begun = media.begin(request.callId, request.from.tag ?? '', flow.id, senderOf(request, flow));
    media.belongsTo(begun, call);
    passages.set(decision, { call: begun, from: 'caller', calleeTag: undefined });
    return decision;
  }

  #change(
    request: SipRequest,
    source: Flow,
    token: FlowTokenContents,
    decision: RoutingDecision,
  ): RoutingDecision | Promise<RoutingDecision> {
    if (decision.kind !== 'forward') return decision;
    const { media, passages, senderOf, engine } = this.#options;
    const sender = senderOf(request, source);
    const refused = request.method === 'ACK' ? undefined : refusalOf(request, sender, engine);
    if (refused !== undefined) {
      this.#options.onRefused(refused);
      return refusalAnswer(refused);
    }
    const call = media.find(request, token.callerFlow) ?? this.#adopt(request, source, token);
    if (call === undefined) return decision;
    const side = call.sideOf(request);
    if ((sideOf(source, token) ?? side) !== side) return respond(403, 'Not A Party Of This Dialog');
    const calleeTag = side === 'caller' ? request.to.tag : request.from.tag;
    const branch = calleeTag === undefined ? undefined : call.branchOf(calleeTag);
    if (side === 'caller') call.caller = sender;
    else if (branch !== undefined) branch.callee = sender;
    if (request.method !== 'ACK') {
      passages.set(decision, { call, from: side, calleeTag });
      return decision;
    }
    const part = partOf(request);
    const answered =
      part && branch?.acknowledge(side, request.body.subarray(part.start, part.end), calleeTag);
    if (part === undefined || answered === undefined) return decision;
    return answered.then((result) => {
      if (result?.kind !== 'anchored') return decision;
      return { ...decision, body: withSdp(request.body, part, result.sdp) };
    });
  }

  /** A dialog that began before this gateway did: from now on its media is anchored as any other's. */
  #adopt(request: SipRequest, source: Flow, token: FlowTokenContents): MediaCall | undefined {
    if (request.method !== 'INVITE') return undefined;
    const { media, senderOf } = this.#options;
    const { callId, from, to } = request;
    const callerTag = sideOf(source, token) === 'callee' ? to.tag : from.tag;
    return media.begin(callId, callerTag ?? '', token.callerFlow, senderOf(request, source));
  }

  /** What nothing but this keeps an eye on: a call that leaves records ends with its closing record. */
  #ends(request: SipRequest, token: FlowTokenContents): void {
    const { media } = this.#options;
    const call = media.find(request, token.callerFlow);
    if (call !== undefined && call.call === undefined) void media.end(call);
  }
}

/** What stands in the way of a request's description, or of one that will come, before the request goes anywhere. */
export function refusalOf(
  request: SipRequest,
  sender: CallPeer,
  engine: MediaEngine,
): MediaRefusal | undefined {
  const part = partOf(request);
  if (part !== undefined) return engine.check(request.body.subarray(part.start, part.end), sender);
  if (engine.health.up || request.method !== 'INVITE') return undefined;
  return { kind: 'refused', fault: 'unavailable', reason: 'Media Relay Unavailable' };
}

/** The gateway's own answer to a description that it cannot anchor, or not now. */
export function refusalAnswer(refused: MediaRefusal): RespondDecision {
  const status = mediaStatus(refused);
  const headers = status === 503 ? [headerField('Retry-After', String(retryAfterSeconds))] : [];
  return respond(status, refused.reason, headers);
}

/** By the flow that the dialog began on; undefined when it tells nothing. */
function sideOf(source: Flow, token: FlowTokenContents): MediaParty | undefined {
  const [caller, callee] = [source.id === token.callerFlow, source.id === token.calleeFlow];
  if (caller === callee) return undefined;
  return caller ? 'caller' : 'callee';
}
