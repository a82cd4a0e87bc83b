import { dialledUser } from '../intent/index.ts';
import type { IdentityOverlay } from '../overlay/index.ts';
import {
  type Admission,
  type Flow,
  type FlowTokenContents,
  type HeaderField,
  headerField,
  type ProxyPolicy,
  type RespondDecision,
  type RoutingDecision,
  type ServerTransaction,
  type SipRequest,
  type SipUri,
  unescapeUri,
} from '../sip/index.ts';
import type { Audit } from './audit.ts';
import type { Authentication } from './authentication.ts';
import type { Authorisation } from './authorisation.ts';
import type { CallAttempts } from './call-attempts.ts';
import type { CallBarriers } from './call-barriers.ts';
import { CallObserver } from './call-observer.ts';
import type { CallRecords, Outcome } from './call-records.ts';
import type { CallTable } from './call-table.ts';
import type { Callee, Callees } from './callees.ts';
import type { DialogPolicy } from './dialog-policy.ts';
import { forwardedEdit } from './forwarded-intent.ts';
import { assertedBy } from './peers/asserted-identity.ts';
import { nameOf, type Principal, peerIdentity } from './principal.ts';
import { referRefusal } from './refer-check.ts';
import type { RingingCalls } from './ringing-calls.ts';
import {
  capabilitiesFor,
  challengeWith,
  decline,
  gateOf,
  peerAway,
  refuseUri,
  respond,
  unavailable,
  whileAway,
} from './routing-answers.ts';
import type { ServedDomain } from './served-domain.ts';
import { untrustedInResponses } from './untrusted-headers.ts';
import type { Whereabouts } from './whereabouts.ts';

export interface CallPolicyOptions {
  readonly dialogs: DialogPolicy;
  readonly authentication: Authentication;
  readonly authorisation: Authorisation;
  readonly overlay: IdentityOverlay;
  readonly callees: Callees;
  readonly whereabouts: Whereabouts;
  readonly attempts: CallAttempts;
  readonly barriers: CallBarriers;
  /** What stands in the way of a call's media. */
  readonly mediaRefusal: (request: SipRequest, flow: Flow) => RespondDecision | undefined;
  readonly domain: ServedDomain;
  readonly records: CallRecords;
  readonly calls: CallTable;
  readonly ringing: RingingCalls;
  /** Bounds how many calls one identity begins. */
  readonly admission: Pick<Admission, 'admitsCallOf' | 'limits'>;
  /** How long a call waits for a phone that lost its connection while it rang. */
  readonly rejoinMs: number;
  /** Whether a 3xx to another identity of this domain is followed here. */
  readonly followRedirects: boolean;
  readonly audit: Audit;
}

/** Decides where each request goes: who asks, whom they mean, on which flows that identity is, and what is recorded. */
export class CallPolicy implements ProxyPolicy {
  readonly #options: CallPolicyOptions;

  constructor(options: CallPolicyOptions) {
    this.#options = options;
  }

  onRequest(request: SipRequest, transaction: ServerTransaction): RoutingDecision | Promise<RoutingDecision> {
    const { flow } = transaction;
    const { callees, dialogs, domain } = this.#options;
    const routeless =
      request.to.tag === undefined ? undefined : dialogs.onRouteless(request, flow, transaction);
    if (routeless !== undefined) return routeless;
    const uri = domain.dialledUri(request.uri, flow.local.address) ?? callees.foreignUri(request.uri);
    if (uri === undefined) return refuseUri(request.uri);
    return this.#answer(request, flow, uri) ?? this.#decide(request, flow, uri);
  }

  /** What is answered without asking anybody: not even an INVITE then gets a 100 before it. */
  #answer(request: SipRequest, flow: Flow, uri: SipUri): RespondDecision | undefined {
    const { authentication, audit } = this.#options;
    if (request.to.tag !== undefined) return decline(481);
    if (request.method === 'OPTIONS' && uri.user === undefined) return capabilitiesFor(request);
    if (request.method === 'INVITE' && !audit.healthy) return unavailable();
    const challenge = authentication.challengeOf(request, flow);
    return challenge && challengeWith(challenge);
  }

  async #decide(request: SipRequest, flow: Flow, uri: SipUri): Promise<RoutingDecision> {
    const { authentication } = this.#options;
    const result = await authentication.identify(request, flow);
    if (result.kind === 'challenge') return challengeWith(result);
    if (result.kind === 'refused') {
      const answer = decline(result.status, result.reason, result.headers);
      if (result.record && request.method === 'INVITE')
        return this.#options.attempts.refuseStranger(request, flow, result.claimed, 'refused', answer);
      return answer;
    }
    return request.method === 'INVITE'
      ? this.#routeCall(request, flow, uri, result.principal)
      : this.#routeOther(request, flow, uri, result.principal);
  }

  /** Leaves a record as every call does: of a caller who is known, or, a few times a minute, of one who is not. */
  async onTooManyHops(request: SipRequest, { flow }: ServerTransaction): Promise<RespondDecision> {
    const { authentication, domain, audit, records } = this.#options;
    const uri = domain.dialledUri(request.uri, flow.local.address);
    if (uri === undefined || request.to.tag !== undefined || !audit.healthy) return decline(483);
    const result = await authentication.identify(request, flow);
    if (result.kind !== 'proved')
      return authentication.strangerLeavesRecord(flow)
        ? this.#options.attempts.refuseStranger(request, flow, undefined, 'failed', decline(483))
        : decline(483);
    const { call, written } = this.#options.attempts.record(
      request,
      flow,
      result.principal,
      await this.#options.callees.at(uri, flow),
      undefined,
    );
    records.close(call, 'failed', { status: 483, by: 'gateway', reason: 'Too Many Hops' });
    return { ...respond(483), gate: gateOf(written.durability) };
  }

  onFault(fault: unknown): RespondDecision | undefined {
    return whileAway(fault);
  }

  onRoutelessAck(ack: SipRequest, source: Flow): Promise<RoutingDecision> | undefined {
    return this.#options.dialogs.onRouteless(ack, source, undefined);
  }

  onInDialog(
    request: SipRequest,
    source: Flow,
    token: FlowTokenContents,
    transaction: ServerTransaction | undefined,
  ): RoutingDecision | Promise<RoutingDecision> {
    return this.#options.dialogs.onInDialog(request, source, token, transaction);
  }

  async #routeCall(
    request: SipRequest,
    flow: Flow,
    uri: SipUri,
    caller: Principal,
  ): Promise<RoutingDecision> {
    const { records, calls, ringing } = this.#options;
    const { admission } = this.#options;
    const callerKey = keyOf(caller);
    if (!admission.admitsCallOf(callerKey))
      return respond(503, 'Too Many Calls', [
        headerField('Retry-After', String(admission.limits.retryAfterSeconds)),
      ]);
    const meant = this.#options.callees.meantBy(caller, uri, request);
    const callee = await this.#options.callees.at(meant.uri, flow);
    const mayCall = this.#speaksFor(caller, request, flow);
    const token = mayCall ? this.#options.attempts.signFor(request, caller, callee) : undefined;
    const { call, written } = this.#options.attempts.record(request, flow, caller, callee, token);
    const gate = gateOf(written.durability);
    const refuse = (
      outcome: Outcome,
      status: number,
      reason?: string,
      headers?: readonly HeaderField[],
    ): RoutingDecision => {
      records.close(call, outcome, { status, by: 'gateway', ...(reason === undefined ? {} : { reason }) });
      return { ...respond(status, reason, headers), gate };
    };

    if (!mayCall) return refuse('refused', 403, 'From Is Not An Address Of The Caller');
    const forbidden = await this.#forbidden(caller, request, callee);
    if (forbidden !== undefined) return refuse('refused', 403, forbidden);
    const number =
      callee.identity === undefined && uri.user !== undefined ? unescapeUri(uri.user) : undefined;
    const barred = this.#options.barriers.refusal(callerKey, nameOf(caller), number);
    if (barred !== undefined) return refuse('refused', 403, barred);
    const unfit = this.#options.mediaRefusal(request, flow);
    if (unfit !== undefined) return refuse('failed', unfit.status, unfit.reason, unfit.headers);
    if (callee.identity !== undefined && callee.identity.status !== 'active')
      return refuse('unreachable', 480);
    const { targets, away, atPeer } = await this.#options.whereabouts.of(
      request,
      flow,
      callee,
      meant,
      caller,
    );
    if (away) {
      const { status, reason, headers } = peerAway(caller);
      return refuse('unreachable', status, reason, headers);
    }
    if (callee.identity === undefined && targets.length === 0) return refuse('unknown', 404);
    if (targets.length === 0) return refuse('unreachable', 480);

    calls.add(call);
    const callerIdentity = caller.via ?? callerKey;
    return {
      kind: 'forward',
      targets,
      recordRoute: true,
      callerIdentity,
      edit: forwardedEdit(request, {
        token,
        add: atPeer ? [] : assertedOf(caller, request),
        fromPeer: caller.kind === 'peer',
      }),
      gate,
      observer: new CallObserver({
        records,
        ringing,
        call,
        request,
        callerIdentity,
        callee: atPeer || callee.elsewhere !== undefined ? undefined : callee.identity?.fingerprint,
        chooses: callee.chooses,
      }),
      ...(atPeer ? {} : { responseRemove: untrustedInResponses }),
      rejoinMs: atPeer ? 0 : this.#options.rejoinMs,
      ...(atPeer ? { flowFailedStatus: 480 as const } : {}),
      ...(this.#options.followRedirects ? { redirect: this.#options.whereabouts.redirect } : {}),
    };
  }

  /** Requests outside a dialog that are no calls: MESSAGE, OPTIONS, SUBSCRIBE and the like. */
  async #routeOther(
    request: SipRequest,
    flow: Flow,
    uri: SipUri,
    sender: Principal,
  ): Promise<RoutingDecision> {
    if (!this.#speaksFor(sender, request, flow)) return respond(403, 'From Is Not An Address Of The Sender');
    if (uri.user === undefined) return respond(405, undefined, [headerField('Allow', 'OPTIONS, REGISTER')]);
    const meant = this.#options.callees.meantBy(sender, uri, request);
    const callee = await this.#options.callees.at(meant.uri, flow);
    const forbidden = await this.#forbidden(sender, request, callee);
    if (forbidden !== undefined) return respond(403, forbidden);
    const { barriers } = this.#options;
    const sent = referRefusal(request, nameOf(sender), barriers);
    if (sent !== undefined) return sent;
    const number = callee.identity === undefined ? unescapeUri(uri.user) : undefined;
    const barred = number === undefined ? undefined : barriers.numberRefusal(nameOf(sender), number);
    if (barred !== undefined) return respond(403, barred);
    const { targets, away, atPeer } = await this.#options.whereabouts.of(
      request,
      flow,
      callee,
      meant,
      sender,
    );
    if (away) return peerAway(sender);
    if (targets.length === 0) return respond(callee.identity === undefined ? 404 : 480);
    // A phone that asks for its messages, or tells its presence, means a server: its own request helps it nowhere.
    const asksServer = request.method === 'SUBSCRIBE' || request.method === 'PUBLISH';
    const others = asksServer ? targets.filter((target) => target.flow.id !== flow.id) : targets;
    if (others.length === 0) return respond(489, undefined, [headerField('Allow-Events', 'reg')]);
    return {
      kind: 'forward',
      targets: others,
      recordRoute: request.method === 'SUBSCRIBE' || request.method === 'REFER',
      callerIdentity: sender.via ?? keyOf(sender),
      edit: forwardedEdit(request, {
        add: atPeer ? [] : assertedOf(sender, request),
        fromPeer: sender.kind === 'peer',
      }),
      ...(atPeer ? {} : { responseRemove: untrustedInResponses }),
    };
  }

  /** Why the sender may not, for its display; no promise where nothing has to be asked. */
  #forbidden(
    principal: Principal,
    { method }: SipRequest,
    { address, identity }: Callee,
  ): Promise<string | undefined> | undefined {
    const action = method.toLowerCase();
    return this.#options.authorisation.refusal({ principal, action, target: address, callee: identity });
  }

  /** A proved identity may only call under its own addresses; a peer vouches for whom it names. */
  #speaksFor(principal: Principal, request: SipRequest, flow: Flow): boolean {
    if (principal.kind === 'peer' || principal.via !== undefined) return true;
    const { domain, overlay } = this.#options;
    const from = domain.dialledUri(request.from.uri, flow.local.address);
    return from?.user !== undefined && overlay.isAddressOf(principal.identity, dialledUser(from.user));
  }
}

/** What a peer says of its caller, for the phone that is called; a phone's own word for itself counts for nothing. */
function assertedOf(sender: Principal, request: SipRequest): HeaderField[] {
  return sender.kind === 'peer' ? assertedBy(sender.peer, request, true) : [];
}

function keyOf(caller: Principal): string {
  return caller.kind === 'identity' ? caller.identity.fingerprint : peerIdentity(caller.peer);
}
