import { addressOf, declaredIntent } from '../intent/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../overlay/index.ts';
import { type Durability, ProvenanceError } from '../provenance/index.ts';
import {
  type Admission,
  type Flow,
  type FlowTokenContents,
  type ForwardObserver,
  type GateRefusal,
  type HeaderField,
  headerField,
  headerItems,
  headerValue,
  isGruu,
  type ProxyPolicy,
  type ProxyTarget,
  type RespondDecision,
  type ResponseGate,
  type RoutingDecision,
  type ServerTransaction,
  type SipRequest,
  type SipUri,
  unescapeUri,
} from '../sip/index.ts';
import type { Audit } from './audit.ts';
import type { Authentication, Challenge } from './authentication.ts';
import { CallObserver } from './call-observer.ts';
import type { Call, CallParty, CallRecords, Outcome } from './call-records.ts';
import type { CallTable } from './call-table.ts';
import type { GruuRouting } from './gruu-routing.ts';
import { identityAt } from './identity-at.ts';
import { tokenReference } from './intent-gate.ts';
import type { OnBehalfSigner } from './on-behalf.ts';
import type { Outbound } from './outbound.ts';
import { nameOf, type Principal, peerIdentity } from './principal.ts';
import type { BindingChoice, Reachability } from './reachability.ts';
import type { Registration } from './registration.ts';
import type { RingingCalls } from './ringing-calls.ts';
import { foreignUriRefusal, type ServedDomain } from './served-domain.ts';

/** What a caller is told when the log cannot take records now, in seconds. */
const retryAfterSeconds = 5;

/** What an OPTIONS to the gateway itself is told (RFC 3261 §11.2). */
const capabilities = [
  headerField('Accept', 'application/sdp'),
  headerField(
    'Allow',
    'INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, UPDATE, INFO, REFER, MESSAGE, SUBSCRIBE, NOTIFY',
  ),
  headerField('Supported', 'path, outbound, gruu'),
  headerField('Allow-Events', 'reg'),
];

/** Identity statements that only this gateway may make towards its phones and peers. */
const untrustedHeaders = [
  'p-asserted-identity',
  'p-preferred-identity',
  'remote-party-id',
  'diversion',
  // What a network says that it has found out of a caller: 3GPP TS 24.229 §7.2.18 f., ATIS-1000082.
  'attestation-info',
  'origination-id',
  'p-attestation-indicator',
  'p-origination-id',
  'proxy-authorization',
];

export interface CallPolicyOptions {
  readonly authentication: Authentication;
  readonly overlay: IdentityOverlay;
  readonly reachability: Reachability;
  readonly gruus: GruuRouting;
  readonly registration: Registration;
  readonly outbound: Outbound;
  readonly signer: OnBehalfSigner;
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
}

/** Decides where each request goes: who asks, whom they mean, on which flows that identity is, and what is recorded. */
export class CallPolicy implements ProxyPolicy {
  readonly #options: CallPolicyOptions;

  constructor(options: CallPolicyOptions) {
    this.#options = options;
  }

  onRequest(request: SipRequest, transaction: ServerTransaction): RoutingDecision | Promise<RoutingDecision> {
    const { flow } = transaction;
    const uri = this.#options.domain.ownUri(request.uri, flow.local.address);
    if (uri === undefined) return refuseUri(request.uri);
    return this.#answer(request, flow, uri) ?? this.#route(request, flow, uri);
  }

  async #route(request: SipRequest, flow: Flow, uri: SipUri): Promise<RoutingDecision> {
    try {
      return await this.#decide(request, flow, uri);
    } catch (error) {
      // The log has stopped taking records since its health was looked at, or the disk does not keep up.
      if (error instanceof ProvenanceError && error.code === 'unhealthy') return unavailable();
      throw error;
    }
  }

  /** What is answered without asking anybody: not even an INVITE then gets a 100 before it. */
  #answer(request: SipRequest, flow: Flow, uri: SipUri): RespondDecision | undefined {
    const { authentication, audit } = this.#options;
    if (request.to.tag !== undefined) return respond(481);
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
      if (result.record && request.method === 'INVITE')
        return this.#refuseStranger(
          request,
          flow,
          result.claimed,
          result.status,
          result.reason,
          result.headers,
        );
      return respond(result.status, result.reason, result.headers);
    }
    return request.method === 'INVITE'
      ? this.#routeCall(request, flow, uri, result.principal)
      : this.#routeOther(request, flow, uri, result.principal);
  }

  async onInDialog(
    request: SipRequest,
    source: Flow,
    token: FlowTokenContents,
    transaction: ServerTransaction | undefined,
  ): Promise<RoutingDecision> {
    const call = this.#options.calls.find(request);
    const side = await this.#sideOf(request, source, token);
    if (side === undefined) return respond(403, 'Not A Party Of This Dialog');
    const towards =
      side === 'caller'
        ? { flow: token.calleeFlow, identity: token.calleeIdentity }
        : { flow: token.callerFlow, identity: token.callerIdentity };
    const phone = await this.#options.gruus.remoteTarget(request.uri, {
      identity: towards.identity,
      flow: this.#options.outbound.openFlow(towards.flow),
      localAddress: source.local.address,
    });
    const targets =
      phone === undefined
        ? await this.#dialogTargets(request.uri, towards)
        : [this.#options.outbound.inDialog(phone.flow, phone.requestUri)];
    if (targets.length === 0) {
      // Nobody is there to hear the BYE, but its sender has hung up.
      if (call !== undefined && request.method === 'BYE')
        this.#options.records.close(call, 'answered', { by: side, reason: 'the other side was gone' });
      return respond(430);
    }
    const add =
      transaction !== undefined && request.method === 'INVITE'
        ? this.#reinviteToken(request, call, side)
        : [];
    return {
      kind: 'forward',
      targets,
      recordRoute: false,
      edit: { remove: untrustedHeaders, add },
      ...(call !== undefined && request.method === 'BYE' ? { observer: this.#byeObserver(call, side) } : {}),
    };
  }

  async #routeCall(
    request: SipRequest,
    flow: Flow,
    uri: SipUri,
    caller: Principal,
  ): Promise<RoutingDecision> {
    const { records, registration, calls, ringing } = this.#options;
    const { admission } = this.#options;
    const callerKey = callerIdentityOf(caller).callerIdentity;
    if (callerKey !== undefined && !admission.admitsCallOf(callerKey))
      return respond(503, 'Too Many Calls', [
        headerField('Retry-After', String(admission.limits.retryAfterSeconds)),
      ]);
    const callee = await this.#calleeOf(uri);
    const device = caller.kind === 'identity' ? caller.intent : undefined;
    const intent = device?.intent.text || declaredIntent(request, callee.party.label);
    const mayCall = this.#speaksFor(caller, request, flow);
    const token =
      device === undefined && mayCall ? this.#signFor(request, caller, callee, intent) : undefined;
    const { call, written } = records.attempt({
      request,
      flow,
      caller: callerParty(caller, request),
      callee: callee.party,
      assurance: caller.assurance,
      signedBy: device !== undefined ? 'device' : token !== undefined ? 'gateway' : 'nobody',
      intent,
      tokens:
        device !== undefined
          ? [tokenReference(device.bytes)]
          : token === undefined
            ? []
            : [referenceOf(token)],
      parents: registration.recordsOf(
        caller.kind === 'identity' ? caller.identity.fingerprint : undefined,
        callee.identity?.fingerprint,
      ),
    });
    const gate = gateOf(written.durability);
    const refuse = (outcome: Outcome, status: number, reason?: string): RoutingDecision => {
      records.close(call, outcome, { status, by: 'gateway', ...(reason === undefined ? {} : { reason }) });
      return { ...respond(status, reason), gate };
    };

    if (!mayCall) return refuse('refused', 403, 'From Is Not An Address Of The Caller');
    if (callee.identity !== undefined && callee.identity.status !== 'active')
      return refuse('unreachable', 480);
    const targets = await this.#targetsOf(callee, uri, caller);
    if (callee.identity === undefined && targets.length === 0) return refuse('unknown', 404);
    if (targets.length === 0) return refuse('unreachable', 480);

    calls.add(call);
    return {
      kind: 'forward',
      targets,
      recordRoute: true,
      ...callerIdentityOf(caller),
      edit: {
        remove: untrustedHeaders,
        add: token === undefined ? [] : [headerField('Intent-Token', token)],
      },
      gate,
      observer: new CallObserver({
        records,
        ringing,
        call,
        callee: callee.identity?.fingerprint,
        chooses: callee.chooses,
      }),
      rejoinMs: this.#options.rejoinMs,
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
    const callee = await this.#calleeOf(uri);
    const targets = await this.#targetsOf(callee, uri, sender);
    if (targets.length === 0) return respond(callee.identity === undefined ? 404 : 480);
    return {
      kind: 'forward',
      targets,
      recordRoute: request.method === 'SUBSCRIBE' || request.method === 'REFER',
      ...callerIdentityOf(sender),
      edit: { remove: untrustedHeaders, add: [] },
    };
  }

  /** Every phone of an identity that can be reached, or the one that is meant; for others the configured peer. */
  async #targetsOf(callee: Callee, uri: SipUri, sender: Principal): Promise<readonly ProxyTarget[]> {
    const { outbound, reachability } = this.#options;
    if (callee.identity !== undefined)
      return reachability.targets(callee.identity.fingerprint, callee.chooses);
    // RFC 5627 §6.1: a GRUU of this domain means nobody elsewhere.
    return isGruu(uri) ? [] : outbound.targets(uri, sender);
  }

  async #calleeOf(uri: SipUri): Promise<Callee> {
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
    return {
      address,
      identity,
      party: { fingerprint: identity?.fingerprint, label: identity?.name ?? address },
    };
  }

  /** A proved identity may only call under its own addresses; a peer vouches for whom it names. */
  #speaksFor(principal: Principal, request: SipRequest, flow: Flow): boolean {
    if (principal.kind === 'peer') return true;
    const { domain, overlay } = this.#options;
    const from = domain.ownUri(request.from.uri, flow.local.address);
    return from?.user !== undefined && overlay.isAddressOf(principal.identity, unescapeUri(from.user));
  }

  #signFor(request: SipRequest, caller: Principal, callee: Callee, text: string): string {
    return this.#options.signer.sign({
      request,
      caller: caller.kind === 'identity' ? caller.identity.fingerprint : undefined,
      assurance: caller.assurance,
      audience: this.#options.domainName,
      callee: { fingerprint: callee.identity?.fingerprint, address: callee.address },
      text,
    });
  }

  /** A re-INVITE of a phone that does not sign leaves with the gateway's word for it, as the first INVITE did. */
  #reinviteToken(request: SipRequest, call: Call | undefined, side: 'caller' | 'callee'): HeaderField[] {
    if (call === undefined || headerValue(request, 'intent-token') !== undefined) return [];
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

  /** Which party sent an in-dialog request: by the flow it came on, or by proof when the party has moved. */
  async #sideOf(
    request: SipRequest,
    source: Flow,
    token: FlowTokenContents,
  ): Promise<'caller' | 'callee' | undefined> {
    const caller = source.id === token.callerFlow;
    const callee = source.id === token.calleeFlow;
    if (caller && callee)
      return this.#options.calls.find(request)?.callerTag === request.to.tag ? 'callee' : 'caller';
    if (caller) return 'caller';
    if (callee) return 'callee';
    // A PBX may use another connection for each request.
    const peer = this.#options.authentication.peerOf(source);
    const peerSide = peer && peerIdentity(peer);
    if (peerSide !== undefined && token.callerIdentity === peerSide) return 'caller';
    if (peerSide !== undefined && token.calleeIdentity === peerSide) return 'callee';
    const fingerprint = await this.#movedParty(request, source);
    if (fingerprint === undefined) return undefined;
    if (token.callerIdentity === fingerprint) return 'caller';
    return token.calleeIdentity === fingerprint ? 'callee' : undefined;
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
    if (headerValue(request, 'intent-token') === undefined) return undefined;
    const result = await authentication.identify(request, source);
    return result.kind === 'proved' && result.principal.kind === 'identity'
      ? result.principal.identity.fingerprint
      : undefined;
  }

  /** The dialog's own flow while its phone is there, else wherever the identity behind it is now. */
  async #dialogTargets(
    requestUri: string,
    towards: { readonly flow: string; readonly identity: string | undefined },
  ): Promise<readonly ProxyTarget[]> {
    const { reachability, outbound } = this.#options;
    const { identity } = towards;
    const flow = outbound.openFlow(towards.flow);
    if (flow !== undefined && !reachability.hasLeft(flow)) return [outbound.inDialog(flow, requestUri)];
    if (identity !== undefined) {
      const toPeer = await outbound.flowTo(identity);
      if (toPeer !== undefined) return [outbound.inDialog(toPeer, requestUri)];
      const moved = await reachability.dialogTargets(identity, requestUri);
      if (moved.length > 0) return moved;
    }
    return flow === undefined ? [] : [outbound.inDialog(flow, requestUri)];
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

  #byeObserver(call: Call, side: 'caller' | 'callee'): ForwardObserver {
    return {
      onFinal: ({ status }) => {
        // A challenged BYE has ended nothing yet.
        if (status !== 401 && status !== 407) this.#options.records.close(call, 'answered', { by: side });
      },
    };
  }

  /** A caller that proved nothing but claimed something leaves a record as well. */
  #refuseStranger(
    request: SipRequest,
    flow: Flow,
    claimed: string | undefined,
    status: number,
    reason: string,
    headers: readonly HeaderField[],
  ): RoutingDecision {
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
    records.close(call, 'refused', { status, by: 'gateway', reason });
    return { ...respond(status, reason, headers), gate: gateOf(written.durability) };
  }
}

function callerParty(caller: Principal, request: SipRequest): CallParty {
  if (caller.kind === 'identity') return { fingerprint: caller.identity.fingerprint, label: nameOf(caller) };
  return { fingerprint: undefined, label: `${addressOf(request.from.uri)} by ${nameOf(caller)}` };
}

function callerIdentityOf(caller: Principal): { callerIdentity?: string } {
  const { kind } = caller;
  return { callerIdentity: kind === 'identity' ? caller.identity.fingerprint : peerIdentity(caller.peer) };
}

/** What a caller is told whose attempt could not be recorded. */
const unrecorded: GateRefusal = {
  reason: 'Audit Log Unavailable',
  headers: [
    headerField('Retry-After', String(retryAfterSeconds)),
    headerField('Reason', 'SIP;cause=503;text="Audit Log Unavailable"'),
  ],
};

function gateOf(durability: Durability): ResponseGate {
  return {
    refusal: unrecorded,
    get state() {
      return durability.state === 'durable' ? 'open' : durability.state;
    },
    whenSettled: (callback) =>
      durability.whenSettled((state) => callback(state === 'durable' ? 'open' : 'failed')),
  };
}

function referenceOf(token: string): string {
  return tokenReference(Buffer.from(token, 'base64url'));
}

function respond(status: number, reason?: string, headers?: readonly HeaderField[]): RespondDecision {
  return {
    kind: 'respond',
    status,
    ...(reason === undefined ? {} : { reason }),
    ...(headers === undefined ? {} : { headers }),
  };
}

function refuseUri(text: string): RoutingDecision {
  const { status, reason } = foreignUriRefusal(text);
  return respond(status, reason);
}

/** RFC 3261 §11.2; §8.2.2.3: the gateway is the one who is asked here, and has no extension to insist on. */
function capabilitiesFor(request: SipRequest): RespondDecision {
  const required = headerItems(request, 'require');
  return required.length === 0
    ? respond(200, undefined, capabilities)
    : respond(420, undefined, [headerField('Unsupported', required.join(', '))]);
}

function challengeWith({ status, headers }: Challenge): RespondDecision {
  return { ...respond(status, undefined, headers), stateless: true };
}

function unavailable(): RespondDecision {
  return respond(503, 'Audit Log Unavailable', [headerField('Retry-After', String(retryAfterSeconds))]);
}
