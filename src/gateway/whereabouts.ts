import type { IdentityOverlay } from '../overlay/index.ts';
import { type Flow, isGruu, type ProxyTarget, type SipRequest } from '../sip/index.ts';
import { isFingerprint } from '../tokens/index.ts';
import type { Callee } from './callees.ts';
import type { ForeignCallees } from './federation/foreign-callees.ts';
import { domainOfParty } from './federation/foreign-callers.ts';
import { isGateway, type NodeHops } from './hops/node-hops.ts';
import { identityAt } from './identity-at.ts';
import type { Outbound } from './outbound.ts';
import type { Meant } from './peers/called-number.ts';
import type { Principal } from './principal.ts';
import type { Reachability } from './reachability.ts';
import type { ServedDomain } from './served-domain.ts';

/** Where a request goes; `away`: to a peer that cannot be reached now. */
export interface Destination {
  readonly targets: readonly ProxyTarget[];
  readonly away: boolean;
  /** A peer decides who rings. */
  readonly atPeer: boolean;
}

export interface WhereaboutsOptions {
  readonly overlay: IdentityOverlay;
  readonly reachability: Reachability;
  readonly outbound: Outbound;
  readonly hops: NodeHops;
  /** Undefined where calls do not leave this domain. */
  readonly foreign: ForeignCallees | undefined;
  readonly domain: ServedDomain;
}

/** Where somebody can be reached: phones here and at other gateways, peers, other operators. */
export class Whereabouts {
  readonly #options: WhereaboutsOptions;

  constructor(options: WhereaboutsOptions) {
    this.#options = options;
  }

  /** At the peer whose dial plan decides; else every phone of the identity, or the one that is meant; else a peer. */
  async of(
    request: SipRequest,
    flow: Flow,
    callee: Callee,
    { uri, peer }: Meant,
    sender: Principal,
  ): Promise<Destination> {
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
    if (sender.via !== undefined) {
      if (identity === undefined) return { targets: [], away: false, atPeer: false };
      const here = await reachability.targets(identity.fingerprint, chooses);
      // A gateway of ours that sent it here has looked everywhere else.
      const others = isGateway(sender.via)
        ? []
        : await this.#atOtherNodes(request, identity.fingerprint, callee, sender);
      return { targets: [...here, ...others], away: false, atPeer: false };
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
      domain: domainOfParty(sender.via),
      assurance,
    };
    return hops.targets({ request, callee, bindings, claim, ...(chooses && { requestUri: request.uri }) });
  }

  /** RFC 3261 §16.5: where a 3xx points, as far as that is one of our own identities. */
  readonly redirect = async (contacts: readonly string[]): Promise<readonly ProxyTarget[]> => {
    const { overlay, reachability, domain } = this.#options;
    const targets: ProxyTarget[] = [];
    for (const contact of contacts) {
      if (domain.ownUri(contact, '') === undefined) continue;
      const identity = await identityAt(overlay, contact);
      if (identity?.status === 'active') targets.push(...(await reachability.targets(identity.fingerprint)));
    }
    return targets;
  };
}
