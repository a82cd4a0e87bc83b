import type { Logger } from '../base/index.ts';
import type { PeerConfig } from '../config/index.ts';
import {
  type Flow,
  type HeaderField,
  headerField,
  headerValues,
  type LocatedTarget,
  type Locator,
  type ProxyTarget,
  parseAuthValue,
  reach,
  SipParseError,
  type SipRequest,
  type SipResponse,
  type SipUri,
  type TransportError,
  type TransportLayer,
  unescapeUri,
} from '../sip/index.ts';
import { assertedTowards } from './peers/asserted-identity.ts';
import { writtenFor } from './peers/numbering.ts';
import { accountOf, addressAt } from './peers/peer-addresses.ts';
import { dialPlanFor, peersFor } from './peers/peer-choice.ts';
import type { PeerCredentials } from './peers/peer-credentials.ts';
import type { PeerMonitor } from './peers/peer-monitor.ts';
import type { PeerRequests } from './peers/peer-requests.ts';
import type { PeerTable } from './peers/peer-table.ts';
import { type Principal, peerIdentity } from './principal.ts';

export interface OutboundOptions {
  readonly transport: TransportLayer;
  readonly locator: Locator;
  readonly peers: PeerTable;
  readonly requests: PeerRequests;
  readonly monitor: PeerMonitor;
  readonly credentials: PeerCredentials;
  /** Answers in this realm are meant for this gateway and go no further; undefined: it asks for none. */
  readonly realm?: string;
  /** When an address that says nothing at all is given up for the next one. */
  readonly silenceMs: number;
  readonly logger: Logger;
}

/** A request that leaves for a peer. */
export interface OutwardRequest {
  readonly request: SipRequest;
  /** Where it is meant to go, and the peer that the number map names for it. */
  readonly uri: SipUri;
  readonly peer: string | undefined;
  readonly sender: Principal;
}

/** Where an outward request can go; `down`: a peer takes it, but none that does can be reached now. */
export type OutwardTargets =
  | { readonly kind: 'targets'; readonly targets: readonly ProxyTarget[] }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'down' };

/** Opens flows towards PBXes and trunks, for addresses that no identity here holds and for those that a PBX rings. */
export class Outbound {
  readonly #options: OutboundOptions;

  constructor(options: OutboundOptions) {
    this.#options = options;
  }

  /** One target at the first peer that takes the call; the others follow when that one fails. */
  async targets(outward: OutwardRequest): Promise<OutwardTargets> {
    const { uri, sender, peer } = outward;
    if (uri.user === undefined) return { kind: 'nobody' };
    return this.#among(outward, peersFor(unescapeUri(uri.user), sender, peer, this.#options.peers.all));
  }

  /** At the PBX that rings identities itself; `nobody` when there is none, or it is away and the phone is known. */
  async throughDialPlan(outward: OutwardRequest): Promise<OutwardTargets> {
    const { uri, sender } = outward;
    const { peers, logger } = this.#options;
    const pbx = uri.user === undefined ? undefined : dialPlanFor(unescapeUri(uri.user), sender, peers.all);
    if (pbx === undefined) return { kind: 'nobody' };
    const found = await this.#among(outward, [pbx]);
    if (found.kind !== 'down' || sender.assurance === 0) return found;
    logger.warn({ peer: pbx.name, uri: uri.user }, 'a call goes past a PBX that does not answer');
    return { kind: 'nobody' };
  }

  openFlow(flowId: string): Flow | undefined {
    const flow = this.#options.transport.flow(flowId);
    return flow?.open ? flow : undefined;
  }

  /** A new flow to the peer behind a dialog whose own connection is gone; undefined for any other identity. */
  async flowTo(identity: string): Promise<Flow | undefined> {
    const peer = this.#options.peers.byIdentity(identity);
    if (peer === undefined) return undefined;
    return (await this.#reach(peer, await this.#options.requests.addresses(peer)))?.flow;
  }

  /** The target of a request within a dialog: a flow, or for a peer's UDP flow also the connection instead of it. */
  inDialog(flow: Flow, requestUri: string, request?: SipRequest): ProxyTarget {
    const target: ProxyTarget = { flow, requestUri, qValue: 1000 };
    const answers = request === undefined ? [] : this.#foreignAnswers(request);
    if (flow.reliable && answers.length === 0) return target;
    const peer = this.#options.peers.match(flow);
    if (peer === undefined) return target;
    return this.#orOverConnection(peer, answers.length === 0 ? target : { ...target, headers: answers });
  }

  async #among(outward: OutwardRequest, peers: readonly PeerConfig[]): Promise<OutwardTargets> {
    if (peers.length === 0) return { kind: 'nobody' };
    const [first, ...others] = peers.filter((peer) => !this.#options.monitor.isDown(peer));
    if (first === undefined) return { kind: 'down' };
    const located = await this.#options.requests.addresses(first);
    const target = await this.#target({ outward, peer: first, others }, located);
    return target === undefined ? { kind: 'down' } : { kind: 'targets', targets: [target] };
  }

  /** At the next address that takes a flow, of this peer or of the ones after it. */
  async #target(attempt: Attempt, located: readonly LocatedTarget[]): Promise<ProxyTarget | undefined> {
    const { locator, logger, silenceMs, monitor, requests } = this.#options;
    const { outward, peer, others } = attempt;
    const reached = await this.#reach(peer, located);
    if (reached === undefined) {
      monitor.suspect(peer);
      const [next, ...rest] = others;
      if (next === undefined) return undefined;
      return this.#target({ outward, peer: next, others: rest }, await requests.addresses(next));
    }
    const { flow, target, rest } = reached;
    const proxyTarget: ProxyTarget = {
      flow,
      requestUri: requestUriAt(attempt),
      qValue: 1000,
      identity: peerIdentity(peer),
      headers: [
        ...assertedTowards(peer, outward.sender, outward.request),
        ...this.#foreignAnswers(outward.request),
      ],
      failover: {
        ...(rest.length + others.length === 0 ? {} : { silenceMs }),
        next: async ({ reason, retryAfterSeconds }) => {
          locator.markDead(target, retryAfterSeconds === undefined ? undefined : retryAfterSeconds * 1_000);
          monitor.suspect(peer);
          logger.warn(
            { peer: peer.name, target, reason, others: rest.length },
            'an address of a peer failed',
          );
          return await this.#target(attempt, rest);
        },
      },
    };
    return this.#orOverConnection(peer, this.#answeringChallenges(attempt, proxyTarget));
  }

  /** A peer that wants to see the password of an account that is kept here gets its answer without the phone. */
  #answeringChallenges({ outward, peer }: Attempt, target: ProxyTarget): ProxyTarget {
    const credential = credentialFor(peer, outward.sender);
    if (credential === undefined) return target;
    const asked = { ...outward.request, uri: target.requestUri };
    const onChallenge = (response: SipResponse): HeaderField[] | undefined => {
      const answer = this.#options.credentials.answer(peer, credential, asked, response);
      return answer && [answer];
    };
    return { ...target, onChallenge };
  }

  /** RFC 3261 §22.3: what a phone answers in a peer's realm is for the peer, and its word in ours for nobody else. */
  #foreignAnswers(request: SipRequest): HeaderField[] {
    return headerValues(request, 'proxy-authorization').flatMap((value) =>
      realmOf(value) === this.#options.realm ? [] : [headerField('Proxy-Authorization', value)],
    );
  }

  /** RFC 3261 §18.1.1: to the same address and port over TCP, and back to UDP when that is refused. */
  #orOverConnection(peer: PeerConfig, target: ProxyTarget): ProxyTarget {
    if (target.flow.transport !== 'udp') return target;
    const { address, port } = target.flow.remote;
    const connection: LocatedTarget = { transport: 'tcp', address, port };
    const overConnection = async (): Promise<ProxyTarget> => {
      // Refused a short while ago, and logged then.
      if (this.#options.locator.isDead(connection)) return target;
      const reached = await this.#reach(peer, [connection]);
      if (reached !== undefined) return { ...target, flow: reached.flow };
      this.#options.logger.warn(
        { peer: peer.name, target: connection },
        'a request too large for a datagram goes over UDP all the same: the peer takes no TCP connection',
      );
      return target;
    };
    return { ...target, overConnection };
  }

  #reach(peer: PeerConfig, located: readonly LocatedTarget[]): ReturnType<typeof reach> {
    const { logger } = this.#options;
    const onFailed = (target: LocatedTarget, { code }: TransportError): void =>
      logger.warn({ peer: peer.name, target, code }, 'a peer takes no connection');
    return reach(located, { ...this.#options, onFailed });
  }
}

/** A request on its way to `peer`, and the peers that are tried after it. */
interface Attempt {
  readonly outward: OutwardRequest;
  readonly peer: PeerConfig;
  readonly others: readonly PeerConfig[];
}

/** A PBX reads what a phone dialled; between networks a number is written as the other one wants it. */
function requestUriAt({ outward: { uri, sender }, peer }: Attempt): string {
  const dialled = unescapeUri(uri.user ?? '');
  const asDialled = peer.role === 'pbx' && sender.kind === 'identity';
  return addressAt(peer, asDialled ? dialled : writtenFor(dialled, peer.numbering));
}

function credentialFor(peer: PeerConfig, sender: Principal): PeerConfig['credential'] {
  if (sender.kind === 'peer') return peer.credential;
  const { user, username = user, password } = accountOf(peer, sender.identity);
  return password === undefined ? peer.credential : { username, password };
}

function realmOf(authorization: string): string | undefined {
  try {
    return parseAuthValue(authorization).params.get('realm');
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}
