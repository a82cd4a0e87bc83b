/** The transports on which a phone can be reached. */
export type BindingTransport = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

/** A header field parameter, as the registrar gives it. */
export interface BindingParam {
  readonly name: string;
  readonly value: string | undefined;
}

/** What the registrar knows about one way to reach an identity (RFC 3261 §10, RFC 5626). Plain data. */
export interface RegisteredBinding {
  /** Names the binding within its identity and stays the same over refreshes. */
  readonly id: string;
  readonly contactUri: string;
  readonly contactParams: readonly BindingParam[];
  readonly instanceId: string | undefined;
  readonly regId: number | undefined;
  readonly flowId: string;
  readonly transport: BindingTransport;
  /** The source that was seen, whatever the Contact says. */
  readonly observed: { readonly address: string; readonly port: number };
  readonly callId: string;
  readonly cseq: number;
  readonly expiresAtMs: number;
  /** Preference in thousandths, 0 to 1000. */
  readonly qValue: number;
  readonly path: readonly string[];
  readonly userAgent: string | undefined;
  readonly registeredAtMs: number;
  readonly refreshedAtMs: number;
}

/** How sure the node was of the phone: 0 none, 1 digest, 2 device certificate, 3 device key. */
export type BindingAssurance = 0 | 1 | 2 | 3;

/** What the node adds that took the registration. */
export interface BindingAnnotation {
  readonly assurance: BindingAssurance;
  readonly capabilities: readonly string[];
}

/** A binding as the overlay keeps it. */
export interface Binding extends RegisteredBinding, BindingAnnotation {
  /** The gateway that holds the flow. */
  readonly node: string;
  /** Rises with every change of this identity's bindings, over restarts too: the highest is the newest. */
  readonly sequence: number;
}

export type BindingRemovalCause = 'unregistered' | 'replaced' | 'expired' | 'flow-lost';

export type BindingChange =
  | { readonly kind: 'added' | 'refreshed'; readonly binding: RegisteredBinding }
  | { readonly kind: 'removed'; readonly binding: RegisteredBinding; readonly cause: BindingRemovalCause };

/** All bindings of one identity. The document stays when they are gone: the sequence must not start anew. */
export interface BindingsDocument {
  readonly sequence: number;
  readonly bindings: readonly Binding[];
}

export const noBindings: BindingsDocument = { sequence: 0, bindings: [] };

/** The bindings after the changes; each new or refreshed one gets the next sequence number. */
export function applyBindingChanges(
  current: BindingsDocument,
  changes: readonly BindingChange[],
  annotate: (binding: RegisteredBinding) => BindingAnnotation & { readonly node: string },
): BindingsDocument {
  const byId = new Map(current.bindings.map((binding) => [binding.id, binding]));
  let sequence = current.sequence;
  for (const change of changes) {
    if (change.kind === 'removed') {
      byId.delete(change.binding.id);
    } else {
      sequence += 1;
      byId.set(change.binding.id, { ...change.binding, ...annotate(change.binding), sequence });
    }
  }
  return { sequence, bindings: [...byId.values()] };
}

/** Those that have not expired, the newest first: the order in which flows are tried. */
export function liveBindings(document: BindingsDocument, nowMs: number): readonly Binding[] {
  return document.bindings
    .filter((binding) => binding.expiresAtMs > nowMs)
    .sort((a, b) => b.sequence - a.sequence);
}
