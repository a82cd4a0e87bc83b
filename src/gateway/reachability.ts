import { readUri } from '../intent/index.ts';
import type { Binding, IdentityOverlay } from '../overlay/index.ts';
import type { Flow, ProxyTarget, RegistrationChange, TransportLayer } from '../sip/index.ts';

export interface ReachabilityOptions {
  readonly overlay: IdentityOverlay;
  readonly transport: TransportLayer;
  readonly node: string;
  /** A phone's flow that says nothing at all for so long is given up for another of its flows. */
  readonly silenceMs: number;
}

/** UDP flows that phones have left, remembered for dialogs that began on them. */
const maxLeftFlows = 100_000;
/** Flows that did not answer a request; the oldest is forgotten first. */
const maxSilentFlows = 10_000;

/** Which of an identity's bindings are meant. */
export type BindingChoice = (binding: Binding) => boolean;

const every: BindingChoice = () => true;

/** Finds the flows on which an identity can be reached right now. */
export class Reachability {
  readonly #options: ReachabilityOptions;
  readonly #left = new Set<string>();
  readonly #silent = new Set<string>();

  constructor(options: ReachabilityOptions) {
    this.#options = options;
  }

  /**
   * One target for each phone of the identity that has an open flow, the newest of its flows; the others follow only
   * when that one is gone. Where a call goes is decided by the flow alone; the Contact only becomes the Request-URI
   * that the phone expects (RFC 5626 §5.3).
   */
  async targets(fingerprint: string, choice: BindingChoice = every): Promise<ProxyTarget[]> {
    const bindings = (await this.#options.overlay.routes(fingerprint)).filter(choice);
    const phones = new Set(bindings.map(phoneOf));
    return [...phones].flatMap((phone) => this.#targetAt(fingerprint, phone, bindings, new Set()) ?? []);
  }

  /** The identity's live bindings at other gateways. */
  async elsewhere(fingerprint: string, choice: BindingChoice = every): Promise<readonly Binding[]> {
    const bindings = await this.#options.overlay.routes(fingerprint);
    return bindings.filter((binding) => binding.node !== this.#options.node && choice(binding));
  }

  /** Whether one of the identity's phones is registered on this flow. */
  async isOn(fingerprint: string, flow: Flow): Promise<boolean> {
    const bindings = await this.#options.overlay.bindings(fingerprint);
    return bindings.some((binding) => this.#flowOf(binding)?.id === flow.id);
  }

  /**
   * Where an identity is for requests within a dialog whose own flow its phone has left: the phone whose Contact has
   * the user part of the remote target; if none has, all of them, since only the one that has the dialog takes it.
   */
  async dialogTargets(fingerprint: string, requestUri: string): Promise<readonly ProxyTarget[]> {
    const targets = await this.targets(fingerprint);
    const user = userOf(requestUri);
    const same = targets.filter((target) => userOf(target.requestUri) === user);
    return same.length > 0 ? same : targets;
  }

  /** Notes flows that phones have left, or come back to: a UDP flow never closes. */
  changed(changes: readonly RegistrationChange[]): void {
    for (const change of changes) {
      const { flowId } = change.binding;
      this.#silent.delete(flowId);
      if (change.kind === 'removed') this.#leave(change.binding);
      else {
        if (change.kind === 'refreshed' && change.previous.flowId !== flowId) this.#leave(change.previous);
        this.#left.delete(flowId);
      }
    }
  }

  /** Whether the phone behind a UDP flow has registered elsewhere, or taken itself off. */
  hasLeft(flow: Flow): boolean {
    return !flow.reliable && this.#left.has(flow.id);
  }

  /** Most often a NAT has forgotten a UDP flow. It comes last until its phone registers on it again. */
  #fellSilent(flowId: string): void {
    const [oldest] = this.#silent;
    if (this.#silent.size >= maxSilentFlows && oldest !== undefined) this.#silent.delete(oldest);
    this.#silent.add(flowId);
  }

  #leave({ transport, flowId, path }: Pick<Binding, 'transport' | 'flowId' | 'path'>): void {
    // The flow of a proxy carries many phones.
    if (transport !== 'udp' || path.length > 0) return;
    const [oldest] = this.#left;
    if (this.#left.size >= maxLeftFlows && oldest !== undefined) this.#left.delete(oldest);
    this.#left.add(flowId);
  }

  /** The newest of a phone's flows that were not `tried`, the silent ones last: `bindings` come newest first. */
  #targetAt(
    fingerprint: string,
    phone: string,
    bindings: readonly Binding[],
    tried: ReadonlySet<string>,
  ): ProxyTarget | undefined {
    const open = bindings.flatMap((binding) => {
      const flow =
        phoneOf(binding) === phone && !tried.has(binding.flowId) ? this.#flowOf(binding) : undefined;
      return flow === undefined ? [] : [{ binding, flow }];
    });
    const chosen = open.find(({ flow }) => !this.#silent.has(flow.id)) ?? open[0];
    if (chosen === undefined) return undefined;
    const { binding, flow } = chosen;
    return {
      flow,
      requestUri: binding.contactUri,
      qValue: binding.qValue,
      routes: binding.path.map((uri) => `<${uri}>`),
      identity: fingerprint,
      failover: {
        ...(open.length > 1 ? { silenceMs: this.#options.silenceMs } : {}),
        // RFC 5626 §5.3. Looked up anew: the phone may have come back on another flow meanwhile.
        next: async ({ reason }) => {
          if (reason === 'unavailable') return undefined;
          if (reason === 'timeout') this.#fellSilent(flow.id);
          return this.#next(fingerprint, phone, new Set([...tried, flow.id]));
        },
      },
    };
  }

  async #next(
    fingerprint: string,
    phone: string,
    tried: ReadonlySet<string>,
  ): Promise<ProxyTarget | undefined> {
    try {
      return this.#targetAt(fingerprint, phone, await this.#options.overlay.bindings(fingerprint), tried);
    } catch {
      // A store that is gone knows of no other flow.
      return undefined;
    }
  }

  #flowOf(binding: Binding): Flow | undefined {
    if (binding.node !== this.#options.node) return undefined;
    const flow = this.#options.transport.flow(binding.flowId);
    return flow?.open ? flow : undefined;
  }
}

function userOf(text: string): string | undefined {
  const uri = readUri(text);
  return uri?.scheme === 'sip' || uri?.scheme === 'sips' ? uri.user : undefined;
}

/** RFC 5626 §6: the bindings of one instance are flows of one phone; a phone without an instance-id has one only. */
function phoneOf({ id, instanceId }: Binding): string {
  return instanceId === undefined ? `contact ${id}` : `instance ${instanceId}`;
}
