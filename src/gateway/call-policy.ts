import { FederationError, type VerifiedIdentity } from '../federation/index.ts';
import { addressOf, declaredIntent, readUri } from '../intent/index.ts';
import { type IdentityOverlay, type IdentityRecord, OverlayError } from '../overlay/index.ts';
import { ProvenanceError } from '../provenance/index.ts';
import {
  type Admission,
  type Flow,
  type FlowTokenContents,
  type HeaderField,
  headerField,
  isGruu,
  type ProxyPolicy,
  type ProxyTarget,
  type RespondDecision,
  type RoutingDecision,
  type ServerTransaction,
  type SipRequest,
  type SipUri,
  unescapeUri,
} from '../sip/index.ts';
import { isFingerprint } from '../tokens/index.ts';
import type { Audit } from './audit.ts';
import type { Authentication } from './authentication.ts';
import type { Authorisation } from './authorisation.ts';
import type { CallBarriers } from './call-barriers.ts';
import { CallObserver } from './call-observer.ts';
import type { CallParty, CallRecords, Outcome } from './call-records.ts';
import type { CallTable } from './call-table.ts';
import type { DialogPolicy } from './dialog-policy.ts';
import type { ForeignCallees } from './federation/foreign-callees.ts';
import { foreignRecord } from './federation/foreign-record.ts';
import { forwardedEdit } from './forwarded-intent.ts';
import type { GruuRouting } from './gruu-routing.ts';
import type { NodeHops } from './hops/node-hops.ts';
import { identityAt } from './identity-at.ts';
import { intentTokenOf, tokenReference } from './intent-gate.ts';
import type { OnBehalfSigner } from './on-behalf.ts';
import type { Outbound } from './outbound.ts';
import { assertedBy } from './peers/asserted-identity.ts';
import { type Meant, meantBy } from './peers/called-number.ts';
import type { PeerTable } from './peers/peer-table.ts';
import { nameOf, type Principal, peerIdentity } from './principal.ts';
import type { BindingChoice, Reachability } from './reachability.ts';
import type { Registration } from './registration.ts';
import type { RingingCalls } from './ringing-calls.ts';
import {
  capabilitiesFor,
  challengeWith,
  decline,
  gateOf,
  peerAway,
  refuseUri,
  respond,
  storeAway,
  unavailable,
} from './routing-answers.ts';
import type { ServedDomain } from './served-domain.ts';

export interface CallPolicyOptions {
  readonly dialogs: DialogPolicy;
  readonly authentication: Authentication;
  readonly authorisation: Authorisation;
  readonly overlay: IdentityOverlay;
  readonly reachability: Reachability;
  readonly gruus: GruuRouting;
  readonly hops: NodeHops;
  /** Undefined where calls do not leave this domain. */
  readonly foreign: ForeignCallees | undefined;
  readonly registration: Registration;
  readonly outbound: Outbound;
  readonly peers: PeerTable;
  readonly signer: OnBehalfSigner;
  readonly barriers: CallBarriers;
  /** What stands in the way of a call's media. */
  readonly mediaRefusal: (
    request: SipRequest,
    flow: Flow,
  ) => { readonly status: number; readonly reason: string } | undefined;
  readonly domain: ServedDomain;
  readonly domainName: string;
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

interface Callee {
  readonly address: string;
  readonly identity: IdentityRecord | undefined;
  readonly party: CallParty;
  /** Set when one phone of the identity is meant, by its GRUU. */
  readonly chooses?: BindingChoice;
  /** Set when another operator has it. */
  readonly elsewhere?: VerifiedIdentity;
}

/** Where a request goes; `away`: to a peer that cannot be reached now. */
interface Whereabouts {
  readonly targets: readonly ProxyTarget[];
  readonly away: boolean;
  /** A peer decides who rings. */
  readonly atPeer: boolean;
}

/** Decides where each request goes: who asks, whom they mean, on which flows that identity is, and what is recorded. */
export class CallPolicy implements ProxyPolicy {
  readonly #options: CallPolicyOptions;

  constructor(options: CallPolicyOptions) {
    this.#options = options;
  }

  onRequest(request: SipRequest, transaction: ServerTransaction): RoutingDecision | Promise<RoutingDecision> {
    const { flow } = transaction;
    const { dialogs, domain } = this.#options;
    const routeless =
      request.to.tag === undefined ? undefined : dialogs.onRouteless(request, flow, transaction);
    if (routeless !== undefined) return routeless;
    const uri = domain.ownUri(request.uri, flow.local.address) ?? this.#foreignUri(request);
    if (uri === undefined) return refuseUri(request.uri);
    return this.#answer(request, flow, uri) ?? this.#route(request, flow, uri);
  }

  /** An address of another domain, where calls may leave this one. */
  #foreignUri(request: SipRequest): SipUri | undefined {
    const uri = this.#options.foreign === undefined ? undefined : readUri(request.uri);
    return (uri?.scheme === 'sip' || uri?.scheme === 'sips') && uri.user !== undefined ? uri : undefined;
  }

  async #route(request: SipRequest, flow: Flow, uri: SipUri): Promise<RoutingDecision> {
    try {
      return await this.#decide(request, flow, uri);
    } catch (error) {
      // The log has stopped taking records since its health was looked at, or the disk does not keep up.
      if (error instanceof ProvenanceError && error.code === 'unhealthy') return unavailable();
      if (error instanceof OverlayError && error.code === 'store-unavailable') return storeAway();
      throw error;
    }
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
        return this.#refuseStranger(request, flow, result.claimed, 'refused', answer);
      return answer;
    }
    return request.method === 'INVITE'
      ? this.#routeCall(request, flow, uri, result.principal)
      : this.#routeOther(request, flow, uri, result.principal);
  }

  /** Leaves a record as every call does: of a caller who is known, or, a few times a minute, of one who is not. */
  async onTooManyHops(request: SipRequest, { flow }: ServerTransaction): Promise<RespondDecision> {
    const { authentication, domain, audit, records } = this.#options;
    const uri = domain.ownUri(request.uri, flow.local.address);
    if (uri === undefined || request.to.tag !== undefined || !audit.healthy) return decline(483);
    const result = await authentication.identify(request, flow);
    if (result.kind !== 'proved')
      return authentication.strangerLeavesRecord(flow)
        ? this.#refuseStranger(request, flow, undefined, 'failed', decline(483))
        : decline(483);
    const { call, written } = this.#attempt(
      request,
      flow,
      result.principal,
      await this.#calleeOf(uri, flow),
      undefined,
    );
    records.close(call, 'failed', { status: 483, by: 'gateway', reason: 'Too Many Hops' });
    return { ...respond(483), gate: gateOf(written.durability) };
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
    const meant = this.#meantBy(caller, uri, request);
    const callee = await this.#calleeOf(meant.uri, flow);
    const mayCall = this.#speaksFor(caller, request, flow);
    const token = mayCall ? this.#signFor(request, caller, callee) : undefined;
    const { call, written } = this.#attempt(request, flow, caller, callee, token);
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
    if (unfit !== undefined) return refuse('failed', unfit.status, unfit.reason);
    if (callee.identity !== undefined && callee.identity.status !== 'active')
      return refuse('unreachable', 480);
    const { targets, away, atPeer } = await this.#whereabouts(request, flow, callee, meant, caller);
    if (away) {
      const { status, reason, headers } = peerAway(caller);
      return refuse('unreachable', status, reason, headers);
    }
    if (callee.identity === undefined && targets.length === 0) return refuse('unknown', 404);
    if (targets.length === 0) return refuse('unreachable', 480);

    calls.add(call);
    return {
      kind: 'forward',
      targets,
      recordRoute: true,
      callerIdentity: caller.via ?? keyOf(caller),
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
        callee: atPeer || callee.elsewhere !== undefined ? undefined : callee.identity?.fingerprint,
        chooses: callee.chooses,
      }),
      rejoinMs: atPeer ? 0 : this.#options.rejoinMs,
      ...(atPeer ? { flowFailedStatus: 480 as const } : {}),
      ...(this.#options.followRedirects ? { redirect: this.#redirect } : {}),
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
    const meant = this.#meantBy(sender, uri, request);
    const callee = await this.#calleeOf(meant.uri, flow);
    const forbidden = await this.#forbidden(sender, request, callee);
    if (forbidden !== undefined) return respond(403, forbidden);
    const { targets, away, atPeer } = await this.#whereabouts(request, flow, callee, meant, sender);
    if (away) return peerAway(sender);
    if (targets.length === 0) return respond(callee.identity === undefined ? 404 : 480);
    return {
      kind: 'forward',
      targets,
      recordRoute: request.method === 'SUBSCRIBE' || request.method === 'REFER',
      callerIdentity: sender.via ?? keyOf(sender),
      edit: forwardedEdit(request, {
        add: atPeer ? [] : assertedOf(sender, request),
        fromPeer: sender.kind === 'peer',
      }),
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

  /** At the peer whose dial plan decides; else every phone of the identity, or the one that is meant; else a peer. */
  async #whereabouts(
    request: SipRequest,
    flow: Flow,
    callee: Callee,
    { uri, peer }: Meant,
    sender: Principal,
  ): Promise<Whereabouts> {
    const { outbound, reachability } = this.#options;
    const { identity, chooses } = callee;
    const { elsewhere } = callee;
    if (elsewhere !== undefined || !this.#options.domain.serves(uri.host, flow.local.address)) {
      // Nobody passes through here on the way from one domain to another.
      const ours = sender.kind === 'identity' && sender.via === undefined;
      const requestUri = isFingerprint(uri.user ?? '') ? `sip:${uri.user}@${elsewhere?.domain}` : request.uri;
      const target =
        ours && elsewhere !== undefined
          ? await this.#options.foreign?.target(elsewhere, requestUri)
          : undefined;
      return { targets: target === undefined ? [] : [target], away: false, atPeer: false };
    }
    // The gateway that sent it here has looked everywhere else.
    if (sender.via !== undefined) {
      const here = identity === undefined ? [] : await reachability.targets(identity.fingerprint, chooses);
      return { targets: here, away: false, atPeer: false };
    }
    const outward = { request, uri, peer, sender };
    // RFC 5627 §6.1: a GRUU of this domain means nobody elsewhere.
    const unproved = sender.kind === 'identity' && sender.assurance === 0;
    const found =
      isGruu(uri) && !unproved
        ? ({ kind: 'nobody' } as const)
        : identity === undefined
          ? await outbound.targets(outward)
          : await outbound.throughDialPlan(outward);
    if (found.kind === 'targets') return { targets: found.targets, away: false, atPeer: true };
    if (identity === undefined || found.kind === 'down')
      return { targets: [], away: found.kind === 'down', atPeer: true };
    const here = await reachability.targets(identity.fingerprint, chooses);
    const others = await this.#atOtherNodes(request, identity.fingerprint, callee, sender);
    return { targets: [...here, ...others], away: false, atPeer: false };
  }

  /** The callee's phones that are registered at other gateways of the same store. */
  async #atOtherNodes(
    request: SipRequest,
    callee: string,
    { chooses }: Callee,
    sender: Principal,
  ): Promise<readonly ProxyTarget[]> {
    const { hops, reachability } = this.#options;
    const bindings = await reachability.elsewhere(callee, chooses);
    if (bindings.length === 0) return [];
    const { kind, assurance } = sender;
    const claim = {
      caller: kind === 'identity' ? sender.identity.fingerprint : undefined,
      peer: kind === 'peer' ? sender.peer.name : undefined,
      assurance,
    };
    return hops.targets({ request, callee, bindings, claim, ...(chooses && { requestUri: request.uri }) });
  }

  /** A gateway that sent a request here has translated what was dialled. */
  #meantBy(sender: Principal, uri: SipUri, request: SipRequest): Meant {
    if (sender.via !== undefined) return { uri, peer: undefined };
    return meantBy(sender, uri, request, this.#options.peers.all);
  }

  async #calleeOf(uri: SipUri, flow: Flow): Promise<Callee> {
    if (!this.#options.domain.serves(uri.host, flow.local.address)) return this.#foreignCallee(uri, false);
    if (isGruu(uri)) {
      const phone = await this.#options.gruus.phoneAt(uri);
      const { fingerprint, name } = phone?.identity ?? {};
      const address = addressOf(uri);
      const party = { fingerprint, label: name ?? address };
      return { address, identity: phone?.identity, party, ...(phone && { chooses: phone.chooses }) };
    }
    const user = uri.user ?? '';
    const identity = user === '' ? undefined : await this.#options.overlay.lookup(unescapeUri(user));
    const address = addressOf(uri);
    // A fingerprint means one identity, whatever domain it is dialled at.
    if (identity === undefined && this.#options.foreign !== undefined && isFingerprint(user))
      return this.#foreignCallee(uri, true);
    return {
      address,
      identity,
      party: { fingerprint: identity?.fingerprint, label: identity?.name ?? address },
    };
  }

  /** Who is meant at another operator; nobody, when that one does not say so or is not to be believed. */
  async #foreignCallee(uri: SipUri, anywhere: boolean): Promise<Callee> {
    const address = addressOf(uri);
    const found = await this.#options.foreign?.find(uri, anywhere);
    if (found === undefined || found instanceof FederationError)
      return { address, identity: undefined, party: { fingerprint: undefined, label: address } };
    const identity = foreignRecord(found);
    const party = { fingerprint: identity.fingerprint, label: identity.name };
    return { address, identity, party, elsewhere: found };
  }

  /** A proved identity may only call under its own addresses; a peer vouches for whom it names. */
  #speaksFor(principal: Principal, request: SipRequest, flow: Flow): boolean {
    if (principal.kind === 'peer' || principal.via !== undefined) return true;
    const { domain, overlay } = this.#options;
    const from = domain.ownUri(request.from.uri, flow.local.address);
    return from?.user !== undefined && overlay.isAddressOf(principal.identity, unescapeUri(from.user));
  }

  /** The gateway's own token for a caller whose device has not signed this request. */
  #signFor(request: SipRequest, caller: Principal, callee: Callee): string | undefined {
    // The gateway that proved the caller has signed already.
    if (caller.via !== undefined) return intentTokenOf(request);
    if (caller.kind === 'peer' ? caller.carriesIntent : caller.intent !== undefined) return undefined;
    return this.#options.signer.sign({
      request,
      caller: caller.kind === 'identity' ? caller.identity.fingerprint : undefined,
      assurance: caller.assurance,
      audience: this.#options.domainName,
      callee: { fingerprint: callee.identity?.fingerprint, address: callee.address },
      text: declaredIntent(request, callee.party.label),
    });
  }

  /** The record of an attempt, resting on the registrations of both and on the token that declares the intent. */
  #attempt(
    request: SipRequest,
    flow: Flow,
    caller: Principal,
    callee: Callee,
    token: string | undefined,
  ): ReturnType<CallRecords['attempt']> {
    const { records, registration } = this.#options;
    const identity = caller.kind === 'identity' ? caller.identity : undefined;
    const device = caller.kind === 'identity' ? caller.intent : undefined;
    const signed = device?.bytes ?? (token === undefined ? undefined : Buffer.from(token, 'base64url'));
    return records.attempt({
      request,
      flow,
      caller: callerParty(caller, request),
      callee: callee.party,
      assurance: caller.assurance,
      signedBy: device !== undefined ? 'device' : token !== undefined ? 'gateway' : 'nobody',
      intent: device?.intent.text || declaredIntent(request, callee.party.label),
      tokens: signed === undefined ? [] : [tokenReference(signed)],
      parents: registration.recordsOf(identity?.fingerprint, callee.identity?.fingerprint),
    });
  }

  /** RFC 3261 §16.5: where a 3xx points, as far as that is one of our own identities. */
  readonly #redirect = async (contacts: readonly string[]): Promise<readonly ProxyTarget[]> => {
    const { overlay, reachability, domain } = this.#options;
    const targets: ProxyTarget[] = [];
    for (const contact of contacts) {
      if (domain.ownUri(contact, '') === undefined) continue;
      const identity = await identityAt(overlay, contact);
      if (identity?.status === 'active') targets.push(...(await reachability.targets(identity.fingerprint)));
    }
    return targets;
  };

  /** A caller that proved nothing but claimed something leaves a record as well. */
  #refuseStranger(
    request: SipRequest,
    flow: Flow,
    claimed: string | undefined,
    outcome: Outcome,
    answer: RespondDecision,
  ): RespondDecision {
    const { records } = this.#options;
    const address = addressOf(request.uri);
    const { call, written } = records.attempt({
      request,
      flow,
      caller: { fingerprint: undefined, label: `unproved ${claimed ?? request.from.uri}` },
      callee: { fingerprint: undefined, label: address },
      assurance: 0,
      signedBy: 'nobody',
      intent: declaredIntent(request, address),
      tokens: [],
      parents: [],
    });
    const { status, reason } = answer;
    records.close(call, outcome, { status, by: 'gateway', ...(reason === undefined ? {} : { reason }) });
    return { ...answer, gate: gateOf(written.durability) };
  }
}

function callerParty(caller: Principal, request: SipRequest): CallParty {
  if (caller.kind === 'identity') return { fingerprint: caller.identity.fingerprint, label: nameOf(caller) };
  return { fingerprint: undefined, label: `${addressOf(request.from.uri)} by ${nameOf(caller)}` };
}

/** What a peer says of its caller, for the phone that is called; a phone's own word for itself counts for nothing. */
function assertedOf(sender: Principal, request: SipRequest): HeaderField[] {
  return sender.kind === 'peer' ? assertedBy(sender.peer, request, true) : [];
}

function keyOf(caller: Principal): string {
  return caller.kind === 'identity' ? caller.identity.fingerprint : peerIdentity(caller.peer);
}
