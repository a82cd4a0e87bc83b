import type { Clock, Logger } from '../base/index.ts';
import type { PeerConfig, TransportName } from '../config/index.ts';
import { FederationError } from '../federation/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../overlay/index.ts';
import {
  type DigestAuthenticator,
  type FailureThrottle,
  type Flow,
  type HeaderField,
  headerField,
  type SipRequest,
} from '../sip/index.ts';
import type { CertificateIdentity } from './certificate-identity.ts';
import type { ForeignCallers } from './federation/foreign-callers.ts';
import { isGateway, type NodeHops } from './hops/node-hops.ts';
import { identityAt } from './identity-at.ts';
import { type IntentGate, intentTokenOf } from './intent-gate.ts';
import type { PeerTable } from './peers/peer-table.ts';
import type { Assurance, Principal } from './principal.ts';
import { type SpeakerLimits, Speakers } from './speakers.ts';

/** To be answered with `status` (mostly 401 or 407) and `headers`; leaves no record, since nobody has spoken yet. */
export interface Challenge {
  readonly kind: 'challenge';
  readonly status: number;
  readonly headers: readonly HeaderField[];
}

export type AuthenticationResult =
  | {
      readonly kind: 'proved';
      readonly principal: Principal;
      /** For the response to a REGISTER. */
      readonly info?: readonly HeaderField[];
    }
  | Challenge
  | {
      readonly kind: 'refused';
      readonly status: 403;
      readonly reason: string;
      /** For log and record. */
      readonly fault: string;
      readonly claimed: string | undefined;
      readonly headers: readonly HeaderField[];
      /** False once a source has failed so often that its failures are only counted. */
      readonly record: boolean;
    };

export interface AuthenticationOptions {
  readonly intents: IntentGate;
  readonly certificates: CertificateIdentity;
  readonly digest: DigestAuthenticator;
  readonly throttle: FailureThrottle;
  readonly overlay: IdentityOverlay;
  readonly peers: PeerTable;
  readonly hops: NodeHops;
  /** Undefined where only identities of this domain may call. */
  readonly foreign: ForeignCallers | undefined;
  readonly flowSpeaks: readonly TransportName[];
  /** Passwords are known to a PBX only: what a phone without a key asks is put before that. */
  readonly passwordsElsewhere: boolean;
  readonly speakers: SpeakerLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Finds out who sent a request: a device key, a named peer, the flow's identity, a certificate, digest, in this order. */
export class Authentication {
  readonly #options: AuthenticationOptions;
  readonly #speakers: Speakers;
  /** Peers that have shown their password on a connection, by the flow's id. */
  readonly #peers = new Map<string, PeerConfig>();
  /** Revoked while they had something in progress here. */
  readonly #barred = new Set<string>();

  constructor(options: AuthenticationOptions) {
    this.#options = options;
    this.#speakers = new Speakers(options.speakers);
  }

  async identify(request: SipRequest, flow: Flow): Promise<AuthenticationResult> {
    const token = intentTokenOf(request);
    const hop = await this.#byHop(request, flow, token);
    if (hop !== undefined) return hop;
    const peer = request.method === 'REGISTER' ? undefined : this.peerOf(flow);
    if (peer !== undefined) return this.#byPeer(request, flow, peer, token);
    const domain =
      request.method === 'REGISTER' ? undefined : await this.#options.foreign?.domainOf(request, flow);
    if (token !== undefined && domain !== undefined) return this.#byDomain(request, flow, domain, token);
    if (token !== undefined) return this.#byIntent(request, flow, token);
    const speaker = request.method === 'REGISTER' ? undefined : await this.#byFlow(request, flow);
    const known = speaker ?? (await this.#byCertificate(request, flow));
    if (known !== undefined) return known;
    return this.#options.passwordsElsewhere ? this.#byBinding(request, flow) : this.#byDigest(request, flow);
  }

  /** What a device proves by itself, without a password; undefined when it brings no such proof. */
  async byKey(request: SipRequest, flow: Flow): Promise<AuthenticationResult | undefined> {
    const token = intentTokenOf(request);
    return token === undefined ? this.#byCertificate(request, flow) : this.#byIntent(request, flow, token);
  }

  /**
   * The challenge for a REGISTER or a datagram that brings no proof whatever, without waiting for anything: its source
   * may be forged, so that it must cost no memory and earn its victim little. Undefined for everything else.
   */
  challengeOf(request: SipRequest, flow: Flow): Challenge | undefined {
    if (this.#options.passwordsElsewhere) return undefined;
    const registers = request.method === 'REGISTER';
    // Who registers proves itself each time, unless a certificate does.
    const mayBeKnown = registers
      ? flow.peerCertificate?.authorized === true
      : flow.reliable || this.#speakers.on(flow) || this.peerOf(flow) !== undefined;
    if (mayBeKnown || request.headers.some(({ name }) => proofs.has(name))) return undefined;
    const kind = registers ? 'www' : 'proxy';
    const headers = this.#options.digest.challenge(request, flow, kind);
    return { kind: 'challenge', status: kind === 'www' ? 401 : 407, headers };
  }

  /**
   * Lets the flow's later requests speak for an identity, where the transport allows it. What they say is unsigned: a
   * device's key stands behind them as a TLS client's certificate does, and on a plain connection less than that.
   */
  remember(flow: Flow, fingerprint: string, assurance: Assurance): void {
    if (!this.#options.flowSpeaks.includes(flow.transport)) return;
    this.#speakers.add(flow, fingerprint, assurance < 2 ? assurance : flow.secure ? 2 : 1);
  }

  forget(flow: Flow): void {
    this.#speakers.forget(flow);
    this.#peers.delete(flow.id);
  }

  /** Whether a party of a dialog was revoked since it began. */
  isBarred(fingerprint: string | undefined): boolean {
    return fingerprint !== undefined && this.#barred.has(fingerprint);
  }

  /** Who has proved itself on any connection. */
  speakers(): Iterable<string> {
    return this.#speakers.all();
  }

  /** No connection speaks for this identity any more, nor do the flows of its dialogs. */
  bar(fingerprint: string): void {
    this.#barred.add(fingerprint);
    this.#speakers.silence(fingerprint);
  }

  /** Whether this identity has proved itself on this very connection. */
  speaks(flow: Flow, fingerprint: string): boolean {
    return this.#speakers.assuranceOf(flow, fingerprint) !== undefined;
  }

  /** Whether somebody unknown may leave one more record: failures from one source are bounded. */
  strangerLeavesRecord(flow: Flow): boolean {
    const { throttle, clock } = this.#options;
    const source = flow.remote.address;
    const may = throttle.waitMs(source, '', clock.now()) === 0;
    throttle.recordFailure(source, '', clock.now());
    return may;
  }

  peerOf(flow: Flow): PeerConfig | undefined {
    return this.#options.peers.match(flow) ?? this.#peers.get(flow.id);
  }

  /** Another gateway of the same store has found out who sent it; the device's own token is looked at once more. */
  async #byHop(
    request: SipRequest,
    flow: Flow,
    token: string | undefined,
  ): Promise<AuthenticationResult | undefined> {
    const { hops, peers, intents } = this.#options;
    const sender = await hops.sender(request);
    if (sender === undefined) return undefined;
    if (typeof sender === 'string') return this.#refuseHop(flow, sender);
    const { party: via, caller, assurance, peer: peerName, domain } = sender;
    // Who is not of this store speaks for nobody but itself, within a dialog.
    if (!isGateway(via)) return this.#refuseHop(flow, 'hop-foreign');
    const peer = peers.all.find(({ name }) => name === peerName);
    if (peer !== undefined) return proved({ kind: 'peer', peer, assurance: 0, carriesIntent: true, via });
    const identity = caller === undefined ? undefined : await this.#passedOn(caller, domain);
    if (identity?.status !== 'active') return this.#refuseHop(flow, 'hop-caller', caller);
    const intent = token === undefined ? undefined : intents.signedBy(identity, request, token);
    return proved({ kind: 'identity', identity, assurance, intent, via });
  }

  async #passedOn(caller: string, domain: string | undefined): Promise<IdentityRecord | undefined> {
    if (domain === undefined) return this.#options.overlay.identity(caller);
    try {
      return await this.#options.foreign?.passedOn(caller, domain);
    } catch (error) {
      if (error instanceof FederationError) return undefined;
      throw error;
    }
  }

  /** A caller of another operator, by what that one publishes. */
  async #byDomain(
    request: SipRequest,
    flow: Flow,
    domain: string,
    token: string,
  ): Promise<AuthenticationResult> {
    const { foreign, throttle, clock, logger } = this.#options;
    const source = flow.remote.address;
    // Each look-up costs somebody else something, too.
    const wait = throttle.waitMs(source, domain, clock.now());
    const result =
      wait > 0 || foreign === undefined
        ? { fault: 'throttled', claimed: undefined }
        : await foreign.check(request, flow, domain, token);
    if (!('fault' in result)) return proved(result);
    const { fault, claimed } = result;
    logger.warn({ fault, claimed, source, domain, method: request.method }, 'a foreign caller was refused');
    throttle.recordFailure(source, domain, clock.now());
    const headers = [headerField('Reason', `SIP;cause=403;text="Foreign Identity Not Proved: ${fault}"`)];
    const reason = 'Foreign Identity Not Proved';
    return { kind: 'refused', status: 403, reason, fault, claimed, record: wait === 0, headers };
  }

  #refuseHop(flow: Flow, fault: string, claimed?: string): AuthenticationResult {
    this.#options.logger.warn({ fault, claimed, source: flow.remote.address }, 'another gateway refused');
    const record = this.strangerLeavesRecord(flow);
    return {
      kind: 'refused',
      status: 403,
      reason: 'Not A Gateway Of Ours',
      fault,
      claimed,
      record,
      headers: [],
    };
  }

  /** A peer that is a proxy brings back what a phone here has sent by it; what else is wrong with a token is its affair. */
  async #byPeer(
    request: SipRequest,
    flow: Flow,
    peer: PeerConfig,
    token: string | undefined,
  ): Promise<AuthenticationResult> {
    const result = token === undefined ? undefined : await this.#options.intents.check(request, flow, token);
    if (result?.kind === 'accepted')
      return proved({ kind: 'identity', identity: result.identity, assurance: 3, intent: result.intent });
    return proved({ kind: 'peer', peer, assurance: 0, carriesIntent: result?.fault === 'replay' });
  }

  async #byIntent(request: SipRequest, flow: Flow, token: string): Promise<AuthenticationResult> {
    const { intents, throttle, clock, logger } = this.#options;
    const result = await intents.check(request, flow, token);
    if (result.kind === 'accepted') {
      const { identity, intent } = result;
      return proved({ kind: 'identity', identity, assurance: 3, intent });
    }
    const { reason, fault, claimed, offerNonce } = result;
    const source = flow.remote.address;
    logger.warn(
      { fault, claimed, source, transport: flow.transport, method: request.method },
      'intent token refused',
    );
    const record = throttle.waitMs(source, claimed ?? '', clock.now()) === 0;
    throttle.recordFailure(source, claimed ?? '', clock.now());
    const date = new Date(clock.now()).toUTCString();
    const nonce = offerNonce
      ? [headerField('Intent-Nonce', intents.nonceFor(flow)), headerField('Date', date)]
      : [];
    return {
      kind: 'refused',
      status: 403,
      reason,
      fault,
      claimed,
      record,
      headers: [headerField('Reason', `SIP;cause=403;text="${reason}: ${fault}"`), ...nonce],
    };
  }

  /** The identity whose address stands in From, if it has proved itself on this connection. */
  async #byFlow(request: SipRequest, flow: Flow): Promise<AuthenticationResult | undefined> {
    if (!this.#speakers.on(flow)) return undefined;
    const identity = await identityAt(this.#options.overlay, request.from.uri);
    const assurance =
      identity?.status === 'active' ? this.#speakers.assuranceOf(flow, identity.fingerprint) : undefined;
    if (identity === undefined || assurance === undefined) return undefined;
    return proved({ kind: 'identity', identity, assurance, intent: undefined });
  }

  /** The identity that is to be registered, or whose address stands in From, if the TLS client's certificate names it. */
  async #byCertificate(request: SipRequest, flow: Flow): Promise<AuthenticationResult | undefined> {
    if (flow.peerCertificate?.authorized !== true) return undefined;
    const { overlay, certificates } = this.#options;
    const claimed = request.method === 'REGISTER' ? request.to.uri : request.from.uri;
    const identity = await identityAt(overlay, claimed);
    if (identity?.status !== 'active' || !certificates.speaksFor(flow, identity)) return undefined;
    return proved({ kind: 'identity', identity, assurance: 2, intent: undefined });
  }

  /** Whoever is registered on this very flow, for the PBX to challenge: a source address alone proves nothing. */
  async #byBinding(request: SipRequest, flow: Flow): Promise<AuthenticationResult> {
    const { overlay } = this.#options;
    const identity = await identityAt(overlay, request.from.uri);
    const bindings = identity?.status === 'active' ? await overlay.bindings(identity.fingerprint) : [];
    if (identity !== undefined && bindings.some(({ flowId }) => flowId === flow.id))
      return proved({ kind: 'identity', identity, assurance: 0, intent: undefined });
    const record = this.strangerLeavesRecord(flow);
    const claimed = identity?.name;
    return {
      kind: 'refused',
      status: 403,
      reason: 'Register First',
      fault: 'unregistered',
      claimed,
      headers: [],
      record,
    };
  }

  async #byDigest(request: SipRequest, flow: Flow): Promise<AuthenticationResult> {
    const { digest, overlay, logger } = this.#options;
    const kind = request.method === 'REGISTER' ? 'www' : 'proxy';
    const pending = digest.verify(request, flow, kind);
    const verdict = pending instanceof Promise ? await pending : pending;
    if (verdict.kind === 'accepted') {
      const peer = this.#options.peers.byUsername(verdict.username);
      if (peer !== undefined) {
        if (this.#options.flowSpeaks.includes(flow.transport)) this.#peers.set(flow.id, peer);
        return proved({ kind: 'peer', peer, assurance: 0, carriesIntent: false });
      }
      const identity = await overlay.deviceIdentity(verdict.username);
      if (identity?.status === 'active')
        return {
          ...proved({ kind: 'identity', identity, assurance: 1, intent: undefined }),
          info: verdict.info,
        };
      return {
        kind: 'challenge',
        status: kind === 'www' ? 401 : 407,
        headers: digest.challenge(request, flow, kind),
      };
    }
    const { fault, status, headers, username } = verdict;
    if (fault !== 'missing' && fault !== 'stale-nonce')
      logger.warn({ fault, username, source: flow.remote.address, method: request.method }, 'digest refused');
    return { kind: 'challenge', status, headers };
  }
}

/** Header fields that may show who sent a request. */
const proofs: ReadonlySet<string> = new Set([
  'intent-token',
  'authorization',
  'proxy-authorization',
  'hop-token',
]);

function proved(principal: Principal): Extract<AuthenticationResult, { kind: 'proved' }> {
  return { kind: 'proved', principal };
}
