import type { Clock, Logger } from '../base/index.ts';
import type { PeerConfig, TransportName } from '../config/index.ts';
import { chain, type Eventual, type IdentityOverlay } from '../overlay/index.ts';
import type { DigestAuthenticator, FailureThrottle, Flow, SipRequest } from '../sip/index.ts';
import { type AuthenticationResult, type Challenge, proved } from './authentication-result.ts';
import type { CertificateIdentity } from './certificate-identity.ts';
import type { ForeignCallers } from './federation/foreign-callers.ts';
import type { NodeHops } from './hops/node-hops.ts';
import { identityAt } from './identity-at.ts';
import { type IntentGate, intentTokenOf } from './intent-gate.ts';
import { PasswordProof } from './password-proof.ts';
import type { PeerTable } from './peers/peer-table.ts';
import type { Assurance } from './principal.ts';
import { RelayedSender } from './relayed-sender.ts';
import { type SpeakerLimits, Speakers } from './speakers.ts';
import { TokenProof } from './token-proof.ts';

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
  readonly #relayed: RelayedSender;
  readonly #tokens: TokenProof;
  readonly #passwords: PasswordProof;
  readonly #speakers: Speakers;
  /** Peers that have shown their password on a connection, by the flow's id. */
  readonly #peers = new Map<string, PeerConfig>();
  /** Revoked while they had something in progress here. */
  readonly #barred = new Set<string>();

  constructor(options: AuthenticationOptions) {
    this.#options = options;
    this.#relayed = new RelayedSender({
      ...options,
      leavesRecord: (flow) => this.strangerLeavesRecord(flow),
    });
    this.#tokens = new TokenProof(options);
    this.#passwords = new PasswordProof(options);
    this.#speakers = new Speakers(options.speakers);
  }

  /** At once where nothing has to be waited for. */
  identify(request: SipRequest, flow: Flow): Eventual<AuthenticationResult> {
    const token = intentTokenOf(request);
    const direct = (): Eventual<AuthenticationResult> =>
      request.method === 'REGISTER'
        ? this.#registrant(request, flow, token)
        : this.#sender(request, flow, token);
    const relayed = this.#relayed.identify(request, flow, token);
    return relayed === undefined ? direct() : relayed.then((result) => result ?? direct());
  }

  /** Who registers proves itself each time, whatever its flow has shown before. */
  #registrant(request: SipRequest, flow: Flow, token: string | undefined): Eventual<AuthenticationResult> {
    if (token !== undefined) return this.#tokens.byKey(request, flow, token);
    return chain(this.#byCertificate(request, flow), (known) => known ?? this.#byPassword(request, flow));
  }

  async #sender(request: SipRequest, flow: Flow, token: string | undefined): Promise<AuthenticationResult> {
    const peer = this.peerOf(flow);
    if (peer !== undefined) return this.#byPeer(request, flow, peer, token);
    const domain = await this.#options.foreign?.domainOf(request, flow);
    if (token !== undefined && domain !== undefined)
      return this.#tokens.byDomain(request, flow, domain, token);
    if (token !== undefined) return this.#tokens.byKey(request, flow, token);
    const known = (await this.#byFlow(request, flow)) ?? (await this.#byCertificate(request, flow));
    return known ?? this.#byPassword(request, flow);
  }

  /** What a device proves by itself, without a password; undefined when it brings no such proof. */
  async byKey(request: SipRequest, flow: Flow): Promise<AuthenticationResult | undefined> {
    const token = intentTokenOf(request);
    return token === undefined
      ? this.#byCertificate(request, flow)
      : this.#tokens.byKey(request, flow, token);
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
    return this.#passwords.challenge(request, flow);
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
  #byCertificate(request: SipRequest, flow: Flow): Eventual<AuthenticationResult | undefined> {
    if (flow.peerCertificate?.authorized !== true) return undefined;
    const { overlay, certificates } = this.#options;
    const claimed = request.method === 'REGISTER' ? request.to.uri : request.from.uri;
    return identityAt(overlay, claimed).then((identity) =>
      identity?.status === 'active' && certificates.speaksFor(flow, identity)
        ? proved({ kind: 'identity', identity, assurance: 2, intent: undefined })
        : undefined,
    );
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

  #byPassword(request: SipRequest, flow: Flow): Eventual<AuthenticationResult> {
    if (this.#options.passwordsElsewhere) return this.#byBinding(request, flow);
    return chain(this.#passwords.check(request, flow), (result) => {
      const peer =
        result.kind === 'proved' && result.principal.kind === 'peer' ? result.principal.peer : undefined;
      if (peer !== undefined && this.#options.flowSpeaks.includes(flow.transport))
        this.#peers.set(flow.id, peer);
      return result;
    });
  }
}

/** Header fields that may show who sent a request. */
const proofs: ReadonlySet<string> = new Set([
  'intent-token',
  'authorization',
  'proxy-authorization',
  'hop-token',
]);
