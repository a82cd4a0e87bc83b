import type { Logger } from '../base/index.ts';
import { FederationError } from '../federation/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../overlay/index.ts';
import { type Flow, headerValue, type SipRequest } from '../sip/index.ts';
import { type AuthenticationResult, proved } from './authentication-result.ts';
import type { ForeignCallers } from './federation/foreign-callers.ts';
import { hopTokenHeader } from './hops/hop-token.ts';
import { isGateway, type NodeHops } from './hops/node-hops.ts';
import type { IntentGate } from './intent-gate.ts';
import type { PeerTable } from './peers/peer-table.ts';

export interface RelayedSenderOptions {
  readonly hops: NodeHops;
  readonly peers: PeerTable;
  readonly intents: IntentGate;
  readonly overlay: IdentityOverlay;
  readonly foreign: ForeignCallers | undefined;
  readonly logger: Logger;
  /** Whether a source that is not believed may leave one more record. */
  readonly leavesRecord: (flow: Flow) => boolean;
}

/** Another gateway of the same store has found out who sent a request; the device's own token is looked at once more. */
export class RelayedSender {
  readonly #options: RelayedSenderOptions;

  constructor(options: RelayedSenderOptions) {
    this.#options = options;
  }

  /** Undefined, without waiting, for what no gateway has sent on. */
  identify(
    request: SipRequest,
    flow: Flow,
    token: string | undefined,
  ): Promise<AuthenticationResult | undefined> | undefined {
    return headerValue(request, hopTokenHeader) === undefined
      ? undefined
      : this.#identify(request, flow, token);
  }

  async #identify(
    request: SipRequest,
    flow: Flow,
    token: string | undefined,
  ): Promise<AuthenticationResult | undefined> {
    const { hops, peers, intents } = this.#options;
    const sender = await hops.sender(request);
    if (sender === undefined) return undefined;
    if (typeof sender === 'string') return this.#refuse(flow, sender);
    const { party: via, caller, assurance, peer: peerName, domain } = sender;
    // Who is not of this store speaks for nobody but itself, within a dialog.
    if (!isGateway(via)) return this.#refuse(flow, 'hop-foreign');
    const peer = peers.all.find(({ name }) => name === peerName);
    if (peer !== undefined) return proved({ kind: 'peer', peer, assurance: 0, carriesIntent: true, via });
    const identity = caller === undefined ? undefined : await this.#passedOn(caller, domain);
    if (identity?.status !== 'active') return this.#refuse(flow, 'hop-caller', caller);
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

  #refuse(flow: Flow, fault: string, claimed?: string): AuthenticationResult {
    const { logger, leavesRecord } = this.#options;
    logger.warn({ fault, claimed, source: flow.remote.address }, 'another gateway refused');
    const record = leavesRecord(flow);
    const reason = 'Not A Gateway Of Ours';
    return { kind: 'refused', status: 403, reason, fault, claimed, record, headers: [] };
  }
}
