import { addressOf } from '../intent/index.ts';
import type { IdentityOverlay } from '../overlay/index.ts';
import {
  type Flow,
  type FlowTokenContents,
  type ForwardObserver,
  type HeaderField,
  headerField,
  headerValue,
  type ProxyTarget,
  type RoutingDecision,
  type ServerTransaction,
  type SipRequest,
} from '../sip/index.ts';
import type { Authentication } from './authentication.ts';
import type { CallBarriers } from './call-barriers.ts';
import { endsCall } from './call-dialog.ts';
import type { Call, CallRecords } from './call-records.ts';
import type { CallTable } from './call-table.ts';
import { DialogParties, notAParty, type Side } from './dialog-parties.ts';
import { domainOfParty } from './federation/foreign-callers.ts';
import { forwardedEdit } from './forwarded-intent.ts';
import type { GruuRouting } from './gruu-routing.ts';
import { hopTokenHeader } from './hops/hop-token.ts';
import { isGateway, type NodeHops } from './hops/node-hops.ts';
import type { OnBehalfSigner } from './on-behalf.ts';
import type { Outbound } from './outbound.ts';
import type { Reachability } from './reachability.ts';
import { referRefusal } from './refer-check.ts';
import { challengeWith, decline, respond } from './routing-answers.ts';
import { untrustedInResponses } from './untrusted-headers.ts';

export interface DialogPolicyOptions {
  readonly authentication: Authentication;
  readonly overlay: IdentityOverlay;
  readonly reachability: Reachability;
  readonly gruus: GruuRouting;
  readonly outbound: Outbound;
  readonly hops: NodeHops;
  readonly signer: OnBehalfSigner;
  readonly barriers: CallBarriers;
  readonly domainName: string;
  /** This start of the gateway, as the flow tokens that it mints name it by its first letters. */
  readonly run: string;
  readonly records: CallRecords;
  readonly calls: CallTable;
}

/** Where a party of a dialog was when it began. */
export interface PartyAddress {
  readonly flow: string;
  readonly identity: string | undefined;
}

/** A request within a dialog, and the call that it belongs to as far as that is known here. */
interface Asked {
  readonly request: SipRequest;
  readonly source: Flow;
  readonly transaction: ServerTransaction | undefined;
  readonly call: Call | undefined;
  /** Its intent token was checked; one that was not goes no further. */
  readonly signed: boolean;
  /** Its sender's identity has expired since the dialog began. */
  readonly late?: boolean;
}

/** RFC 5627 §4.3: what a GRUU is recognised by. */
const gruuParam = ';gr';

/** Decides where requests within a dialog go: along its flows, or after the identity that has moved. */
export class DialogPolicy {
  readonly #options: DialogPolicyOptions;
  readonly #parties: DialogParties;

  constructor(options: DialogPolicyOptions) {
    this.#options = options;
    this.#parties = new DialogParties(options);
  }

  /** Answers without a promise while both parties are where they were: every ACK and BYE passes here. */
  onInDialog(
    request: SipRequest,
    source: Flow,
    token: FlowTokenContents,
    transaction: ServerTransaction | undefined,
  ): RoutingDecision | Promise<RoutingDecision> {
    const call = this.#options.calls.find(request, token.callerFlow);
    // A call that began in this run is known here until it is over; elsewhere, as in a subscription, there was none.
    const unrecorded = request.method === 'INVITE' && transaction !== undefined && call === undefined;
    const begunHere = unrecorded && this.#options.run.startsWith(token.node);
    if (begunHere && !this.#options.calls.mayGoOn(request, token.callerFlow))
      return respond(403, 'No Call On Record');
    const asked: Asked = { request, source, transaction, call, signed: false };
    const side = this.#parties.byFlow(request, source, token, call);
    // Another gateway has checked what came by it.
    if (side !== undefined && isGateway(partyOf(side, token)))
      return this.#fromSide({ ...asked, signed: true }, token, side);
    // It has to say which one it is, on a new connection.
    if (side === undefined && headerValue(request, hopTokenHeader) !== undefined)
      return this.#follow(asked, token, undefined);
    const barred = side !== undefined && this.#options.authentication.isBarred(partyOf(side, token));
    // A revoked identity may hang up, where its dialog is; its signature is worth nothing any more.
    const hangsUp = barred && request.method === 'BYE';
    if (!hangsUp && this.#parties.isSigned(request, source)) return this.#fromSigner(asked, token, side);
    if (barred && !hangsUp && request.method !== 'ACK') return respond(403, 'Identity Revoked');
    return this.#fromSide(asked, token, side);
  }

  async #fromSigner(
    asked: Asked,
    token: FlowTokenContents,
    byFlow: Side | undefined,
  ): Promise<RoutingDecision> {
    const { request, source } = asked;
    const signer = await this.#parties.bySignature(request, source, token, byFlow);
    if (signer.kind !== 'signer') {
      // Nobody can ask another operator for the key of an identity that has expired since; where the call is, the BYE needs none.
      const foreign = byFlow !== undefined && domainOfParty(partyOf(byFlow, token)) !== undefined;
      return foreign && request.method === 'BYE' ? this.#fromSide(asked, token, byFlow) : signer;
    }
    const { side, late } = signer;
    return await this.#fromSide({ ...asked, signed: !late, late }, token, side);
  }

  #fromSide(
    asked: Asked,
    token: FlowTokenContents,
    side: Side | undefined,
  ): RoutingDecision | Promise<RoutingDecision> {
    const target = side === undefined ? undefined : this.#stayed(asked.request, partyTowards(side, token));
    if (side !== undefined && target !== undefined) return this.#decide(asked, side, [target]);
    return this.#follow(asked, token, side);
  }

  /**
   * A request of a caller within its call, on the flow of that call, but without the Route that it should have kept
   * (RFC 3261 §12.1.2): SIPp's own scenarios keep none. It has no flow token to show, so that it must prove who it is.
   * Undefined when there is no such call.
   */
  onRouteless(
    request: SipRequest,
    source: Flow,
    transaction: ServerTransaction | undefined,
  ): Promise<RoutingDecision> | undefined {
    const call = this.#options.calls.find(request, source.id);
    if (call === undefined || call.callerTag !== request.from.tag) return undefined;
    // The ACK for a challenge, sent again because the 407 came again, is not the call's: its callee would take it for that.
    if (request.cseq.number < call.cseq) return undefined;
    return this.#followRouteless({ request, source, transaction, call, signed: false }, call);
  }

  async #followRouteless(asked: Asked, { caller, callee, callerFlow }: Call): Promise<RoutingDecision> {
    const { request, source, transaction } = asked;
    let [signed, late] = [false, false];
    // An ACK cannot be challenged, and does nothing to who does not wait for it.
    if (transaction !== undefined) {
      const result = await this.#options.authentication.identify(request, source);
      if (result.kind === 'challenge') return challengeWith(result);
      if (result.kind === 'refused') return decline(result.status, result.reason, result.headers);
      const { principal } = result;
      const sender = principal.kind === 'identity' ? principal.identity.fingerprint : undefined;
      if (sender !== caller.fingerprint) return notAParty;
      late = principal.kind === 'identity' && principal.late === true;
      signed = !late && principal.kind === 'identity' && principal.intent !== undefined;
    }
    const token = {
      node: '',
      callerFlow,
      calleeFlow: '',
      callerIdentity: caller.fingerprint,
      calleeIdentity: callee.fingerprint,
    };
    return this.#follow({ ...asked, signed, late }, token, 'caller');
  }

  async #follow(asked: Asked, token: FlowTokenContents, known: Side | undefined): Promise<RoutingDecision> {
    const { request, source } = asked;
    const side = known ?? (await this.#parties.byProof(request, source, token));
    if (side === undefined) return notAParty;
    const byGateway = isGateway(partyOf(side, token));
    if (byGateway && !asked.signed) return this.#follow({ ...asked, signed: true }, token, side);
    const targets = await this.targets(request, partyTowards(side, token), source.local.address);
    return this.#decide(asked, side, targets);
  }

  /** Where a party of a dialog is now; `localAddress` is where the other one reaches this gateway. */
  async targets(
    request: SipRequest,
    towards: PartyAddress,
    localAddress: string,
  ): Promise<readonly ProxyTarget[]> {
    const { gruus, outbound } = this.#options;
    const { identity } = towards;
    const flow = outbound.openFlow(towards.flow);
    const phone = await gruus.remoteTarget(request.uri, { identity, flow, localAddress });
    if (phone === undefined) return this.#dialogTargets(request, towards);
    return [outbound.inDialog(phone.flow, phone.requestUri, request)];
  }

  #decide(asked: Asked, side: Side, targets: readonly ProxyTarget[]): RoutingDecision {
    const { request, source, transaction, call, signed, late } = asked;
    const ends = call !== undefined && request.method === 'BYE';
    if (targets.length === 0) {
      // Nobody is there to hear the BYE, but its sender has hung up.
      if (ends && endsCall(call, request))
        this.#options.records.close(call, 'answered', { by: side, reason: 'the other side was gone' });
      return respond(430);
    }
    const { barriers, authentication } = this.#options;
    const barred = referRefusal(request, call?.[side].label ?? request.from.uri, barriers);
    if (barred !== undefined) return barred;
    const reinvites = transaction !== undefined && request.method === 'INVITE';
    return {
      kind: 'forward',
      targets,
      recordRoute: false,
      edit: forwardedEdit(request, {
        add: reinvites && !signed ? this.#reinviteToken(request, call, side) : [],
        dropsToken: !signed,
        fromPeer: authentication.peerOf(source) !== undefined,
      }),
      ...(targets.every(({ flow }) => authentication.peerOf(flow) !== undefined)
        ? {}
        : { responseRemove: untrustedInResponses }),
      ...(ends ? { observer: this.#byeObserver(request, call, side, late) } : {}),
    };
  }

  /** The other party on its own flow, while it is there and is not meant by a GRUU. */
  #stayed(request: SipRequest, towards: PartyAddress): ProxyTarget | undefined {
    const { reachability, outbound } = this.#options;
    const flow = outbound.openFlow(towards.flow);
    if (flow === undefined || reachability.hasLeft(flow) || request.uri.includes(gruuParam)) return undefined;
    return outbound.inDialog(flow, request.uri, request);
  }

  /** The dialog's own flow while its phone is there, else wherever the identity behind it is now. */
  async #dialogTargets(request: SipRequest, towards: PartyAddress): Promise<readonly ProxyTarget[]> {
    const { reachability, outbound, hops } = this.#options;
    const { identity } = towards;
    const requestUri = request.uri;
    const flow = outbound.openFlow(towards.flow);
    if (flow !== undefined && !reachability.hasLeft(flow)) return [outbound.inDialog(flow, requestUri)];
    if (identity !== undefined) {
      const toGateway = await hops.inDialog(identity, request);
      if (toGateway !== undefined) return [toGateway];
      const toPeer = await outbound.flowTo(identity);
      if (toPeer !== undefined) return [outbound.inDialog(toPeer, requestUri)];
      const moved = await reachability.dialogTargets(identity, requestUri);
      if (moved.length > 0) return moved;
    }
    return flow === undefined ? [] : [outbound.inDialog(flow, requestUri)];
  }

  /** A re-INVITE of a phone that does not sign leaves with the gateway's word for it, as the first INVITE did. */
  #reinviteToken(request: SipRequest, call: Call | undefined, side: 'caller' | 'callee'): HeaderField[] {
    if (call === undefined) return [];
    const [from, to] = side === 'caller' ? [call.caller, call.callee] : [call.callee, call.caller];
    const token = this.#options.signer.sign({
      request,
      caller: from.fingerprint,
      assurance: from.fingerprint === undefined ? 0 : 1,
      audience: this.#options.domainName,
      callee: { fingerprint: to.fingerprint, address: addressOf(request.to.uri) },
      text: call.intent,
    });
    return [headerField('Intent-Token', token)];
  }

  #byeObserver(request: SipRequest, call: Call, side: Side, late = false): ForwardObserver {
    const detail = { by: side, ...(late && { reason: 'hung up after its identity had expired' }) };
    return {
      onFinal: ({ status }) => {
        // A challenged BYE has ended nothing yet.
        if (status === 401 || status === 407) return;
        if (endsCall(call, request)) this.#options.records.close(call, 'answered', detail);
        else if (side === 'caller' && call.answeredAtMs === undefined) call.givenUp = true;
      },
    };
  }
}

function partyOf(side: Side, token: FlowTokenContents): string | undefined {
  return side === 'caller' ? token.callerIdentity : token.calleeIdentity;
}

function partyTowards(side: Side, token: FlowTokenContents): PartyAddress {
  return side === 'caller'
    ? { flow: token.calleeFlow, identity: token.calleeIdentity }
    : { flow: token.callerFlow, identity: token.callerIdentity };
}
