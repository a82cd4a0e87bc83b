import type { Binding, IdentityOverlay } from '../overlay/index.ts';
import type { Flow, ProxyTarget, TransportLayer } from '../sip/index.ts';

export interface ReachabilityOptions {
  readonly overlay: IdentityOverlay;
  readonly transport: TransportLayer;
  readonly node: string;
}

/** Finds the flows on which an identity can be reached right now. */
export class Reachability {
  readonly #options: ReachabilityOptions;

  constructor(options: ReachabilityOptions) {
    this.#options = options;
  }

  /**
   * One target for each phone of the identity whose flow is open. Where a call goes is decided by the flow alone;
   * the Contact only becomes the Request-URI that the phone expects (RFC 5626 §5.3).
   */
  async targets(fingerprint: string): Promise<ProxyTarget[]> {
    const bindings = await this.#options.overlay.bindings(fingerprint);
    return bindings.flatMap((binding) => {
      const flow = this.#flowOf(binding);
      if (flow === undefined) return [];
      return [
        {
          flow,
          requestUri: binding.contactUri,
          qValue: binding.qValue,
          routes: binding.path,
          identity: fingerprint,
        },
      ];
    });
  }

  /** The identity's flow that registered last, for requests within a dialog whose own flow is gone. */
  async newestFlow(fingerprint: string): Promise<Flow | undefined> {
    const bindings = await this.#options.overlay.bindings(fingerprint);
    const newestFirst = [...bindings].sort((a, b) => b.registeredAtMs - a.registeredAtMs);
    for (const binding of newestFirst) {
      const flow = this.#flowOf(binding);
      if (flow !== undefined) return flow;
    }
    return undefined;
  }

  #flowOf(binding: Binding): Flow | undefined {
    if (binding.node !== this.#options.node) return undefined;
    const flow = this.#options.transport.flow(binding.flowId);
    return flow?.open ? flow : undefined;
  }
}
