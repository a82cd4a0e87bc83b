import type { Clock, Logger, Timer } from '../../base/index.ts';
import { type Binding, type IdentityOverlay, OverlayError } from '../../overlay/index.ts';
import {
  type Flow,
  headerField,
  headerValue,
  type ProxyTarget,
  type SipRequest,
  TransportError,
  type TransportLayer,
} from '../../sip/index.ts';
import type { LoadedKey } from '../node-keys.ts';
import { type HopClaim, type HopTokens, hopTokenHeader } from './hop-token.ts';

/** Long before an announcement ends. */
const announceIntervalMs = 60_000;
const retryIntervalMs = 5_000;
const prefix = 'node:';

/** Whether a party of a dialog is another gateway, which has proved and checked whoever is behind it. */
export function isGateway(party: string | undefined): boolean {
  return party?.startsWith(prefix) === true;
}

/** Where this gateway takes requests of the others. */
export interface NodeAddress {
  readonly transport: 'tcp' | 'tls';
  readonly address: string;
  readonly port: number;
}

/** Gateways of other operators, as far as they have been met. */
export interface ForeignGateways {
  gatewayOf(fingerprint: string): { readonly party: string; readonly publicKey: Uint8Array } | undefined;
  reach(party: string): Promise<{ readonly flow: Flow; readonly fingerprint: string } | undefined>;
}

export interface NodeHopsOptions {
  readonly foreign: ForeignGateways | undefined;
  readonly overlay: IdentityOverlay;
  readonly transport: TransportLayer;
  readonly tokens: HopTokens;
  readonly gateway: LoadedKey;
  readonly domain: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Somebody's phones at other gateways, as one request is sent there. */
export interface NodeAttempt {
  readonly request: SipRequest;
  readonly callee: string;
  /** Instead of the callee's address: a GRUU. */
  readonly requestUri?: string;
  readonly bindings: readonly Binding[];
  readonly claim: HopClaim;
}

/** The way to phones that are registered at other gateways of the same store: one hop, never more. */
export class NodeHops {
  readonly #options: NodeHopsOptions;
  #timer: Timer | undefined;
  #own: NodeAddress | undefined;

  constructor(options: NodeHopsOptions) {
    this.#options = options;
  }

  /** Says where this gateway is, now and as long as it runs; rejects with OverlayError. */
  async start(own: NodeAddress): Promise<void> {
    this.#own = own;
    await this.#announce();
    this.#wait(announceIntervalMs);
  }

  close(): void {
    this.#timer?.cancel();
    this.#own = undefined;
  }

  /** One target for each other gateway that has the callee's phones and can be reached. */
  async targets(attempt: NodeAttempt): Promise<readonly ProxyTarget[]> {
    const { overlay } = this.#options;
    const elsewhere = Map.groupBy(attempt.bindings, ({ node }) => node);
    elsewhere.delete(overlay.node);
    const found = await Promise.all(
      [...elsewhere].map(([node, bindings]) =>
        this.#target(attempt, node, Math.max(...bindings.map(({ qValue }) => qValue))),
      ),
    );
    return found.flatMap((target) => target ?? []);
  }

  /** For a request within a dialog whose connection to that gateway is gone; undefined for who is no gateway. */
  async inDialog(party: string, request: SipRequest): Promise<ProxyTarget | undefined> {
    const reached = party.startsWith(prefix)
      ? await this.#reach(party.slice(prefix.length))
      : await this.#options.foreign?.reach(party);
    if (reached === undefined) return undefined;
    const { flow, fingerprint } = reached;
    const claim = { caller: undefined, assurance: 0, peer: undefined } as const;
    const value = this.#options.tokens.sign(request, fingerprint, claim);
    return { flow, requestUri: request.uri, qValue: 1000, headers: [headerField('Hop-Token', value)] };
  }

  /** Which gateway sent a request, and for whom; a text says why it is not believed, undefined that none says so. */
  async sender(request: SipRequest): Promise<(HopClaim & { readonly party: string }) | string | undefined> {
    const value = headerValue(request, hopTokenHeader);
    if (value === undefined) return undefined;
    const { overlay, tokens, foreign } = this.#options;
    const signer = tokens.signerOf(value);
    if (signer === undefined) return 'hop-malformed';
    const node = signer === overlay.node ? undefined : await overlay.nodeAt(signer);
    const known = node === undefined ? foreign?.gatewayOf(signer) : { ...node, party: prefix + signer };
    if (known === undefined) return 'hop-unknown-node';
    const claim = tokens.check(value, request, known.publicKey);
    return typeof claim === 'string' ? claim : { ...claim, party: known.party };
  }

  async #target(attempt: NodeAttempt, node: string, qValue: number): Promise<ProxyTarget | undefined> {
    const { tokens, domain } = this.#options;
    const { request, callee, requestUri = `sip:${callee}@${domain}`, claim } = attempt;
    const reached = await this.#reach(node);
    if (reached === undefined) return undefined;
    const at = (flow: Flow): ProxyTarget => ({
      flow,
      requestUri,
      qValue,
      identity: prefix + node,
      headers: [headerField('Hop-Token', tokens.sign(request, node, claim))],
    });
    return {
      ...at(reached.flow),
      failover: {
        // A connection that had died unnoticed: once more on a new one.
        next: async ({ reason }) => {
          const again = reason === 'no-flow' ? await this.#reach(node) : undefined;
          return again === undefined || again.flow.id === reached.flow.id ? undefined : at(again.flow);
        },
      },
    };
  }

  async #reach(fingerprint: string): Promise<{ flow: Flow; fingerprint: string } | undefined> {
    const { overlay, transport, domain, logger } = this.#options;
    try {
      const node = await overlay.nodeAt(fingerprint);
      if (node === undefined) return undefined;
      // Gateways that share a store share the domain, and show its certificate.
      const target = node.transport === 'tls' ? { ...node, serverName: domain } : node;
      return { fingerprint, flow: await transport.connect(target) };
    } catch (error) {
      if (!(error instanceof TransportError || error instanceof OverlayError)) throw error;
      logger.warn({ node: fingerprint, code: error.code }, 'another gateway cannot be reached');
      return undefined;
    }
  }

  async #announce(): Promise<void> {
    const { overlay, gateway } = this.#options;
    if (this.#own !== undefined)
      await overlay.announceNode({ token: gateway.token, key: gateway.key, ...this.#own });
  }

  #wait(delayMs: number): void {
    const { clock, logger } = this.#options;
    this.#timer = clock.setTimer(delayMs, () => {
      this.#announce().then(
        () => this.#own && this.#wait(announceIntervalMs),
        (error: unknown) => {
          logger.warn({ error: String(error) }, 'this gateway could not be announced to the others');
          if (this.#own !== undefined) this.#wait(retryIntervalMs);
        },
      );
    });
  }
}
