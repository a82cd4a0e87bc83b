import type { Param } from '../message/index.ts';
import type { Endpoint, TransportName } from '../transport/index.ts';

/** One way to reach an address-of-record. Plain data: a store may keep it as JSON. */
export interface Binding {
  /** Names the binding within its address-of-record and stays the same over refreshes; a store's key. */
  readonly id: string;
  /** As the phone wrote it: the Request-URI of what goes to it, never where it goes. That is the flow's part. */
  readonly contactUri: string;
  /** As the phone wrote them, without `expires`. */
  readonly contactParams: readonly Param[];
  /** Without quotes and <>, for instance `urn:uuid:…` (RFC 5626 §4.1). */
  readonly instanceId: string | undefined;
  /** Only beside an instance-id (RFC 5626 §6). */
  readonly regId: number | undefined;
  /** The flow on which the REGISTER arrived: the first hop of everything that goes to this phone. */
  readonly flowId: string;
  readonly transport: TransportName;
  /** The source that was seen, whatever the Contact says. */
  readonly observed: Endpoint;
  readonly callId: string;
  readonly cseq: number;
  readonly expiresAtMs: number;
  /** Preference in thousandths, 0 to 1000. */
  readonly qValue: number;
  /** URIs of the proxies between us and the phone, nearest to us first (RFC 3327). */
  readonly path: readonly string[];
  readonly userAgent: string | undefined;
  /** When the binding was made, and when it was last refreshed. */
  readonly registeredAtMs: number;
  readonly refreshedAtMs: number;
}

/** What one REGISTER changed, in the order in which a store applies it. */
export type RegistrationChange =
  | { readonly kind: 'added'; readonly binding: Binding }
  | { readonly kind: 'refreshed'; readonly binding: Binding; readonly previous: Binding }
  | { readonly kind: 'removed'; readonly binding: Binding; readonly cause: RemovalCause };

/** `replaced`: another contact of the same phone took its place. */
export type RemovalCause = 'unregistered' | 'replaced' | 'expired';

/** What a store must apply, and whatever else the registrar decided together with it. */
export interface LocationUpdate {
  readonly changes: readonly RegistrationChange[];
}

/**
 * Where bindings are kept (RFC 3261 §10); filled by the overlay. An address-of-record is an opaque key.
 * Both calls may answer at once or later, and fail by throwing: the registrar then answers 500 and nothing has changed.
 */
export interface LocationService {
  /** Expired bindings may still be among them. */
  list(aor: string): readonly Binding[] | Promise<readonly Binding[]>;
  /**
   * Reads the bindings, has `decide` choose, and applies its changes all or none; no other update of this
   * address-of-record comes between. `decide` is pure: a store without locks may call it again. Returns its last
   * answer once the changes are stored.
   */
  update<Update extends LocationUpdate>(
    aor: string,
    decide: (current: readonly Binding[]) => Update,
  ): Update | Promise<Update>;
}

/** The bindings as they stand after the changes. */
export function applyChanges(
  current: readonly Binding[],
  changes: readonly RegistrationChange[],
): readonly Binding[] {
  const byId = new Map(current.map((binding) => [binding.id, binding]));
  for (const change of changes) {
    if (change.kind === 'removed') byId.delete(change.binding.id);
    else byId.set(change.binding.id, change.binding);
  }
  return [...byId.values()];
}
